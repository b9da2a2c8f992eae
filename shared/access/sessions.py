"""Sessions of people who log in with their key in a browser.

The cookie is signed, not stored: it holds the key's id and a random token against cross-site
request forgery, and ends after twelve hours. It is worth nothing once the key has been revoked,
which is looked up at each request; so revoking a key is also how all of its sessions are ended.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

COOKIE = "leadloop_session"
MAX_AGE_SECONDS = 12 * 60 * 60
AWAY_COOKIE = "leadloop_login"
AWAY_SECONDS = 10 * 60
"""How long somebody may take at the provider they log in with."""


@dataclass(frozen=True, slots=True)
class Session:
    """What the cookie says: who logged in, and the token that forms must send back."""

    key_id: str
    csrf_token: str


class Sessions:
    """Signs and reads the session cookie with a secret that every process shares."""

    def __init__(self, secret: str, *, max_age_seconds: int = MAX_AGE_SECONDS) -> None:
        self._secret = secret
        self._serializer = URLSafeTimedSerializer(secret, salt="leadloop.session.v1")
        self._away = URLSafeTimedSerializer(secret, salt="leadloop.login.v1")
        self._max_age = max_age_seconds

    def begin(self, key_id: str) -> str:
        """The cookie's value for somebody who has just logged in."""
        return str(self._serializer.dumps([key_id, secrets.token_urlsafe(32)]))

    def read(self, cookie: str | None) -> Session | None:
        """The session in a cookie, or None if it is missing, forged, altered or too old."""
        if not cookie:
            return None
        try:
            payload = self._serializer.loads(cookie, max_age=self._max_age)
        except BadData:
            return None
        match payload:
            case [str(key_id), str(token)] if token:
                return Session(key_id, token)
        return None

    def leave(self, remembered: Sequence[str]) -> str:
        """What a browser carries while its person is away at a provider: signed, not secret."""
        return str(self._away.dumps(list(remembered)))

    def come_back(self, cookie: str | None) -> list[str] | None:
        """What was remembered, or None if it is missing, forged, altered or too old."""
        try:
            payload = self._away.loads(cookie or "", max_age=AWAY_SECONDS)
        except BadData:
            return None
        strings = isinstance(payload, list) and all(isinstance(one, str) for one in payload)
        return payload if strings else None

    def sign(self, purpose: str, payload: Any) -> str:
        """JSON that nobody but us can have made, as text for an address; of this purpose alone."""
        return str(URLSafeSerializer(self._secret, salt=purpose).dumps(payload))

    def derived(self, purpose: str) -> bytes:
        """64 bytes for this purpose alone, the same in every process."""
        return hmac.digest(self._secret.encode(), purpose.encode(), "sha512")

    def unsign(self, purpose: str, text: str) -> Any:
        """What ``sign`` was given for this purpose; None for what is forged or altered."""
        try:
            return URLSafeSerializer(self._secret, salt=purpose).loads(text)
        except BadData:
            return None
