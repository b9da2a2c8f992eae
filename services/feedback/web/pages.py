"""The page where marketing reads what sales says back, and answers proposals."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from services.feedback.domain.proposals import Proposal
from services.feedback.handlers import proposals
from services.feedback.store import queries
from services.feedback.store.figures import metrics
from services.feedback.store.unit import Feedback
from services.feedback.web.view import feedback_view
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from shared.runtime.unit import Transactions
from shared.web.pages import templates

PAGES = templates(Path(__file__).parent / "templates")
NOTE_LENGTH = 2000
PROPOSALS_SHOWN = 20

Marketer = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]
Note = Annotated[str, Form(max_length=NOTE_LENGTH)]


def router(
    transactions: Transactions[Feedback], stuck_after: Mapping[Stage, timedelta]
) -> APIRouter:
    """The page and the forms on it."""
    pages = APIRouter(prefix="/feedback", include_in_schema=False)

    def view(conn: Connection) -> dict[str, Any]:
        now = transactions.clock.now()
        return feedback_view(
            metrics(conn, now),
            queries.stages(conn, now, stuck_after),
            queries.list_proposals(conn, limit=PROPOSALS_SHOWN),
        )

    @pages.get("/", response_class=HTMLResponse)
    async def show(request: Request, _: Marketer, done: str = "") -> Response:
        shown = await transactions.db.read(view)
        return PAGES.render(request, "feedback.html", done=done, **shown)

    @pages.post("/proposals/{proposal_id}/approve", dependencies=[Depends(check_csrf)])
    async def approve(proposal_id: str, principal: Marketer, note: Note = "") -> Response:
        return await _settle(
            transactions,
            lambda unit: proposals.approve(unit, proposal_id, principal.key_id, note),
        )

    @pages.post("/proposals/{proposal_id}/dismiss", dependencies=[Depends(check_csrf)])
    async def dismiss(proposal_id: str, principal: Marketer, note: Note = "") -> Response:
        return await _settle(
            transactions,
            lambda unit: proposals.dismiss(unit, proposal_id, principal.key_id, note),
        )

    return pages


async def _settle(
    transactions: Transactions[Feedback], settle: Callable[[Feedback], Proposal]
) -> Response:
    """Back to the page, which shows what came of it; a conflict is news, not an error page."""
    try:
        done = (await transactions.run(settle)).status.value
    except Problem as problem:
        if problem.status != 409:
            raise
        done = "conflict"
    return RedirectResponse(f"/feedback/?done={done}#proposals", status_code=303)
