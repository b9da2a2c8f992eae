"""Web push: a message to a browser that somebody has left open or closed.

The browser's maker carries it (RFC 8030) and can't read it: it is encrypted for the one browser
(RFC 8291), and signed by the key of this installation (RFC 8292, VAPID), which the browser was told
when it agreed. The key is derived from the secret that every process shares, so that there is none
to keep or to lose beside it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from email.utils import parseaddr
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from services.routing.notifying.messages import Message
from shared.runtime.outward import Outward

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PURPOSE: Final = "leadloop.web-push.v1"
KEEP_SECONDS: Final = 4 * 3600
"""How long the carrier keeps a message for a browser that is not there."""
POINT_BYTES: Final = 65
AUTH_BYTES: Final = 16
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256 (SEC 2)."""


@dataclass(frozen=True)
class PushKey:
    """The key of this installation, from ``seed``: at least 48 bytes that nobody else knows."""

    seed: bytes

    @cached_property
    def private(self) -> "EllipticCurvePrivateKey":
        """The key itself. So many bytes are left over that the remainder favours no number."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return ec.derive_private_key(
            int.from_bytes(self.seed[:48]) % (_ORDER - 1) + 1, ec.SECP256R1()
        )

    @cached_property
    def public(self) -> str:
        """What a browser is told, in base64url."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        point = self.private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        return to_base64(point)

    def signed(self, endpoint: str, contact: str) -> str:
        """The header Authorization for a carrier; ``contact`` is whom it may turn to."""
        from py_vapid import Vapid02

        parts = urlsplit(endpoint)
        vapid = Vapid02()
        vapid.private_key = self.private
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "sub": contact}
        return str(vapid.sign(claims)["Authorization"])


def encrypted(message: Message, keys: str) -> bytes:
    """A message that only the browser with these keys can read."""
    import http_ece
    from cryptography.hazmat.primitives.asymmetric import ec

    point, auth = (from_base64(part) for part in keys.split("."))
    shown = {
        "title": message.subject,
        "body": "\n".join(message.lines),
        "url": message.links[0][1] if message.links else message.settings,
    }
    sender = ec.generate_private_key(ec.SECP256R1())
    body: bytes = http_ece.encrypt(
        orjson.dumps(shown), private_key=sender, dh=point, auth_secret=auth, version="aes128gcm"
    )
    return body


def headers_of(key: PushKey, endpoint: str, contact: str) -> dict[str, str]:
    """How it is sent."""
    return {
        "content-type": "application/octet-stream",
        "content-encoding": "aes128gcm",
        "ttl": str(KEEP_SECONDS),
        "urgency": "high",
        "authorization": key.signed(endpoint, contact),
    }


def contact_of(outward: Outward) -> str:
    """Whom a carrier may turn to about our messages: an address of mail, or of the web."""
    if outward.mail is not None:
        return f"mailto:{parseaddr(outward.mail.sender)[1]}"
    if outward.public_url.startswith("https://"):
        return outward.public_url
    return f"mailto:operator@{urlsplit(outward.public_url).hostname or 'localhost'}"


def are_keys(text: str) -> bool:
    """Whether these are a browser's keys: a point of the curve and a secret, with a dot between."""
    parts = text.split(".")
    try:
        sizes = [len(from_base64(part)) for part in parts]
    except ValueError:
        return False
    return sizes == [POINT_BYTES, AUTH_BYTES] and from_base64(parts[0])[:1] == b"\x04"


def to_base64(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def from_base64(text: str) -> bytes:
    """The bytes of it. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
