"""Feedback's JSON interface: parse, call, answer."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.feedback.domain.proposals import Status
from services.feedback.handlers import proposals
from services.feedback.handlers.outcomes import Caller, RecordOutcome, record_outcome
from services.feedback.store import queries
from services.feedback.store.figures import metrics
from services.feedback.store.unit import Feedback
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from shared.runtime.paging import decode_cursor, decode_number, listing
from shared.runtime.unit import Transactions

Recorder = Annotated[Principal, Depends(allow(Role.REP, Role.MARKETER, Role.ADMIN, Role.SERVICE))]
Reader = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN, Role.SERVICE))]
Marketer = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=1000)]


class OutcomeBody(BaseModel):
    """What became of an accepted lead."""

    model_config = ConfigDict(extra="ignore")

    lead_id: Annotated[str, Field(min_length=1, max_length=64)]
    stage: Literal[
        Stage.SQL, Stage.OPPORTUNITY, Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED
    ]
    reason: Annotated[str, Field(max_length=64)] | None = None
    """Needed for RECYCLED and DISQUALIFIED, may be given for LOST."""
    amount: Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)] | None = None
    """Deal value in the company's own currency."""
    occurred_at: Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None
    """When it happened; now, if left out."""


class Resolution(BaseModel):
    """Why a proposal was approved or dismissed."""

    model_config = ConfigDict(extra="ignore")

    note: Annotated[str, Field(max_length=2000)] = ""


def router(
    transactions: Transactions[Feedback], stuck_after: Mapping[Stage, timedelta]
) -> APIRouter:
    """All routes under ``/feedback/v1``; a lead may stay in a stage for ``stuck_after``."""
    api = APIRouter(prefix="/feedback/v1")
    _outcomes(api, transactions)
    _figures(api, transactions, stuck_after)
    _leads(api, transactions)
    _proposals(api, transactions)
    return api


def _outcomes(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    @api.post(
        "/outcomes",
        status_code=201,
        tags=["outcomes"],
        responses={202: {"description": "Kept until the lead's acceptance arrives"}},
    )
    async def post_outcome(
        body: OutcomeBody,
        principal: Recorder,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> dict[str, Any]:
        """Record what became of an accepted lead. The same again has the same answer.

        An outcome that overtakes the lead's acceptance waits for it: 202, ``status: waiting``."""
        command = RecordOutcome(**body.model_dump())
        caller = Caller(principal.key_id, _rep(principal))
        # The idempotency key is locked like a lead, so that of two at once one sees the other.
        keys = [body.lead_id, *([f"key {idempotency_key}"] if idempotency_key else [])]
        document = await transactions.run(
            lambda unit: record_outcome(unit, command, caller, idempotency_key), keys
        )
        if document.get("status") == "waiting":
            response.status_code = 202
        return document


def _figures(
    api: APIRouter, transactions: Transactions[Feedback], stuck_after: Mapping[Stage, timedelta]
) -> None:
    db, clock = transactions.db, transactions.clock

    @api.get("/events", tags=["events"])
    async def get_events(
        _: Reader,
        cursor: str | None = None,
        event_type: Annotated[str | None, Query(alias="type", max_length=120)] = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Feedback events in order, as CloudEvents. ``next_cursor`` is null when nothing came after
        ``cursor``: keep that one and ask again later."""
        place = decode_number(cursor)
        items, last = await db.read(
            lambda conn: queries.events_after(conn, place, limit, event_type)
        )
        return listing(items, last)

    @api.get("/metrics", tags=["figures"])
    async def get_metrics(_: Reader) -> dict[str, Any]:
        """Funnel, acceptance, reasons, SLA, times and conversion; rates with 95 % intervals."""
        return await db.read(lambda conn: metrics(conn, clock.now()))

    @api.get("/stages", tags=["figures"])
    async def get_stages(_: Reader) -> dict[str, Any]:
        """How many leads are in each stage, and which have been there too long."""
        return await db.read(lambda conn: queries.stages(conn, clock.now(), stuck_after))


def _leads(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    db = transactions.db

    @api.get("/leads", tags=["figures"])
    async def get_leads(_: Reader, cursor: str | None = None, limit: Limit = 100) -> dict[str, Any]:
        """Every lead with its stage, by lead_id."""
        after = decode_cursor(cursor) if cursor else ""
        items = await db.read(lambda conn: queries.leads_after(conn, after, limit))
        return listing(items, items[-1]["lead_id"] if len(items) == limit else None)

    @api.get("/leads/{lead_id}", tags=["figures"])
    async def get_lead(_: Reader, lead_id: str) -> dict[str, Any]:
        """One lead's stage, its way there, and the outcomes that wait for its acceptance."""
        lead = await db.read(lambda conn: queries.lead_history(conn, lead_id))
        if lead is None:
            raise Problem(404, "Unknown lead", "There is no lead with this lead_id.")
        return lead


def _proposals(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    db = transactions.db

    @api.get("/proposals", tags=["proposals"])
    async def get_proposals(
        _: Reader, cursor: str | None = None, status: Status | None = None, limit: Limit = 50
    ) -> dict[str, Any]:
        """Proposals, newest first."""
        before = decode_cursor(cursor) if cursor else None
        found = await db.read(lambda conn: queries.list_proposals(conn, before, limit, status))
        more = found[-1].proposal_id if len(found) == limit else None
        return listing([one.document() for one in found], more)

    @api.get("/proposals/{proposal_id}", tags=["proposals"])
    async def get_proposal(_: Reader, proposal_id: str) -> dict[str, Any]:
        """One proposal with its evidence."""
        proposal = await db.read(lambda conn: queries.find_proposal(conn, proposal_id))
        if proposal is None:
            raise Problem(404, "Unknown proposal", "There is no proposal with this id.")
        return proposal.document()

    @api.post("/proposals/{proposal_id}/approve", tags=["proposals"])
    async def approve(
        principal: Marketer,
        proposal_id: str,
        body: Annotated[Resolution | None, Body()] = None,
    ) -> dict[str, Any]:
        """Have the proposed version made and published."""
        by, note = principal.key_id, body.note if body is not None else ""
        made = await transactions.run(lambda unit: proposals.approve(unit, proposal_id, by, note))
        return made.document()

    @api.post("/proposals/{proposal_id}/dismiss", tags=["proposals"])
    async def dismiss(
        principal: Marketer,
        proposal_id: str,
        body: Annotated[Resolution | None, Body()] = None,
    ) -> dict[str, Any]:
        """Turn a proposal down, until there is half as much evidence again."""
        by, note = principal.key_id, body.note if body is not None else ""
        made = await transactions.run(lambda unit: proposals.dismiss(unit, proposal_id, by, note))
        return made.document()


def _rep(principal: Principal) -> str | None:
    """Whose leads the caller is confined to; a rep key without a rep may touch none."""
    return (principal.rep_id or "") if principal.role is Role.REP else None
