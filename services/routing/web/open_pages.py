"""The page that the link in a message opens: one lead, one attempt, no login.

Reading it changes nothing, for programs that look at mail follow links. Its buttons do; the token
in the address is the authority, which no other site knows, so they need no session. Who the lead is
is said only once somebody has pressed one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from services.routing.domain.assignment import Assignment, State
from services.routing.domain.lead import Lead
from services.routing.domain.reps import Rep
from services.routing.handlers import answers
from services.routing.open_links import PLACE, OpenLinks
from services.routing.store import queries
from services.routing.store.unit import Routing
from services.routing.web.views import lead_name, urgency
from shared.access import Principal, visitor
from shared.contracts.problems import Problem
from shared.db.database import database_now
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

LOGGED_IN = Annotated[Principal | None, Depends(visitor)]
MOVES: Final = {"acknowledge": answers.acknowledge, "accept": answers.accept}
HEADERS: Final = {"X-Robots-Tag": "noindex, nofollow"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a link leads to, now."""

    now: datetime
    until: datetime
    attempt: Assignment
    same: bool
    """Whether the link is for the attempt that the assignment is at."""
    lead: Lead | None
    rep: Rep | None
    owner_id: str | None
    owner: str | None
    """Whoever has the lead now, by name."""
    name: str
    """Who the lead is."""

    @property
    def holds(self) -> bool:
        """Whether it still opens anything."""
        return self.same and self.attempt.closed_at is None and self.now < self.until


def add_open_pages(
    router: APIRouter, transactions: Transactions[Routing], pages: Pages, links: OpenLinks
) -> None:
    """Add the routes of the page."""

    async def show(
        request: Request, token: str, *, answered: bool = False, late: bool = False
    ) -> Response:
        opened = links.read(token)
        found = None
        if opened is not None:
            found = await transactions.db.read(
                lambda conn: _found(conn, opened.assignment_id, opened.attempt, opened.until)
            )
        context = _context(found, answered=answered)
        status = 404 if found is None else 200 if found.holds and not late else 409
        if status == 409 and request.method == "GET":
            status = 200
        return pages.render(
            request, "open.html", status_code=status, headers=HEADERS, token=token, **context
        )

    @router.get(PLACE + "{token}")
    async def open_lead(request: Request, _: LOGGED_IN, token: str) -> Response:
        """What the link is for. It changes nothing."""
        return await show(request, token)

    @router.post(PLACE + "{token}")
    async def answer(request: Request, _: LOGGED_IN, token: str) -> Response:
        """Acknowledge or accept that attempt."""
        form = await request.form()
        opened, do = links.read(token), form.get("do")
        move = MOVES.get(do) if isinstance(do, str) else None
        if move is None:
            raise Problem(400, "Unknown answer", "Open the link again and use one of its buttons.")
        if opened is None:
            return await show(request, token)
        found = await transactions.db.read(
            lambda conn: _found(conn, opened.assignment_id, opened.attempt, opened.until)
        )
        if found is None or not found.holds:
            return await show(request, token, late=True)
        command = answers.Answer(opened.assignment_id, None, opened.attempt)
        try:
            await transactions.run(lambda unit: move(unit, command))
        except Problem as problem:
            if problem.status != 409:
                raise
            return await show(request, token, late=True)
        return await show(request, token, answered=True)


def _found(conn: Connection, assignment_id: str, attempt: int, until: datetime) -> Found | None:
    assignment = queries.find_assignment(conn, assignment_id)
    if assignment is None:
        return None
    owner_id = queries.owner_of(conn, assignment.lead_id)
    owner = None if owner_id is None else queries.find_rep(conn, owner_id)
    return Found(
        database_now(conn),
        until,
        assignment,
        assignment.attempt == attempt,
        queries.find_lead(conn, assignment.lead_id),
        queries.find_rep(conn, assignment.rep_id),
        owner_id,
        owner_id if owner is None else owner.name,
        lead_name(queries.contact_of(conn, assignment.lead_id) or {}),
    )


def _context(found: Found | None, *, answered: bool) -> dict[str, Any]:
    if found is None:
        return {"kind": "unknown"}
    attempt, lead = found.attempt, found.lead
    left = (attempt.due_at - found.now).total_seconds()
    total = (attempt.due_at - (attempt.acknowledged_at or attempt.assigned_at)).total_seconds()
    kind = "ended"
    if found.holds:
        kind = {State.ASSIGNED: "new", State.ACKNOWLEDGED: "seen"}.get(attempt.state, "taken")
    return {
        "kind": kind,
        "answered": answered and found.holds,
        "name": found.name if answered and found.holds else None,
        "owner": found.owner,
        "mine": found.owner_id == attempt.rep_id,
        "rep": attempt.rep_id if found.rep is None else found.rep.name,
        "zone": "UTC" if found.rep is None else found.rep.time_zone,
        "lead_id": attempt.lead_id,
        "grade": attempt.grade,
        "score": None if lead is None else lead.score,
        "due_at": attempt.due_at,
        "left": left,
        "urgency": urgency(left, total),
    }
