"""What became of accepted leads."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.feedback.handlers.outcomes import Caller, RecordOutcome, record_outcome
from services.feedback.http.callers import Recorder
from services.feedback.store.queries import lead_history
from services.feedback.store.unit import Feedback
from shared.access import Principal, Role
from shared.contracts.vocabulary import Stage
from shared.runtime.peers import Peers
from shared.runtime.unit import Transactions


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


def add_outcomes(api: APIRouter, transactions: Transactions[Feedback], peers: Peers) -> None:
    """Recording an outcome."""

    async def whose(request: Request, principal: Principal, lead_id: str) -> str | None:
        """Whose leads the caller is confined to: a rep to their own, a manager to those of the rep
        who has this lead, if that is one of theirs, which routing knows."""
        if principal.role is Role.REP:
            return principal.rep_id or ""
        if principal.role is not Role.MANAGER:
            return None
        lead = await transactions.db.read(lambda conn: lead_history(conn, lead_id))
        owner = lead["rep_id"] if lead is not None else None
        if owner is None:
            return principal.rep_id or ""
        found = await peers.get(request, "/routing/v1/reps", {"rep_id": owner})
        managed = found.is_success and bool(found.json()["items"])
        return str(owner) if managed else principal.rep_id or ""

    @api.post(
        "/outcomes",
        status_code=201,
        tags=["outcomes"],
        responses={202: {"description": "Kept until the lead's acceptance arrives"}},
    )
    async def post_outcome(
        request: Request,
        body: OutcomeBody,
        principal: Recorder,
        response: Response,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> dict[str, Any]:
        """Record what became of an accepted lead. The same again has the same answer.

        An outcome that overtakes the lead's acceptance waits for it: 202, ``status: waiting``."""
        command = RecordOutcome(**body.model_dump())
        caller = Caller(principal.key_id, await whose(request, principal, body.lead_id))
        # The idempotency key is locked like a lead, so that of two at once one sees the other.
        keys = [body.lead_id, *([f"key {idempotency_key}"] if idempotency_key else [])]
        document = await transactions.run(
            lambda unit: record_outcome(unit, command, caller, idempotency_key), keys
        )
        if document.get("status") == "waiting":
            response.status_code = 202
        return document
