"""The page on which a manager sees what needs them, and moves leads."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.responses import Response

from services.routing.callers import managed_by
from services.routing.domain.choice import UNROUTED_WORDS, Unrouted
from services.routing.handlers.managing import Moved, Mover, move
from services.routing.store import queries
from services.routing.store.board import DAYS, Board, board_of
from services.routing.store.unit import Routing
from services.routing.web.views import lead_name, urgency
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

PLACE: Final = "/routing/board"
MOST: Final = 500
Manager = Annotated[Principal, Depends(page_principal(Role.MANAGER, Role.ADMIN))]
HELPS: Final = {
    Unrouted.NO_REP: "Add a rep to the rule that it matches, or set one available.",
    Unrouted.NO_ROOM: "Have somebody answer what waits, raise a capacity, or give it to somebody.",
    Unrouted.OFF_WORK: "It goes out when the first of them starts; or give it to somebody.",
    Unrouted.ALL_HAD_IT: "It rests, then it is offered again; or give it to somebody.",
    Unrouted.ATTEMPTS_USED: "It rests, then it is offered again; or give it to somebody.",
    Unrouted.ROUNDS_USED: "Nobody will be asked again: give it to somebody.",
}
"""What would help a lead that nobody has."""


def add_board_pages(router: APIRouter, transactions: Transactions[Routing], pages: Pages) -> None:
    """Add the routes of the board."""

    async def shown(request: Request, who: Principal, status: int = 200, **more: Any) -> Response:
        manager_id = managed_by(who)

        def read(conn: Connection) -> tuple[Board, dict[str, Any]]:
            board = board_of(conn, manager_id)
            named = [one.lead_id for one in board.due_next]
            named += [one.lead_id for one in board.unrouted]
            return board, queries.contacts_of(conn, named)

        board, people = await transactions.db.read(read)
        context = {
            "board": board,
            "days": DAYS,
            "reps": [row for row in board.reps if row.rep.active],
            "due_next": [_due(one, board, people) for one in board.due_next],
            "unrouted": [_unrouted(one, people) for one in board.unrouted],
            "notice": None,
            **more,
        }
        return pages.render(request, "board.html", status_code=status, **context)

    @router.get(PLACE)
    async def board(
        request: Request, who: Manager, moved: int = 0, stayed: int = 0, why: str = ""
    ) -> Response:
        """What is about to breach, what nobody has, and how the reps do."""
        return await shown(request, who, notice=_notice(moved, stayed, why[:300]))

    @router.post(PLACE, dependencies=[Depends(check_csrf)])
    async def move_leads(request: Request, who: Manager) -> Response:
        """Move the ticked leads to somebody, or by the rules."""
        sent = await request.form()
        lead_ids = [one for one in sent.getlist("lead_id") if isinstance(one, str)][:MOST]
        wanted = sent.get("rep_id")
        to_rep_id = wanted if isinstance(wanted, str) and wanted else None
        if not lead_ids:
            said = ("warn", "Nothing was moved", "Tick the leads that are to move first.")
            return await shown(request, who, 422, notice=said)
        mover = Mover(who.key_id, managed_by(who))
        try:
            done = await transactions.run(lambda unit: move(unit, lead_ids, to_rep_id, mover))
        except Problem as problem:
            said = ("bad", problem.title, problem.detail)
            return await shown(request, who, problem.status, notice=said)
        return RedirectResponse(f"{PLACE}?{urlencode(_counted(done))}", status_code=303)


def _counted(done: list[Moved]) -> dict[str, Any]:
    reasons = list(dict.fromkeys(one.why for one in done if one.why))
    stayed = sum(bool(one.why) for one in done)
    counts = {"moved": len(done) - stayed, "stayed": stayed, "why": "; ".join(reasons)[:300]}
    return {name: value for name, value in counts.items() if value}


def _notice(moved: int, stayed: int, why: str) -> tuple[str, str, str] | None:
    if not moved and not stayed:
        return None
    if not stayed:
        return "ok", "Moved", f"{_leads(moved)} moved."
    text = f"{_leads(stayed)} stayed where they were" + (f": {why}." if why else ".")
    return "warn", f"{_leads(moved)} moved" if moved else "Nothing moved", text


def _leads(count: int) -> str:
    return "One lead" if count == 1 else f"{count} leads"


def _due(one: Any, board: Board, people: dict[str, Any]) -> dict[str, Any]:
    left = (one.due_at - board.now).total_seconds()
    total = (one.due_at - (one.acknowledged_at or one.assigned_at)).total_seconds()
    return {
        "lead_id": one.lead_id,
        "name": lead_name(people.get(one.lead_id, {})),
        "grade": one.grade,
        "rep": board.names.get(one.rep_id, one.rep_id),
        "state": "seen" if one.acknowledged_at else "not seen",
        "attempt": one.attempt,
        "left": left,
        "urgency": urgency(left, total),
    }


def _unrouted(one: Any, people: dict[str, Any]) -> dict[str, Any]:
    reason = Unrouted(one.unrouted_reason or Unrouted.NO_REP)
    return {
        "lead_id": one.lead_id,
        "name": lead_name(people.get(one.lead_id, {})),
        "grade": one.grade,
        "since": one.unrouted_at,
        "why": UNROUTED_WORDS[reason],
        "helps": HELPS[reason],
        # Whoever has room again gets it at once: that is no time to wait for.
        "retry_at": None if reason is Unrouted.NO_ROOM else one.retry_at,
    }
