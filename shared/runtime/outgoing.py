"""Calls to addresses that people typed in: webhooks. They must not lead into our own network.

The address is judged where it counts: a name is looked up, each of its addresses is checked, and
the connection goes to one that passed, so that a name which answers differently the second time
gains nothing. TLS still verifies the certificate for the name. Redirects are answers like others
and not followed, no proxy of the environment is used, and of an answer only so much is read.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httpx

from shared.runtime.outward import Allowed, Ip

TIMEOUT_SECONDS: Final = 10.0
"""Of a whole call, from the name's look-up to the end of the answer."""
MAX_ANSWER_BYTES: Final = 16 * 1024
MAX_ADDRESS: Final = 2000
LOOKUPS: Final = 8

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class Refused(Exception):
    """An address that must not be called. Its text says why, for whoever typed it in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; of a long body only the beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outgoing:
    """Posts to addresses of the public internet, and to what is allowed besides."""

    def __init__(self, allowed: Allowed | None = None, *, seconds: float = TIMEOUT_SECONDS) -> None:
        self._allowed = allowed or Allowed()
        self._seconds = seconds
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()
        # Of their own: a resolver that hangs must not take the threads that others wait for.
        self._lookups = ThreadPoolExecutor(LOOKUPS, "outgoing-names")

    def check(self, url: str) -> None:
        """Raise Refused for what can be seen to be no address to call, without looking it up."""
        host, port = _target(url)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        self._judge(host, address, port)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Post once. Raises Refused, TimeoutError after ten seconds in all, and httpx.HTTPError
        when the receiver can't be reached or does not speak HTTP."""
        _target(url)
        async with asyncio.timeout(self._seconds):
            client = await self._ready()
            sending = client.stream("POST", url, content=content, headers=dict(headers))
            async with sending as response:
                body = b""
                async for part in response.aiter_raw():
                    body += part[: MAX_ANSWER_BYTES - len(body)]
                    if len(body) >= MAX_ANSWER_BYTES:
                        break  # the connection is closed with what it still has to say
                return Answer(response.status_code, response.headers, body)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def addresses_of(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be called. Raises Refused when there is none."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._lookups, look_up)
        except (OSError, UnicodeError):
            raise httpx.ConnectError("the name is not known") from None
        passed, refused = [], Refused(f"{host} has no address")
        for *_, at in found:
            try:
                self._judge(host, ipaddress.ip_address(str(at[0]).partition("%")[0]), port)
                passed.append(str(at[0]))
            except Refused as error:
                refused = error
        if not passed:
            raise refused
        return list(dict.fromkeys(passed))

    def _judge(self, host: str, address: Ip, port: int) -> None:
        if not is_public(address) and not self._allowed.holds(host, address, port):
            raise Refused(
                f"{host} is an address of a private network; an operator may allow it "
                "(LEADLOOP_OUTGOING_ALLOW)"
            )

    async def _ready(self) -> httpx.AsyncClient:
        """The client, made on the first call: reading the certificates takes a while."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._open)
            return self._client

    def _open(self) -> httpx.AsyncClient:
        from shared.runtime.checked_network import transport  # half of httpx's import time

        return httpx.AsyncClient(
            transport=transport(self.addresses_of),
            timeout=self._seconds,
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": "Leadloop", "accept-encoding": "identity"},
        )


def is_public(address: Ip) -> bool:
    """Whether an address belongs to somebody on the public internet: not to this machine, its
    network, a group or a reserved range, however it is wrapped into IPv6."""
    inner: Iterable[Ip | None] = ()
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        inner = (address.ipv4_mapped, address.sixtofour, teredo and teredo[1])
        if address in _NAT64:
            inner = (*inner, ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.is_site_local or int(address) >> 32 == 0:  # the second: IPv4 as it was wrapped
            return False
    for one in inner:
        if one is not None:
            return is_public(one)
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _target(url: str) -> tuple[str, int]:
    """The host and port of an address. Raises Refused unless it is plain http or https."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise Refused("this is no address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Refused("an address starts with https:// or http:// and a host")
    if len(url) > MAX_ADDRESS or not url.isascii() or not url.isprintable() or " " in url:
        raise Refused("an address is printable ASCII without blanks, of at most 2000 characters")
    if parts.username is not None or parts.password is not None:
        raise Refused("an address must hold no user or password")
    return host, port or (443 if parts.scheme == "https" else 80)
