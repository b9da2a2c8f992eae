"""Record what became of an accepted lead."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from services.feedback.domain.outcomes import REASONS, may_become, reason_fault
from services.feedback.domain.stages import Lead, Move, moved, worked_place
from services.feedback.ports import Unit
from shared.contracts.events import OutcomeRecorded
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import TRANSITIONS, Stage
from shared.runtime.clock import Clock, new_id

CLOCK_SKEW = timedelta(seconds=60)
"""How far ahead of ours a caller's clock may be."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who records it; ``rep_id`` is set for a rep, who may speak of their own leads only."""

    key_id: str
    rep_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """An outcome as it was sent. ``occurred_at`` None is now."""

    lead_id: str
    stage: Stage
    reason: str | None = None
    amount: float | None = None
    occurred_at: datetime | None = None

    def fingerprint(self) -> str:
        """The same for the same request."""
        return hashlib.sha256(
            orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
        ).hexdigest()


async def record_outcome(
    command: RecordOutcome, caller: Caller, key: str | None, uow: Unit, clock: Clock
) -> dict[str, Any]:
    """Move the lead and tell the others. The same again has the same answer and no effect.

    Raises Problem 404 for an unknown lead, 403 for somebody else's, 409 with ``state`` for a stage
    the lead can't go to from there, 422 for a reason that does not fit or a time to come.
    """
    if key is not None:
        earlier = await uow.answered_before(caller.key_id, key)
        if earlier is not None:
            return _same_request(command, *earlier)
    lead = _owned(uow.leads.lead(command.lead_id), caller)
    _check(command, clock.now())
    document = await _repeated(command, lead, uow)
    if document is None:
        document = _recorded(command, lead, uow, clock)
    if key is not None:
        await uow.remember(caller.key_id, key, command.fingerprint(), document, clock.now())
    return document


def outcome_document(outcome: OutcomeRecorded) -> dict[str, Any]:
    """An outcome as the interface shows it."""
    return outcome.model_dump(mode="json")


async def _repeated(command: RecordOutcome, lead: Lead, uow: Unit) -> dict[str, Any] | None:
    """What was recorded when the lead came to this stage, if it is in it by an outcome."""
    if lead.stage is not command.stage:
        return None
    outcome = await uow.leads.outcome(lead.lead_id, lead.place.cycle, command.stage.value)
    return outcome_document(outcome) if outcome is not None else None


def _recorded(command: RecordOutcome, lead: Lead, uow: Unit, clock: Clock) -> dict[str, Any]:
    if not may_become(lead.stage, command.stage):
        raise _conflict(lead, command.stage)
    mql = uow.leads.mql(lead.lead_id, lead.place.cycle)
    outcome = OutcomeRecorded(
        lead_id=lead.lead_id,
        outcome_id=new_id(),
        stage=command.stage,
        reason=command.reason,
        amount=command.amount,
        definition_version=mql.definition_version,
        source=mql.source or lead.source,
        campaign=mql.campaign or lead.campaign,
        occurred_at=command.occurred_at or clock.now(),
    )
    place = worked_place(lead)
    move = Move(lead.lead_id, command.stage, outcome.occurred_at, place, lead.rep_id)
    uow.leads.note(move)
    uow.leads.keep_lead(moved(lead, move))
    uow.leads.add_outcome(outcome, place.cycle, place.step, clock.now())
    uow.emit(outcome)
    return outcome_document(outcome)


def _owned(lead: Lead | None, caller: Caller) -> Lead:
    if lead is None:
        raise Problem(404, "Unknown lead", "There is no lead with this lead_id.")
    if caller.rep_id is not None and caller.rep_id != lead.rep_id:
        raise Problem(403, "Not your lead", "A rep records outcomes of their own leads only.")
    return lead


def _check(command: RecordOutcome, now: datetime) -> None:
    fault = reason_fault(command.stage, command.reason)
    if fault is not None:
        allowed = list(REASONS.get(command.stage, ()))
        raise _invalid("/reason", fault, allowed=allowed)
    if command.occurred_at is not None and command.occurred_at > now + CLOCK_SKEW:
        raise _invalid("/occurred_at", "an outcome is recorded when it has happened, not before")


def _invalid(pointer: str, detail: str, **extra: Any) -> Problem:
    errors = [{"pointer": pointer, "detail": detail}]
    return Problem(422, "Some fields are not valid", f"{pointer}: {detail}", errors=errors, **extra)


def _conflict(lead: Lead, wanted: Stage) -> Problem:
    possible = sorted(s.value for s in TRANSITIONS[lead.stage] if may_become(lead.stage, s))
    after = (
        f"From there it may go to {', '.join(possible)}."
        if possible
        else ("Outcomes are recorded for leads that a rep has accepted.")
    )
    return Problem(
        409,
        "Not from this stage",
        f"The lead is in stage {lead.stage.value} and cannot become {wanted.value}. {after}",
        state=lead.stage.value,
    )


def _same_request(
    command: RecordOutcome, fingerprint: str, answer: dict[str, Any]
) -> dict[str, Any]:
    if fingerprint != command.fingerprint():
        raise Problem(
            422,
            "Idempotency-Key used before",
            "This Idempotency-Key belongs to a request with another body: use a new key.",
        )
    return answer
