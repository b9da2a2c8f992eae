"""The page on which an admin looks after reps and teams."""

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.responses import Response

from services.routing.domain.reps import Status
from services.routing.handlers import setting_up
from services.routing.joining import keep_out
from services.routing.rep_table import NEW_REP, NO_COLUMN, RepForm, as_typed, read_reps
from services.routing.store import queries
from services.routing.store.notices import undelivered
from services.routing.store.unit import Routing
from services.routing.web.notices import NOTICES
from services.routing.web.uploads import row_errors, uploaded_file
from shared.access import Principal, Role, check_csrf, page_principal
from shared.access.http import access_of
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

STATUSES = (
    (Status.AVAILABLE.value, "gets new leads"),
    (Status.PAUSED.value, "paused: what waits goes to others"),
    (Status.GONE.value, "gone: everything goes to others"),
)
Admin = Annotated[Principal, Depends(page_principal(Role.ADMIN))]


def add_setup_pages(router: APIRouter, transactions: Transactions[Routing], pages: Pages) -> None:
    """Add the routes of the set-up page."""

    async def show(request: Request, status: int = 200, **more: Any) -> Response:
        loads, teams, unrouted, lost = await transactions.db.read(
            lambda conn: (
                queries.loads(conn),
                queries.list_teams(conn),
                queries.count_unrouted(conn),
                undelivered(conn),
            )
        )
        context: dict[str, Any] = {
            "loads": [(load, as_typed(load.rep)) for load in loads],
            "new_rep": NEW_REP,
            "teams": teams,
            "managers": [("", "nobody"), *((one.rep.rep_id, one.rep.name) for one in loads)],
            "team_names": {team.team_id: team.name for team in teams},
            "statuses": STATUSES,
            "unrouted": unrouted,
            "undelivered": lost,
            "errors": [],
            "typed": {},
            "typed_for": "",
            "notice": None,
            "added": "",
            "warnings": [],
        }
        return pages.render(request, "setup.html", status_code=status, **{**context, **more})

    @router.get("/routing/")
    async def setup(
        request: Request,
        _: Admin,
        notice: str = "",
        added: str = "",
        saved: str = "",
        uploaded: Annotated[int, Query(ge=0, le=100_000)] = 0,
        left_out: Annotated[tuple[str, ...], Query()] = (),
    ) -> Response:
        """Reps and teams."""
        told = NOTICES.get("saved" if saved else notice)
        if uploaded:
            told = ("ok", f"Saved: the table’s {uploaded} reps." if uploaded > 1 else "Saved.")
        only = None if uploaded else [saved]
        warnings = [] if not uploaded else [NO_COLUMN.format(name[:80]) for name in left_out]
        if saved or uploaded:
            warnings += await transactions.db.read(lambda conn: queries.overloads(conn, only))
        return await show(request, notice=told, added=added, warnings=warnings)

    @router.post("/routing/reps", dependencies=[Depends(check_csrf)])
    async def save_rep(request: Request, _: Admin) -> Response:
        """Add a rep, or change one."""
        typed = _typed(await request.form())
        rep_id = typed.get("rep_id", "")
        try:
            values = RepForm.model_validate(typed).values()
            rep = await transactions.run(
                lambda unit: (
                    setting_up.change_rep(unit, rep_id, values)
                    if rep_id
                    else setting_up.add_rep(unit, values)
                )
            )
            await keep_out(access_of(request), [rep])
        except (ValidationError, Problem) as error:
            errors, place = _errors(error), rep_id or "new"
            typed = {**NEW_REP, **typed}
            return await show(request, 422, errors=errors, typed=typed, typed_for=place)
        told = f"saved={quote(rep_id)}" if rep_id else f"added={quote(rep.rep_id)}"
        return RedirectResponse(f"/routing/?{told}", status_code=303)

    @router.post("/routing/reps.csv", dependencies=[Depends(check_csrf)])
    async def upload_reps(request: Request, _: Admin) -> Response:
        """Add and change reps by a table."""
        try:
            wanted, left_out = read_reps(await uploaded_file(request))
            done = await transactions.run(lambda unit: setting_up.put_reps(unit, wanted))
        except Problem as problem:
            errors = row_errors(problem)
            return await show(request, 422, errors=errors, typed_for="reps.csv")
        await keep_out(access_of(request), done)
        told = urlencode({"uploaded": len(done), "left_out": left_out}, doseq=True)
        return RedirectResponse(f"/routing/?{told}", status_code=303)

    @router.post("/routing/teams", dependencies=[Depends(check_csrf)])
    async def save_team(request: Request, _: Admin) -> Response:
        """Add a team, change one, or remove one that nobody is in."""
        typed = _typed(await request.form())
        team_id, name = typed.get("team_id", ""), typed.get("name", "").strip()[:200]
        manager_id = typed.get("manager_id") or None

        def save(unit: Routing) -> None:
            if typed.get("do") == "remove":
                setting_up.remove_team(unit, team_id)
            elif team_id:
                changes = {"name": name, "manager_id": manager_id}
                setting_up.change_team(unit, team_id, changes)
            else:
                setting_up.add_team(unit, name, manager_id)

        try:
            if not name and typed.get("do") != "remove":
                raise Problem(422, "A team needs a name", "Write the team's name first.")
            await transactions.run(save)
        except Problem as problem:
            errors, place = _errors(problem), f"team-{team_id or 'new'}"
            return await show(request, 422, errors=errors, typed=typed, typed_for=place)
        return RedirectResponse("/routing/?notice=saved#teams-title", status_code=303)


def _typed(form: Any) -> dict[str, str]:
    return {key: value for key, value in form.items() if isinstance(value, str)}


def _errors(error: ValidationError | Problem) -> list[tuple[str, str]]:
    """Pairs of a field's name (or nothing) and what is wrong with it."""
    if isinstance(error, ValidationError):
        return [
            ("", f"{'/'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}")
            for e in error.errors(include_url=False, include_input=False)
        ]
    listed = error.extra.get("errors") or [{"pointer": "", "detail": error.detail}]
    return [("", f"{e['pointer']}: {e['detail']}".removeprefix(": ")) for e in listed]
