"""Logging in at an OpenID Connect provider: the code flow with PKCE, state and nonce.

The provider's addresses and keys are found by its issuer and kept for an hour; a token signed with
a key that is not among them has the keys read anew. What a login needs to be remembered between
leaving and coming back is the caller's to keep (``Departure``): nothing of it is kept here, so any
process may take somebody back. Authlib and what it needs are imported when somebody logs in.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from importlib import import_module
from typing import Any, Final

import httpx

from shared.access.openid_claims import (
    LONGEST,
    LoginFailed,
    OpenIdSettings,
    claim,
    seen_claim,
)

TIMEOUT_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 3600.0
LEEWAY_SECONDS: Final = 60
"""How far the provider's clock may be from ours."""
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures by a key that only the provider has."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Somebody on their way to the provider: what must be the same when they come back."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    come_back_to: str


class OpenId:
    """A provider that people log in at."""

    def __init__(
        self, settings: OpenIdSettings, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self._monotonic = monotonic
        self._found: tuple[float, dict[str, Any]] | None = None
        self._keys: dict[str, Any] | None = None

    async def depart(self, redirect_uri: str, come_back_to: str) -> tuple[str, Departure]:
        """The address at which somebody logs in, and what to remember. Raises LoginFailed."""
        about = await self._about()
        rfc7636, rfc6749 = await _modules("authlib.oauth2.rfc7636", _PARAMETERS)
        leaving = Departure(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
            redirect_uri,
            come_back_to,
        )
        address = rfc6749.prepare_grant_uri(
            about["authorization_endpoint"],
            client_id=self.settings.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=self.settings.scopes,
            state=leaving.state,
            nonce=leaving.nonce,
            code_challenge=rfc7636.create_s256_code_challenge(leaving.verifier),
            code_challenge_method="S256",
        )
        return str(address), leaving

    async def arrive(self, left: Departure, answer: Mapping[str, str]) -> dict[str, Any]:
        """The claims about somebody who is back with the provider's ``answer``, verified.

        Raises LoginFailed.
        """
        if not compare_digest(answer.get("state", "").encode(), left.state.encode()):
            raise began_elsewhere()
        if error := answer.get("error"):
            raise _refused(error)
        about = await self._about()
        if answer.get("iss", about["issuer"]) != about["issuer"]:
            raise _untrusted("another_issuer")
        token = await self._token(about, left, answer.get("code", ""))
        claims = await self._claims_of(about, token, left.nonce)
        return {**await self._more(about, token, claims), **claims}

    async def _about(self) -> dict[str, Any]:
        """The provider's metadata."""
        now = self._monotonic()
        if self._found is not None and now - self._found[0] < KEPT_SECONDS:
            return self._found[1]
        issuer = self.settings.issuer.rstrip("/")
        about = await self._read(f"{issuer}/.well-known/openid-configuration")
        needed = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        if not all(isinstance(about.get(name), str) for name in needed):
            raise _unavailable("no_metadata")
        if about["issuer"].rstrip("/") != issuer:
            raise _unavailable("another_issuer")
        if issuer.startswith("https:") and not all(
            about[name].startswith("https:") for name in needed
        ):
            raise _unavailable("not_https")
        self._found, self._keys = (now, about), None
        return about

    async def _token(
        self, about: Mapping[str, Any], left: Departure, code: str
    ) -> Mapping[str, Any]:
        """What the provider gives for the code, which it does once."""
        auth, parameters = await _modules("authlib.oauth2.auth", _PARAMETERS)
        body = parameters.prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=left.redirect_uri,
            code_verifier=left.verifier,
        )
        known = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "none"
        if self.settings.client_secret:
            basic = "client_secret_basic" in known
            method = "client_secret_basic" if basic else "client_secret_post"
        client = auth.ClientAuth(self.settings.client_id, self.settings.client_secret, method)
        url, headers, body = client.prepare(
            "POST",
            about["token_endpoint"],
            {
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
            },
            body,
        )
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
                response = await http.post(url, headers=headers, content=body)
                token = response.json()
        except (httpx.HTTPError, ValueError):
            raise _unavailable("token_unavailable") from None
        if response.status_code >= 500:
            raise _unavailable("token_unavailable")
        if not response.is_success or not isinstance(token, dict) or "id_token" not in token:
            raise LoginFailed(
                "code_refused",
                "This login has been used or has expired",
                "The provider did not confirm it. Your account is as it was: log in again.",
                400,
            )
        return token

    async def _claims_of(
        self, about: Mapping[str, Any], token: Mapping[str, Any], nonce: str
    ) -> dict[str, Any]:
        """The claims of an ID token that this provider signed for us and for this very login."""
        jwt, jwk, jws, errors, core = await _modules(
            *(f"joserfc.{name}" for name in ("jwt", "jwk", "jws", "errors")), "authlib.oidc.core"
        )
        offered = about.get("id_token_signing_alg_values_supported") or ["RS256"]
        registry = jws.JWSRegistry(
            algorithms=[one for one in ALGORITHMS if one in offered], strict_check_header=False
        )

        def read(keys: Any) -> Any:
            return jwt.decode(token["id_token"], jwk.KeySet.import_key_set(keys), registry=registry)

        try:
            try:
                signed = read(await self._signing_keys(about))
            except (errors.InvalidKeyIdError, errors.BadSignatureError):
                self._keys = None  # it may sign with new ones by now
                signed = read(await self._signing_keys(about))
            claims = core.CodeIDToken(
                signed.claims,
                signed.header,
                {
                    "iss": {"essential": True, "value": about["issuer"]},
                    "aud": {"essential": True, "value": self.settings.client_id},
                },
                {
                    "nonce": nonce,
                    "client_id": self.settings.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except errors.ExpiredTokenError:
            raise LoginFailed(
                "expired",
                "This login has expired",
                "It took too long, or the clocks here and at the provider differ. Log in again.",
                400,
            ) from None
        except (errors.JoseError, ValueError, TypeError):
            raise _untrusted("id_token") from None
        return dict(claims)

    async def _signing_keys(self, about: Mapping[str, Any]) -> Any:
        if self._keys is None:
            self._keys = await self._read(about["jwks_uri"])
        return self._keys

    async def _more(
        self, about: Mapping[str, Any], token: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Claims that the provider tells only when it is asked once more, if we lack any."""
        wanted = self.settings.rep_claim or "email"
        endpoint, access_token = about.get("userinfo_endpoint"), token.get("access_token")
        complete = seen_claim(self.settings, claims) and claim(claims, wanted) is not None
        if complete or not isinstance(endpoint, str) or not isinstance(access_token, str):
            return {}
        more = await self._read(endpoint, {"Authorization": f"Bearer {access_token}"})
        if more.get("sub") != claims.get("sub"):
            raise _untrusted("another_subject")
        return more

    async def _read(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
                response = await http.get(url, headers=headers)
                found = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise _unavailable("unreachable") from None
        if not isinstance(found, dict):
            raise _unavailable("no_document")
        return found


_PARAMETERS: Final = "authlib.oauth2.rfc6749.parameters"


async def _modules(*names: str) -> list[Any]:
    """Modules that are slow to import, imported beside the loop."""
    return await asyncio.to_thread(lambda: [import_module(name) for name in names])


def began_elsewhere() -> LoginFailed:
    """Somebody comes back who has not left from here, or long ago."""
    return LoginFailed(
        "state",
        "This login was not begun here",
        "It took more than ten minutes, was begun in another browser or another tab, or was used "
        "before. Log in again.",
        400,
    )


def _refused(error: str) -> LoginFailed:
    if error == "access_denied":
        detail = "It was cancelled, or your account may not use Leadloop."
        return LoginFailed("access_denied", "The provider did not log you in", detail)
    plain = error if error.isascii() and error.replace("_", "").isalnum() else "unknown"
    detail = f"It answered {plain[:LONGEST]}. If that stays so, tell whoever runs this Leadloop."
    return LoginFailed("provider_error", "The provider did not log you in", detail, 400)


def _untrusted(code: str) -> LoginFailed:
    return LoginFailed(
        code,
        "The provider's answer can't be trusted",
        "It is not signed by the provider, or not meant for this login. Log in again; if that "
        "stays so, tell whoever runs this Leadloop.",
        400,
    )


def _unavailable(code: str) -> LoginFailed:
    return LoginFailed(
        code,
        "The provider can't be asked",
        "It does not answer, or not as an OpenID Connect provider does. Try again in a moment, or "
        "log in with a key.",
        503,
    )
