"""Record what became of an accepted lead; keep what overtakes the acceptance until that comes."""

import hashlib
import re
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from prometheus_client import Counter

from services.feedback.domain.outcomes import (
    MOST_WAITING,
    REASONS,
    Outcome,
    WaitingOutcome,
    may_become,
    may_wait,
    reason_fault,
)
from services.feedback.domain.stages import Lead, Move, moved, worked_place
from services.feedback.store.aggregates import Answered
from services.feedback.store.unit import Feedback
from shared.contracts.events import OutcomeRecorded
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import TRANSITIONS, Stage

CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far ahead of ours a caller's clock may be."""

WAITED = Counter(
    "leadloop_feedback_waiting_outcomes_total",
    "Outcomes that came before the acceptance they follow, by what became of them",
    ["result"],
)
_LEAD_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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


def record_outcome(
    unit: Feedback, command: RecordOutcome, caller: Caller, key: str | None = None
) -> dict[str, Any]:
    """Move the lead and tell the others; or keep the outcome for an acceptance that may be on its
    way. ``status`` says which. The same again has the same answer and no effect.

    Raises Problem 404 for an unknown lead, 403 for somebody else's, 409 with ``state`` for a stage
    the lead can't go to from there, 422 for a reason that does not fit or a time to come.
    """
    if key is not None:
        earlier = unit.answered.fetch(caller.key_id, key)
        if earlier is not None:
            return _same_request(command, earlier)
    document = _outcome(unit, command, caller)
    if key is not None:
        said = command.fingerprint()
        unit.answered.put(Answered(caller.key_id, key, said, document, unit.now))
    return document


def apply_waiting(unit: Feedback, lead_id: str) -> None:
    """Record what waited for this lead's acceptance, in the order in which it came. What a rep said
    who is not the one who accepted counts for nothing, nor does what could only follow from it."""
    if unit.lead(lead_id).stage is not Stage.ACCEPTED:
        return
    for one in unit.waiting(lead_id):
        lead = unit.lead(lead_id)
        fits = one.rep_id in (None, lead.rep_id) and may_become(lead.stage, one.stage)
        if fits:
            _record(unit, lead, one, one.outcome_id, one.occurred_at)
        else:
            unit.warn("outcome %s does not fit the lead's acceptance: dropped", one.outcome_id)
        unit.waiting_outcomes.remove(one)
        WAITED.labels("recorded" if fits else "dropped").inc()


def _outcome(unit: Feedback, command: RecordOutcome, caller: Caller) -> dict[str, Any]:
    lead = unit.leads.get(command.lead_id)
    if lead is None and not _LEAD_ID.fullmatch(command.lead_id):
        raise Problem(404, "Unknown lead", "There is no lead with this lead_id.")
    if lead is None or may_wait(lead.stage):
        # Who has the lead will show with the acceptance.
        _check(command, caller, caller.rep_id or None, unit.now)
        return _wait(unit, command, caller)
    _check(command, caller, lead.rep_id, unit.now)
    outcome = _recorded_before(unit, lead, command.stage)
    if outcome is None:
        if not may_become(lead.stage, command.stage):
            raise _conflict(lead.stage, command.stage, lead.stage)
        at = command.occurred_at or unit.now
        outcome = _record(unit, lead, command, new_id(), at)
    return {**_event(outcome).model_dump(mode="json"), "status": "recorded"}


def _recorded_before(unit: Feedback, lead: Lead, stage: Stage) -> Outcome | None:
    """The outcome by which the lead came to this stage, if it is in it."""
    if lead.stage is not stage:
        return None
    found = unit.outcomes.find(lead_id=lead.lead_id, cycle=lead.place.cycle, stage=stage.value)
    return max(found, key=lambda one: one.step, default=None)


