"""Where each service's pages and API are, and which addresses are safe to send a browser to."""

from dataclasses import dataclass, fields
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Links:
    """The URL prefix of each service: empty when it answers at the same address as this process.

    ``links.capture + "/capture/forms/demo"`` is the address of a page, wherever it runs.
    """

    capture: str = ""
    qualify: str = ""
    routing: str = ""
    feedback: str = ""

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Read ``capture=http://host:8001,qualify=…``; services not named are at this address.

        Raises ValueError for an unknown service or something that is no http(s) address.
        """
        known = [field.name for field in fields(cls)]
        prefixes: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in setting.split(","))):
            name, _, url = (piece.strip() for piece in part.partition("="))
            if name not in known:
                raise ValueError(f"{name!r} is no service; the services are {', '.join(known)}")
            address = urlsplit(url)
            if address.scheme not in ("http", "https") or not address.netloc:
                raise ValueError(f"the address of {name} must start with http:// or https://")
            if address.query or address.fragment:
                raise ValueError(f"the address of {name} must not hold a query or a fragment")
            prefixes[name] = url.rstrip("/")
        return cls(**prefixes)


def local_path(value: str | None, default: str = "/") -> str:
    """``value`` if it is a path on this very site, otherwise ``default``.

    Browsers read ``//host``, ``/\\host`` and addresses with tabs or line breaks in them as other
    sites, so everything but one slash and printable ASCII is refused.
    """
    if not value or not value.startswith("/") or value[1:2] in ("/", "\\"):
        return default
    if "\\" in value or not value.isascii() or not value.isprintable() or " " in value:
        return default
    address = urlsplit(value)
    return default if address.scheme or address.netloc else value
