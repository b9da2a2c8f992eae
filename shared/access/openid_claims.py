"""What an OpenID Connect provider's claims mean here: which role, and which rep.

Nothing here needs more than the standard library: the settings, which every command reads, use it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.access.roles import PERSONAL, Role

RANK: Final = (Role.ADMIN, Role.MANAGER, Role.MARKETER, Role.REP)
"""Roles of people, the one that may do most first: of several mapped ones it counts."""
_TOLD: Final = 10
LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class OpenIdSettings:
    """The provider, and what its claims mean here."""

    issuer: str
    client_id: str
    roles: Mapping[str, Role]
    """The role here, by a value of the roles claim."""
    client_secret: str = ""
    name: str = ""
    scopes: str = "openid email profile"
    roles_claim: str = ""
    """Empty: ``roles``, else ``groups``."""
    rep_claim: str = ""
    """Empty: the rep who has the verified e-mail address."""
    redirect_uri: str = ""


class LoginFailed(Exception):
    """Somebody can't be let in. ``code`` is for logs, title and detail are for them."""

    def __init__(self, code: str, title: str, detail: str, status: int = 403) -> None:
        super().__init__(code)
        self.code, self.title, self.detail, self.status = code, title, detail, status


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a path of names with dots between; None if it is not there."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def seen_claim(settings: OpenIdSettings, claims: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """The claim that roles come from and its values; None when there is none of these claims."""
    for name in [settings.roles_claim] if settings.roles_claim else ["roles", "groups"]:
        value = claim(claims, name)
        if isinstance(value, str):
            return name, [value]
        if isinstance(value, Iterable):
            return name, [one for one in value if isinstance(one, str)]
    return None


def role_of(settings: OpenIdSettings, claims: Mapping[str, Any]) -> Role:
    """The role somebody has here. Raises LoginFailed that says which claim was seen."""
    seen = seen_claim(settings, claims)
    name, values = seen or (settings.roles_claim or "roles or groups", [])
    mapped = {settings.roles[value] for value in values if value in settings.roles}
    for role in RANK:
        if role in mapped:
            return role
    told = ", ".join(value[:LONGEST] for value in values[:_TOLD])
    if seen is None:
        what = f"Your account came without the claim {name}, which says who does what."
    elif not values:
        what = f"The claim {name} of your account is empty."
    else:
        more = " and others" if len(values) > _TOLD else ""
        what = f"The claim {name} of your account says: {told}{more}. None of it has a role here."
    raise LoginFailed(
        "no_role",
        "Your account has no role here",
        f"{what} Whoever runs this Leadloop can map it with LEADLOOP_OIDC_ROLES.",
    )


@dataclass(frozen=True, slots=True)
class WhichRep:
    """How to find the rep somebody is: by id, or by an e-mail address that the provider has
    verified."""

    rep_id: str = ""
    email: str = ""


def rep_of(settings: OpenIdSettings, claims: Mapping[str, Any], role: Role) -> WhichRep | None:
    """Which rep somebody is; None for roles that are nobody's in particular. Raises LoginFailed."""
    if role not in PERSONAL:
        return None
    if settings.rep_claim:
        value = claim(claims, settings.rep_claim)
        if isinstance(value, str) and value:
            return WhichRep(rep_id=value)
        raise LoginFailed(
            "no_rep_claim",
            "Your account does not say which rep you are",
            f"It came without the claim {settings.rep_claim}. Whoever looks after the accounts "
            "can add it, with the id that the rep has here.",
        )
    email, verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(email, str) or not email:
        raise LoginFailed(
            "no_email",
            "Your account came without an e-mail address",
            "Reps are known by it. Whoever runs this Leadloop can ask for it with "
            "LEADLOOP_OIDC_SCOPES, or name another claim with LEADLOOP_OIDC_REP_CLAIM.",
        )
    if verified is not True and verified != "true":
        raise LoginFailed(
            "email_not_verified",
            "Your e-mail address is not verified",
            "Your provider does not vouch for it (the claim email_verified), so it can't say "
            "which rep you are. Verify it there and log in again.",
        )
    return WhichRep(email=email)