def _record(
    unit: Feedback,
    lead: Lead,
    said: RecordOutcome | WaitingOutcome,
    outcome_id: str,
    occurred_at: datetime,
) -> Outcome:
    place = worked_place(lead)
    mql = unit.mql(lead.lead_id, place.cycle)
    outcome = Outcome(
        outcome_id,
        lead.lead_id,
        place.cycle,
        place.step,
        said.stage,
        said.reason,
        said.amount,
        definition_version=mql.definition_version,
        source=mql.source or lead.source,
        campaign=mql.campaign or lead.campaign,
        occurred_at=occurred_at,
        recorded_at=unit.now,
    )
    move = Move(lead.lead_id, said.stage, occurred_at, place, lead.rep_id)
    unit.stage_changes.put(move)
    unit.leads.put(moved(lead, move))
    unit.outcomes.put(outcome)
    unit.emit(_event(outcome))
    return outcome


def _event(outcome: Outcome) -> OutcomeRecorded:
    return OutcomeRecorded(
        lead_id=outcome.lead_id,
        outcome_id=outcome.outcome_id,
        cycle=outcome.cycle,
        stage=outcome.stage,
        reason=outcome.reason,
        amount=outcome.amount,
        definition_version=outcome.definition_version,
        source=outcome.source,
        campaign=outcome.campaign,
        occurred_at=outcome.occurred_at,
    )


def _wait(unit: Feedback, command: RecordOutcome, caller: Caller) -> dict[str, Any]:
    """Put the outcome behind those that wait already, if it can follow them."""
    queue = unit.waiting(command.lead_id)
    before = [one for one in queue if caller.rep_id is None or one.rep_id in (None, caller.rep_id)]
    last = before[-1].stage if before else Stage.ACCEPTED
    if before and last is command.stage:
        return before[-1].document()
    if not may_become(last, command.stage):
        raise _conflict(unit.lead(command.lead_id).stage, command.stage, last)
    if len(queue) >= MOST_WAITING:
        raise Problem(
            409,
            "Too many outcomes wait",
            f"{MOST_WAITING} outcomes wait for this lead's acceptance; no more can be kept.",
            state=unit.lead(command.lead_id).stage.value,
        )
    waiting = WaitingOutcome(
        command.lead_id,
        queue[-1].step + 1 if queue else 0,
        new_id(),
        command.stage,
        command.reason,
        command.amount,
        command.occurred_at or unit.now,
        caller.rep_id,
        recorded_at=unit.now,
    )
    unit.waiting_outcomes.put(waiting)
    WAITED.labels("kept").inc()
    return waiting.document()


def _check(command: RecordOutcome, caller: Caller, rep_id: str | None, now: datetime) -> None:
    if caller.rep_id is not None and caller.rep_id != rep_id:
        raise Problem(403, "Not your lead", "A rep records outcomes of their own leads only.")
    fault = reason_fault(command.stage, command.reason)
    if fault is not None:
        allowed = list(REASONS.get(command.stage, ()))
        raise _invalid("/reason", fault, allowed=allowed)
    if command.occurred_at is not None and command.occurred_at > now + CLOCK_SKEW:
        raise _invalid("/occurred_at", "an outcome is recorded when it has happened, not before")


def _invalid(pointer: str, detail: str, **extra: Any) -> Problem:
    errors = [{"pointer": pointer, "detail": detail}]
    return Problem(422, "Some fields are not valid", f"{pointer}: {detail}", errors=errors, **extra)


def _conflict(stage: Stage, wanted: Stage, after: Stage) -> Problem:
    """``after`` is the stage that the outcome would follow: the lead's, or that of what waits."""
    possible = sorted(s.value for s in TRANSITIONS[after] if may_become(after, s))
    where = "there" if after is stage else after.value
    way = (
        f"From {where} it may go to {', '.join(possible)}."
        if possible
        else "Outcomes are recorded for leads that a rep has accepted."
    )
    return Problem(
        409,
        "Not from this stage",
        f"The lead is in stage {stage.value} and cannot become {wanted.value}. {way}",
        state=stage.value,
    )


def _same_request(command: RecordOutcome, earlier: Answered) -> dict[str, Any]:
    if earlier.fingerprint != command.fingerprint():
        raise Problem(
            422,
            "Idempotency-Key used before",
            "This Idempotency-Key belongs to a request with another body: use a new key.",
        )
    return dict(earlier.answer)
