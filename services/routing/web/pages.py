"""The inbox of a rep, and the page on which an admin sets routing up."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.responses import Response

from services.routing.domain.reps import Rep
from services.routing.handlers import answers
from services.routing.store import queries
from services.routing.store.unit import Routing
from services.routing.web.board_pages import add_board_pages
from services.routing.web.lead_pages import add_lead_pages
from services.routing.web.notices import NOTICES
from services.routing.web.setup_pages import add_setup_pages
from services.routing.web.views import view
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason
from shared.runtime.peers import Peers
from shared.runtime.unit import Transactions
from shared.web.pages import SECURITY_HEADERS, Pages, templates
from shared.web.words import REASON_OPTIONS

Visitor = Annotated[Principal, Depends(page_principal(Role.REP, Role.ADMIN))]
SEE_OTHER = 303


def pages_router(transactions: Transactions[Routing], peers: Peers) -> APIRouter:
    """Routes of the pages under ``/routing/``."""
    router = APIRouter(include_in_schema=False)
    pages = templates(Path(__file__).parent / "templates")
    _inbox(router, transactions, pages)
    _answers(router, transactions)
    add_lead_pages(router, transactions, pages, peers)
    add_board_pages(router, transactions, pages)
    add_setup_pages(router, transactions, pages)
    return router


def _inbox(router: APIRouter, transactions: Transactions[Routing], pages: Pages) -> None:
    @router.get("/routing/inbox")
    async def inbox(
        request: Request, visitor: Visitor, rep_id: str | None = None, notice: str = ""
    ) -> Response:
        """A rep's leads: what waits for an answer, and what they work on."""
        context = await _inbox_context(transactions, visitor, rep_id)
        context["notice"] = NOTICES.get(notice)
        return pages.render(request, "inbox.html", **context)

    @router.get("/routing/inbox/leads")
    async def fragment(request: Request, visitor: Visitor, rep_id: str | None = None) -> Response:
        """The part of the inbox that changes, for the page's script."""
        context = await _inbox_context(transactions, visitor, rep_id)
        return pages.render(request, "inbox_leads.html", headers=SECURITY_HEADERS, **context)


def _answers(router: APIRouter, transactions: Transactions[Routing]) -> None:
    @router.post("/routing/inbox/{assignment_id}", dependencies=[Depends(check_csrf)])
    async def answer(request: Request, visitor: Visitor, assignment_id: str) -> Response:
        """One of the three answers, by a button of the page."""
        form = dict(await request.form())
        back = _text(form, "rep_id") if visitor.role is Role.ADMIN else None
        if visitor.role is Role.REP and visitor.rep_id is None:
            raise Problem(403, "Not a rep", "This key belongs to no rep.")
        attempt = _text(form, "attempt")
        fenced = int(attempt[:9]) if attempt and attempt.isdecimal() else None
        command = answers.Answer(assignment_id, visitor.rep_id, fenced)
        return _back(await _give_answer(transactions, command, form), back)


async def _give_answer(
    transactions: Transactions[Routing], command: answers.Answer, form: dict[str, Any]
) -> str:
    """Carry an answer out; returns the name of the notice to show."""
    reason = _text(form, "reason") or ""
    note = (_text(form, "note") or "").strip()[:2000] or None
    try:
        match _text(form, "answer"):
            case "acknowledge":
                await transactions.run(lambda unit: answers.acknowledge(unit, command))
                return "acknowledged"
            case "accept":
                await transactions.run(lambda unit: answers.accept(unit, command))
                return "accepted"
            case "reject" if reason not in RejectReason.__members__:
                return "reason"
            case "reject":
                why = RejectReason(reason)
                await transactions.run(lambda unit: answers.reject(unit, command, why, note))
                return "rejected"
    except Problem as problem:
        # A lead that went to somebody else is no mistake of the rep's.
        if problem.status == 409:
            return "late"
        raise
    raise Problem(400, "Unknown answer", "Go back to the inbox and use one of its buttons.")


async def _inbox_context(
    transactions: Transactions[Routing], visitor: Principal, asked: str | None
) -> dict[str, Any]:
    admin = visitor.role is Role.ADMIN

    def read(conn: Connection) -> tuple[list[Rep], str, queries.Inbox]:
        everybody = queries.list_reps(conn, limit=500)
        chosen = asked if admin else visitor.rep_id
        if admin and chosen is None and everybody:
            chosen = everybody[0].rep_id
        return everybody, chosen or "", queries.inbox_of(conn, chosen or "")

    everybody, rep_id, found = await transactions.db.read(read)
    names = {rep.rep_id: rep.name for rep in everybody}
    return {
        "admin": admin,
        "reps": everybody,
        "rep_id": rep_id,
        "rep_name": names.get(rep_id, rep_id),
        "waiting": [view(card, found.now, names) for card in found.waiting],
        "working": [view(card, found.now, names) for card in found.working],
        "reasons": REASON_OPTIONS,
    }


def _back(notice: str, rep_id: str | None) -> Response:
    to = f"/routing/inbox?notice={notice}"
    if rep_id:
        to += f"&rep_id={quote(rep_id, safe='')}"
    return RedirectResponse(to, status_code=SEE_OTHER)


def _text(form: dict[str, Any], name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) else None
