"""How a rep gets in: an invitation that works once, or a key; and how they are kept out again.

The keys are access's, the reps are routing's: what is decided here needs both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request

from services.routing.domain.reps import Rep, Status
from services.routing.store import queries
from shared.access import Access, Role
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.db.errors import is_transient
from shared.web.links import Links

PLACE = "/routing/join"
"""Where the links of invitations lead, with what they hold after it."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A way in for a rep, that works once. ``path`` is as good as a key until then."""

    rep: Rep
    role: Role
    path: str
    expires_at: datetime


def address(request: Request, path: str) -> str:
    """A page's whole address, to be sent to somebody."""
    links: Links = request.app.state.links
    return (links.routing or str(request.base_url).rstrip("/")) + path


async def invite(access: Access, db: Database, rep_id: str) -> Invitation:
    """Invite a rep in the place of any earlier invitation. Raises Problem 404, 409."""
    rep, role = await _who_joins(db, rep_id)
    secret, expires_at = await access.invite(rep_id, role)
    return Invitation(rep, role, f"{PLACE}/{secret}", expires_at)


async def make_key(access: Access, db: Database, rep_id: str) -> tuple[Rep, str]:
    """A key of a rep's own, which can't be read again. Raises Problem 404, 409."""
    rep, role = await _who_joins(db, rep_id)
    _, key = await access.create_key(role, rep_id, "made for them by an admin")
    return rep, key


async def invited_rep(access: Access, db: Database, secret: str) -> Rep:
    """The rep whom a link invites. Raises Problem 409, and 410 when it works no longer."""
    found = await access.invited(secret)
    if found is None:
        raise works_no_longer()
    return (await _who_joins(db, found.rep_id))[0]


def works_no_longer() -> Problem:
    """A link that was used, replaced, or never was one."""
    return Problem(
        410,
        "This invitation works no longer",
        "It has been used, has expired or was replaced by a newer one. Ask for another.",
    )


async def keep_out(access: Access, reps: Iterable[Rep]) -> None:
    """End all ways in of those of these reps who are gone. While the store of keys is away that
    waits for ``keep_leavers_out``."""
    for rep in reps:
        if rep.status is Status.GONE:
            try:
                await access.revoke_rep(rep.rep_id)
            except Exception as error:
                if not is_transient(error):
                    raise


async def keep_leavers_out(access: Access, db: Database) -> int:
    """End the keys of all who are gone and have any, however they came to; always answers 0."""
    gone = await db.read(queries.gone_reps)
    for rep_id in sorted(access.have_keys(gone)):
        await access.revoke_rep(rep_id)
    return 0


async def _who_joins(db: Database, rep_id: str) -> tuple[Rep, Role]:
    """A rep who may come in, and as what: who manages a team does so with their key."""

    def read(conn: Connection) -> tuple[list[Rep], bool]:
        found = queries.list_reps(conn, rep_id=rep_id)
        return found, any(team.manager_id == rep_id for team in queries.list_teams(conn))

    found, manages = await db.read(read)
    if not found:
        raise Problem(404, "No such rep", "There is no rep with this id.")
    rep = found[0]
    if not rep.active:
        raise Problem(
            409,
            f"{rep.name} is {rep.status.value}",
            "Only a rep who is available can come in. Set their status first.",
        )
    return rep, Role.MANAGER if manages else Role.REP
