"""Who may see what, and what every page asks for."""

from typing import Annotated, Any

from fastapi import Depends

from services.qualify.domain.versions import Version
from services.qualify.store.queries import find_version
from shared.access import Principal, Role, page_principal
from shared.contracts.problems import Problem
from shared.db.database import Database

Reader = Annotated[
    Principal,
    Depends(page_principal(Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN, Role.SERVICE)),
]
Author = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]


def may_write(principal: Principal) -> bool:
    """Whether to show what changes things."""
    return principal.role in (Role.MARKETER, Role.ADMIN)


async def version_or_404(db: Database, version: int | None) -> Version:
    """A version, by default the one that scores. Raises Problem 404."""
    wanted = version if version is None or 0 < version < 2**31 else 0
    found = await db.read(lambda conn: find_version(conn, wanted))
    if found is None:
        raise Problem(404, "No such definition", "There is no such version.")
    return found


def number(value: Any) -> int:
    """A number that a form sent; 0 for anything else."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else 0
