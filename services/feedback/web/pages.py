"""The page where marketing reads what sales says back, and answers proposals."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.feedback.handlers import proposals
from services.feedback.store import FeedbackUnit
from services.feedback.store.reading import Reading
from services.feedback.web.view import feedback_view
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.runtime.unit_of_work import Transactions
from shared.web.pages import templates

PAGES = templates(Path(__file__).parent / "templates")
NOTE_LENGTH = 2000

Marketer = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]
Note = Annotated[str, Form(max_length=NOTE_LENGTH)]


def router(transactions: Transactions[FeedbackUnit], reading: Reading) -> APIRouter:
    """The page and the forms on it."""
    pages = APIRouter(prefix="/feedback", include_in_schema=False)

    @pages.get("/", response_class=HTMLResponse)
    async def show(request: Request, _: Marketer, done: str = "") -> Response:
        evidence = await reading.evidence()
        return PAGES.render(
            request,
            "feedback.html",
            done=done,
            **feedback_view(
                await reading.metrics(),
                await reading.stages(),
                await reading.proposals(limit=20),
                proposals.evidence_document(evidence) if evidence else None,
                evidence.missing if evidence else 0,
            ),
        )

    @pages.post("/proposals/{proposal_id}/approve", dependencies=[Depends(check_csrf)])
    async def approve(proposal_id: str, principal: Marketer, note: Note = "") -> Response:
        async with transactions.begin() as uow:
            return await _settle(
                proposals.approve(proposal_id, principal.key_id, note, uow, transactions.clock)
            )

    @pages.post("/proposals/{proposal_id}/dismiss", dependencies=[Depends(check_csrf)])
    async def dismiss(proposal_id: str, principal: Marketer, note: Note = "") -> Response:
        async with transactions.begin() as uow:
            return await _settle(
                proposals.dismiss(proposal_id, principal.key_id, note, uow, transactions.clock)
            )

    return pages


async def _settle(settling: Any) -> Response:
    """Back to the page, which shows what came of it; a conflict is news, not an error page."""
    try:
        row = await settling
    except Problem as problem:
        if problem.status != 409:
            raise
        return RedirectResponse("/feedback/?done=conflict#proposals", status_code=303)
    return RedirectResponse(f"/feedback/?done={row['status']}#proposals", status_code=303)
