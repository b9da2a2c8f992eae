"""Reps and teams: who gets leads."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.routing import joining
from services.routing.callers import managed_by, only_rep
from services.routing.documents import (
    RepIn,
    RepPatch,
    TeamIn,
    TeamPatch,
    rep_json,
    rfc3339,
    team_json,
)
from services.routing.handlers import setting_up
from services.routing.rep_table import NO_COLUMN, read_reps, write_reps
from services.routing.spreadsheet import CSV, as_file
from services.routing.store import queries
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.access.http import access_of
from shared.runtime.paging import decode_cursor, listing
from shared.runtime.unit import Transactions

Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Reader = Annotated[
    Principal, Depends(allow(Role.ADMIN, Role.MARKETER, Role.SERVICE, Role.REP, Role.MANAGER))
]


def reps_router(transactions: Transactions[Routing]) -> APIRouter:
    """Routes under ``/routing/v1/reps`` and ``/routing/v1/teams``."""
    router = APIRouter(prefix="/routing/v1", tags=["set-up"])
    db = transactions.db

    @router.get("/reps")
    async def list_reps(
        caller: Reader,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        rep_id: str | None = None,
        email: str | None = None,
    ) -> dict[str, Any]:
        """Everybody who gets leads, or the one with this id or this e-mail address; a rep sees only
        themselves, a manager their teams."""
        after = decode_cursor(cursor) if cursor else ""
        found = await db.read(
            lambda conn: queries.list_reps(
                conn,
                only=only_rep(caller),
                manager_id=managed_by(caller),
                after=after,
                limit=limit,
                rep_id=rep_id,
                email=email,
            )
        )
        more = found[-1].rep_id if len(found) == limit else None
        return listing([rep_json(rep) for rep in found], more)

    @router.post("/reps", status_code=201)
    async def add_rep(_: Admin, body: RepIn) -> dict[str, Any]:
        """Add a rep, who starts level with the others and is not flooded."""
        values = body.values()
        rep = await transactions.run(lambda unit: setting_up.add_rep(unit, values))
        return {**rep_json(rep), "warnings": []}

    @router.patch("/reps/{rep_id}")
    async def change_rep(request: Request, _: Admin, rep_id: str, body: RepPatch) -> dict[str, Any]:
        """Change a rep; what is left out stays as it is. Who is gone is logged out everywhere.
        ``warnings`` say what they have beyond their limits."""
        changes = body.values()
        rep = await transactions.run(lambda unit: setting_up.change_rep(unit, rep_id, changes))
        await joining.keep_out(access_of(request), [rep])
        warnings = await db.read(lambda conn: queries.overloads(conn, [rep_id]))
        return {**rep_json(rep), "warnings": warnings}

    @router.get("/reps.csv", response_class=Response)
    async def download(_: Admin) -> Response:
        """All reps as a table, in the form that can be sent back."""
        found = await db.read(queries.every_rep)
        return Response(write_reps(found), media_type=CSV, headers=as_file("reps.csv"))

    @router.put("/reps.csv")
    async def upload(request: Request, _: Admin) -> dict[str, Any]:
        """Add and change reps by a table with the columns of the one that can be read here, or some
        of them: what it has no column for stays. A row with no ``rep_id`` is somebody new. Hours
        (``mon-fri 9-12 13-17:30``) and leave (``2026-12-24 2027-01-02 Christmas``) are lines in
        their cell, skills, languages and territories are parted by commas. All rows count, or none.
        Reps who are not in the table stay."""
        wanted, left_out = read_reps(await request.body())
        done = await transactions.run(lambda unit: setting_up.put_reps(unit, wanted))
        await joining.keep_out(access_of(request), done)
        ids = [rep.rep_id for rep in done]
        warnings = [NO_COLUMN.format(name) for name in left_out]
        warnings += await db.read(lambda conn: queries.overloads(conn, ids))
        return {"reps": len(done), "warnings": warnings}

    @router.post("/reps/{rep_id}/invitation", status_code=201)
    async def invite(request: Request, _: Admin, rep_id: str) -> dict[str, Any]:
        """A link that lets a rep in once, within seven days, and gives them a key of their own.
        It can't be read again; a new one takes the place of the one before."""
        made = await joining.invite(access_of(request), db, rep_id)
        return {
            "rep_id": rep_id,
            "role": made.role,
            "url": joining.address(request, made.path),
            "expires_at": rfc3339(made.expires_at),
        }

    @router.post("/reps/{rep_id}/keys", status_code=201)
    async def make_key(request: Request, _: Admin, rep_id: str) -> dict[str, Any]:
        """A key of a rep's own, which can't be read again."""
        _rep, key = await joining.make_key(access_of(request), db, rep_id)
        return {"rep_id": rep_id, "key": key}

    _teams(router, transactions)

    return router


def _teams(router: APIRouter, transactions: Transactions[Routing]) -> None:
    @router.get("/teams")
    async def list_teams(_: Reader) -> dict[str, Any]:
        """Every team, by id."""
        found = await transactions.db.read(queries.list_teams)
        return listing([team_json(team) for team in found], None)

    @router.post("/teams", status_code=201)
    async def add_team(_: Admin, body: TeamIn) -> dict[str, Any]:
        """Add a team; its id is made of its name."""
        return team_json(
            await transactions.run(
                lambda unit: setting_up.add_team(unit, body.name, body.manager_id)
            )
        )

    @router.patch("/teams/{team_id}")
    async def change_team(_: Admin, team_id: str, body: TeamPatch) -> dict[str, Any]:
        """Change a team's name or manager."""
        changes = body.model_dump(include=body.model_fields_set)
        return team_json(
            await transactions.run(lambda unit: setting_up.change_team(unit, team_id, changes))
        )

    @router.delete("/teams/{team_id}", status_code=204)
    async def remove_team(_: Admin, team_id: str) -> None:
        """Remove a team that nobody is in."""
        await transactions.run(lambda unit: setting_up.remove_team(unit, team_id))
