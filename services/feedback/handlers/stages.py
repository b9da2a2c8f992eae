"""Follow every lead through its stages, and tell marketing what reps answer.

Each handler reads one event type. Topics are read independently, so an event may come before others
that happened earlier; ``domain.stages`` says why the result is the same.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.feedback.domain.kpis import accept_by
from services.feedback.domain.samples import Sample
from services.feedback.domain.stages import (
    Attempt,
    Move,
    Mql,
    answered,
    captured_place,
    decided_place,
    handed_over,
    handed_over_place,
    moved,
    unrouted_place,
)
from services.feedback.handlers.outcomes import apply_waiting
from services.feedback.store.unit import Feedback
from shared.contracts.envelope import Event
from shared.contracts.events import (
    Answer,
    FeedbackRecorded,
    LeadAccepted,
    LeadAcknowledged,
    LeadAssigned,
    LeadCaptured,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadReassigned,
    LeadRejected,
    LeadScored,
    LeadUnrouted,
    Qualification,
    SlaBreached,
)
from shared.contracts.events import Assignment as AssignmentEvent
from shared.contracts.vocabulary import ReasonClass, Stage


def on_lead_captured(event: Event[LeadCaptured], unit: Feedback) -> None:
    """A lead begins, as an inquiry."""
    data = event.data
    _move(
        unit,
        Move(data.lead_id, Stage.INQUIRY, data.captured_at, captured_place()),
        captured_at=data.captured_at,
        source=data.attribution.utm_source,
        campaign=data.attribution.utm_campaign,
        form_id=data.attribution.form_id,
    )


def on_lead_scored(event: Event[LeadScored], unit: Feedback) -> None:
    """A new score, in the stage the lead is in."""
    lead = unit.lead(event.data.lead_id)
    unit.leads.put(replace(lead, **_score(unit, event.data, _criteria(event.data))))
    _sample(unit, event.data)


def on_lead_qualified(event: Event[LeadQualified], unit: Feedback) -> None:
    """The lead became an MQL. Answers that were read before this decision can go out now."""
    data = event.data
    criteria = _criteria(data)
    _decided(unit, data, Stage.MQL, criteria)
    unit.sample(_looked_at(data))
    before = unit.mql(data.lead_id, data.cycle)
    mql = replace(
        before,
        definition_version=data.definition_version,
        score=data.score,
        criteria=criteria,
        source=data.attribution.utm_source,
        campaign=data.attribution.utm_campaign,
        qualified_at=data.decided_at,
    )
    unit.mqls.put(mql)
    if before.answer is not None:
        for attempt in unit.untold(data.lead_id, data.cycle):
            _tell(unit, attempt, mql)
            unit.attempts.put(replace(attempt, source=mql.source, recorded_at=unit.now))


def on_lead_nurtured(event: Event[LeadNurtured], unit: Feedback) -> None:
    """Not now: below the threshold, or sent back by a rep."""
    _decided(unit, event.data, Stage.NURTURE, _criteria(event.data))
    _sample(unit, event.data)


def on_lead_disqualified(event: Event[LeadDisqualified], unit: Feedback) -> None:
    """Qualify will not look at the lead again."""
    _decided(unit, event.data, Stage.DISQUALIFIED, _criteria(event.data))
    _sample(unit, event.data)


def on_lead_assigned(event: Event[LeadAssigned] | Event[LeadReassigned], unit: Feedback) -> None:
    """One rep has the lead, for the first time or after another."""
    data = event.data
    unit.attempts.put(
        replace(
            _attempt(unit, data),
            definition_version=data.definition_version,
            assigned_at=data.assigned_at,
            due_at=data.due_at,
        )
    )
    mql = unit.mql(data.lead_id, data.cycle)
    unit.mqls.put(handed_over(mql, data.assigned_at, accept_by))
    _hand(unit, data, Stage.ASSIGNED, data.assigned_at)


def on_lead_unrouted(event: Event[LeadUnrouted], unit: Feedback) -> None:
    """Nobody can take the lead now."""
    data = event.data
    place = unrouted_place(unit.lead(data.lead_id), data.cycle)
    _move(unit, Move(data.lead_id, Stage.UNROUTED, data.unrouted_at, place), rep_id=None)


def on_lead_acknowledged(event: Event[LeadAcknowledged], unit: Feedback) -> None:
    """The rep has seen the lead."""
    data = event.data
    unit.attempts.put(replace(_attempt(unit, data), acknowledged_at=data.acknowledged_at))
    _hand(unit, data, Stage.ACKNOWLEDGED, data.acknowledged_at)


def on_sla_breached(event: Event[SlaBreached], unit: Feedback) -> None:
    """A deadline passed without an answer; what follows from it is routing's next event."""
    unit.attempts.put(replace(_attempt(unit, event.data), breached_at=event.data.breached_at))


