"""Another tool that posts to us: what it is, how it is believed, and how its words become ours."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

Kind = Literal["hubspot", "web_to_lead", "webhook"]
PRESETS: Final[dict[str, dict[str, str]]] = {
    "typeform": {
        "header": "Typeform-Signature",
        "algorithm": "sha256",
        "prefix": "sha256=",
        "encoding": "base64",
    },
    "meta": {
        "header": "X-Hub-Signature-256",
        "algorithm": "sha256",
        "prefix": "sha256=",
        "encoding": "hex",
    },
}
"""How these services sign the body they send."""


@dataclass(frozen=True, slots=True)
class Source:
    """A tool that may post without a key of ours. ``document`` says what its kind needs."""

    source_id: str
    kind: Kind
    active: bool
    document: Mapping[str, Any]
    secret: str
    """Shared with the tool; empty for kinds that have none. Never shown again."""
    created_at: datetime
    updated_at: datetime

    def __repr__(self) -> str:
        return f"Source({self.source_id!r}, {self.kind!r})"

    @property
    def label(self) -> str:
        """Who sent a submission, as bad submissions name it."""
        return f"{'source' if self.kind == 'webhook' else 'open'}:{self.source_id}"


def is_signed(source: Source, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether whoever sent this knows the secret: by a header with the secret itself, or by one
    with an HMAC of the body. ``headers`` has lower-case names."""
    how = verification_of(source.document)
    sent = headers.get(how["header"].lower(), "")
    if not sent or not source.secret:
        return False
    prefix, secret = how.get("prefix", ""), source.secret.encode()
    if not sent.startswith(prefix):
        return False
    sent = sent[len(prefix) :].strip()
    if how.get("type") == "secret":
        return hmac.compare_digest(sent.encode(), secret)
    mac = hmac.new(secret, body, getattr(hashlib, how["algorithm"])).digest()
    if how["encoding"] == "hex":
        return hmac.compare_digest(sent.lower().encode(), mac.hex().encode())
    return hmac.compare_digest(sent.encode(), base64.b64encode(mac))


def verification_of(document: Mapping[str, Any]) -> Mapping[str, str]:
    """How a webhook is verified: by its preset, else as it was configured."""
    preset = document.get("preset")
    if preset:
        return {"type": "hmac", **PRESETS[preset]}
    found: Mapping[str, str] = document["verification"]
    return found


def allowed_address(address: str, hosts: list[str]) -> str | None:
    """A web address that a browser may be sent to, if its host is one of these (``*.example.com``
    is every host below it); else None."""
    if len(address) > 2000 or not address.isascii() or not address.isprintable() or " " in address:
        return None
    if "\\" in address or address.split(":", 1)[0].lower() not in ("http", "https"):
        return None
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.password is not None:
        return None
    return address if is_host(host, hosts) else None


def is_host(host: str, hosts: list[str]) -> bool:
    """Whether a host is one of these patterns."""
    host = host.lower().rstrip(".")
    return any(
        host.endswith(one[1:]) if one.startswith("*.") else host == one
        for one in map(str.lower, hosts)
    )
