"""How people outside are reached from here: what the settings say about it. Nothing is called here,
so that the command line, which reads all settings, need not import what calls."""

import ipaddress
import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
STARTTLS: Final = {"auto": None, "required": True, "off": False}
PORTS: Final = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Allowed:
    """Private addresses that may be called all the same: networks and names, each with a port or
    for every port (None)."""

    networks: tuple[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None], ...] = ()
    names: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Read ``10.0.0.0/8,crm.internal:8443,[::1]:9000``. Raises ValueError."""
        networks, names = [], set()
        for entry in filter(None, (part.strip() for part in setting.split(","))):
            host, port = _host_and_port(entry)
            try:
                networks.append((ipaddress.ip_network(host), port))
            except ValueError:
                if "/" in host or not host:
                    raise ValueError(
                        f"{entry!r} is no host, network or either with :port"
                    ) from None
                names.add((host.lower(), port))
        return cls(tuple(networks), frozenset(names))

    def holds(self, host: str, address: Ip, port: int) -> bool:
        """Whether this address, found under this name, may be called at this port."""
        if not self.names.isdisjoint({(host.lower(), port), (host.lower(), None)}):
            return True
        return any(address in network and at in (None, port) for network, at in self.networks)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and whom it is from."""

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    """From the first byte."""
    starttls: bool | None = None
    """None: if the server offers it."""

    @classmethod
    def parse(cls, url: str, sender: str) -> Self:
        """Read ``smtp://user:password@host:port?starttls=required``, or ``smtps://…``; starttls is
        ``auto``, ``required`` or ``off``. Raises ValueError, whose text holds no password."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("a mail server is written smtp://user:password@host:port")
        if options.keys() - {"starttls"} or options.get("starttls", "auto") not in STARTTLS:
            raise ValueError("all that may follow a mail server is ?starttls=auto|required|off")
        address = parseaddr(sender)[1]
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
            raise ValueError("mail needs a sender: LEADLOOP_MAIL_FROM=Leadloop <leads@example.com>")
        return cls(
            parts.hostname,
            parts.port or PORTS[parts.scheme],
            sender,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            parts.scheme == "smtps",
            STARTTLS[options.get("starttls", "auto")],
        )

    @property
    def domain(self) -> str:
        """The sender's, for message ids."""
        return parseaddr(self.sender)[1].partition("@")[2]


@dataclass(frozen=True, slots=True)
class Outward:
    """How this installation reaches people: what the settings say about it."""

    public_url: str = "http://127.0.0.1:8000"
    """Where people open the pages: the beginning of links in messages."""
    mail: MailServer | None = None
    """None: mail is not set up."""
    allowed: Allowed = Allowed()


def _host_and_port(entry: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[v6]:port`` or a network, taken apart. Raises ValueError."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    else:
        host, port = entry, ""
    if not port:
        return host, None
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{entry!r} has no port after its colon")
    return host, int(port)
