"""The pages where marketing reads what sales says back, and decides what is made of it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from services.feedback.domain.hints import Hint, capture_hints, routing_hints
from services.feedback.domain.proposals import UNRESOLVED, Status
from services.feedback.domain.slices import By
from services.feedback.figure_filters import BreakdownFilters
from services.feedback.store import queries
from services.feedback.store.breakdown import breakdown
from services.feedback.store.figures import metrics
from services.feedback.store.hints import newest_answers
from services.feedback.store.names import leads_told
from services.feedback.store.status import followed_up, learning_status
from services.feedback.store.unit import Feedback
from services.feedback.web import evidence as shown_by
from services.feedback.web import lead_pages, learning_pages, proposal_pages, webhook_pages
from services.feedback.web.hinting import areas, in_short
from services.feedback.web.proposal_view import follow_up, proposal_view
from services.feedback.web.shell import Marketer, page
from services.feedback.web.slices import asked_for, form_view, side_by_side
from services.feedback.web.standing import standing
from services.feedback.web.view import figures_view
from shared.contracts.vocabulary import Stage
from shared.runtime.outgoing import Outgoing
from shared.runtime.unit import Transactions
from shared.web.links import Links

RECENT = 20
"""Proposals among which the open one and the last published one are looked for."""


def router(
    transactions: Transactions[Feedback],
    stuck_after: Mapping[Stage, timedelta],
    look: Callable[[], None],
    outgoing: Outgoing,
) -> APIRouter:
    """All pages under ``/feedback/``; ``look`` has a look that was asked for seen to at once,
    ``outgoing`` calls webhooks."""
    pages = APIRouter(prefix="/feedback", include_in_schema=False)
    _add_overview(pages, transactions, stuck_after)
    _add_hints(pages, transactions)
    lead_pages.add(pages, transactions)
    proposal_pages.add(pages, transactions)
    learning_pages.add(pages, transactions, look)
    webhook_pages.add(pages, transactions, outgoing)
    return pages


def _add_overview(
    pages: APIRouter,
    transactions: Transactions[Feedback],
    stuck_after: Mapping[Stage, timedelta],
) -> None:
    def view(conn: Connection, asked: BreakdownFilters) -> dict[str, Any]:
        now, part = transactions.clock.now(), asked.part()
        figures = figures_view(metrics(conn, now, part), queries.stages(conn, now, stuck_after))
        beside = side_by_side(breakdown(conn, now, asked.by or By.SOURCE, part))
        learned = {**_learned(conn, transactions), "hints": in_short(_hints(conn))}
        return {**figures, **learned, "slice": form_view(conn, asked), "beside": beside}

    @pages.get("/", response_class=HTMLResponse)
    async def overview(request: Request, _: Marketer) -> Response:
        """How leads fare, all of them or a part, and what the loop learned."""
        asked, faults = asked_for(request)
        found = await transactions.db.read(lambda conn: view(conn, asked))
        status_code = 422 if faults else 200
        return page(
            request, "overview", "/feedback/", status_code=status_code, faults=faults, **found
        )


def _learned(conn: Connection, transactions: Transactions[Feedback]) -> dict[str, Any]:
    """The proposal that waits for a decision, or what is missing for one; and the last effect."""
    now = transactions.clock.now()
    status = learning_status(conn, now)
    recent = queries.list_proposals(conn, limit=RECENT)
    waiting = next((one for one in recent if one.status in UNRESOLVED), None)
    published = next((one for one in recent if one.status is Status.PUBLISHED), None)
    told = {
        one["proposal_id"]: one
        for one in followed_up(conn, [one for one in (waiting, published) if one], now)
    }
    effect = follow_up(told[published.proposal_id]) if published is not None else None
    return {
        "open": proposal_view(told[waiting.proposal_id], status["version"], {})
        if waiting is not None
        else None,
        "followed": None
        if effect is None or published is None
        else {**effect, "href": f"/feedback/proposals/{published.proposal_id}"},
        "stand": standing(status),
        "warnings": shown_by.warnings(status["warnings"]),
        "drift": shown_by.drift(status["drift"]),
    }


def _hints(conn: Connection) -> dict[str, list[Hint]]:
    answers = newest_answers(conn)
    return {"routing": routing_hints(answers), "capture": capture_hints(answers)}


def _add_hints(pages: APIRouter, transactions: Transactions[Feedback]) -> None:
    @pages.get("/hints", response_class=HTMLResponse)
    async def hints(request: Request, _: Marketer) -> Response:
        """Where rejections gather that are no fault of the definition."""
        links: Links = getattr(request.app.state, "links", None) or Links()

        def view(conn: Connection) -> list[dict[str, Any]]:
            found = _hints(conn)
            named = [lead for some in found.values() for one in some for lead in one.examples]
            places = {"routing": links.routing + "/routing/"}
            return areas(found, leads_told(conn, named), places)

        return page(request, "hints", "/feedback/hints", areas=await transactions.db.read(view))