def on_lead_accepted(event: Event[LeadAccepted], unit: Feedback) -> None:
    """The rep works on the lead; outcomes that came before can be recorded now."""
    _answer(unit, event.data, Stage.ACCEPTED)
    apply_waiting(unit, event.data.lead_id)


def on_lead_rejected(event: Event[LeadRejected], unit: Feedback) -> None:
    """The rep turned the lead down."""
    data = event.data
    _answer(unit, data, Stage.REJECTED, reason=data.reason, reason_class=data.reason_class.value)


def _move(unit: Feedback, move: Move, **learned: Any) -> None:
    unit.stage_changes.put(move)
    unit.leads.put(moved(unit.lead(move.lead_id), move, **learned))


def _criteria(data: Qualification) -> tuple[str, ...]:
    return tuple(sorted({c.criterion_id for c in data.contributions if c.points != 0}))


def _score(unit: Feedback, data: Qualification, criteria: tuple[str, ...]) -> dict[str, Any]:
    return {
        "captured_at": unit.lead(data.lead_id).captured_at or data.captured_at,
        "definition_version": data.definition_version,
        "score": data.score,
        "criteria": criteria,
    }


def _decided(unit: Feedback, data: Qualification, stage: Stage, criteria: tuple[str, ...]) -> None:
    move = Move(data.lead_id, stage, data.decided_at, decided_place(stage, data.cycle))
    _move(unit, move, **_score(unit, data, criteria))


def _sample(unit: Feedback, data: Qualification) -> None:
    """Keep what was known of a lead that has never been an MQL. Of one that has, its last decision
    to be one counts: what came after the hand-off may be a consequence of it."""
    if data.cycle == 0:
        unit.sample(_looked_at(data))


def _looked_at(data: Qualification) -> Sample:
    """What the decision looked at. A lead that has never been an MQL stays where its last signal
    put it in time: re-scoring decides about all of them today, and none came today."""
    told = data.attribution.model_dump(exclude_none=True)
    at = data.decided_at
    if data.cycle == 0:
        signals = [data.captured_at, *(one.last_at for one in data.activities.values())]
        at = min(at, max(signals))
    return Sample(
        data.lead_id,
        data.cycle,
        at,
        data.definition_version,
        data.score,
        data.threshold,
        facts=data.facts,
        attribution=told,
        activities={kind: one.model_dump(mode="json") for kind, one in data.activities.items()},
        explored=data.explored,
        exploration_rate=data.exploration_rate,
    )


def _attempt(unit: Feedback, data: AssignmentEvent) -> Attempt:
    return unit.attempts.get(data.assignment_id) or Attempt(
        data.assignment_id, data.lead_id, data.cycle, data.attempt, data.rep_id
    )


def _hand(unit: Feedback, data: AssignmentEvent, stage: Stage, at: datetime) -> None:
    place = handed_over_place(stage, data.cycle, data.attempt)
    _move(unit, Move(data.lead_id, stage, at, place, data.rep_id), rep_id=data.rep_id)


def _answer(unit: Feedback, data: Answer, stage: Stage, **why: Any) -> None:
    mql = handed_over(unit.mql(data.lead_id, data.cycle), data.assigned_at, accept_by)
    known = mql.qualified_at is not None
    before = _attempt(unit, data)
    attempt = replace(
        before,
        definition_version=data.definition_version,
        assigned_at=data.assigned_at,
        due_at=before.due_at or data.due_at,
        answered_at=data.answered_at,
        answer="accepted" if stage is Stage.ACCEPTED else "rejected",
        source=mql.source,
        recorded_at=unit.now if known else None,
        **why,
    )
    unit.attempts.put(attempt)
    unit.mqls.put(answered(mql, attempt))
    _hand(unit, data, stage, data.answered_at)
    if known:
        _tell(unit, attempt, mql)


def _tell(unit: Feedback, attempt: Attempt, mql: Mql) -> None:
    """Tell marketing of an answer, with the decision that it judges."""
    assert attempt.answered_at is not None
    assert mql.definition_version is not None
    unit.emit(
        FeedbackRecorded(
            lead_id=attempt.lead_id,
            assignment_id=attempt.assignment_id,
            rep_id=attempt.rep_id,
            answer="accepted" if attempt.answer == "accepted" else "rejected",
            reason=attempt.reason,
            reason_class=ReasonClass(attempt.reason_class) if attempt.reason_class else None,
            definition_version=mql.definition_version,
            score=mql.score or 0,
            criteria=list(mql.criteria),
            source=mql.source,
            campaign=mql.campaign,
            answered_at=attempt.answered_at,
        )
    )
