"""Follow every lead through its stages, and tell marketing what reps answer.

Each handler reads one event type. Topics are read independently, so an event may come before others
that happened earlier; ``domain.stages`` says why the result is the same.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.feedback.domain.kpis import accept_by
from services.feedback.domain.stages import (
    Attempt,
    Lead,
    Move,
    answered,
    captured_place,
    decided_place,
    handed_over,
    handed_over_place,
    moved,
    unrouted_place,
)
from services.feedback.ports import Unit
from shared.contracts.envelope import Event
from shared.contracts.events import (
    Answer,
    FeedbackRecorded,
    LeadAcknowledged,
    LeadAssigned,
    LeadCaptured,
    LeadRejected,
    LeadUnrouted,
    Qualification,
    SlaBreached,
)
from shared.contracts.events import Assignment as AssignmentEvent
from shared.contracts.vocabulary import ReasonClass, Stage
from shared.runtime.clock import Clock


async def on_lead_captured(event: Event[LeadCaptured], uow: Unit, clock: Clock) -> None:
    """A lead begins, as an inquiry."""
    data = event.data
    lead = replace(
        _lead(uow, data.lead_id),
        captured_at=data.captured_at,
        source=data.attribution.utm_source,
        campaign=data.attribution.utm_campaign,
    )
    _move(uow, lead, Move(lead.lead_id, Stage.INQUIRY, data.captured_at, captured_place()))


async def on_lead_scored(event: Event[Any], uow: Unit, clock: Clock) -> None:
    """A new score, in the stage the lead is in."""
    uow.leads.keep_lead(_scored(_lead(uow, event.data.lead_id), event.data))


async def on_lead_qualified(event: Event[Any], uow: Unit, clock: Clock) -> None:
    """The lead became an MQL. Answers that were read before this decision can go out now."""
    data = event.data
    _decided(uow, data, Stage.MQL)
    mql = replace(
        uow.leads.mql(data.lead_id, data.cycle),
        definition_version=data.definition_version,
        score=data.score,
        criteria=_criteria(data),
        source=data.attribution.utm_source,
        campaign=data.attribution.utm_campaign,
        qualified_at=data.decided_at,
    )
    uow.leads.keep_mql(mql)
    for attempt in uow.leads.waiting(data.lead_id, data.cycle):
        _record(uow, attempt, clock.now())


async def on_lead_nurtured(event: Event[Any], uow: Unit, clock: Clock) -> None:
    """Not now: below the threshold, or sent back by a rep."""
    _decided(uow, event.data, Stage.NURTURE)


async def on_lead_disqualified(event: Event[Any], uow: Unit, clock: Clock) -> None:
    """Qualify will not look at the lead again."""
    _decided(uow, event.data, Stage.DISQUALIFIED)


async def on_lead_assigned(event: Event[LeadAssigned], uow: Unit, clock: Clock) -> None:
    """One rep has the lead, for the first time or after another."""
    data = event.data
    uow.leads.keep_attempt(
        replace(
            _attempt(uow, data),
            definition_version=data.definition_version,
            assigned_at=data.assigned_at,
            due_at=data.due_at,
        )
    )
    mql = uow.leads.mql(data.lead_id, data.cycle)
    uow.leads.keep_mql(handed_over(mql, data.assigned_at, accept_by))
    _hand(uow, data, Stage.ASSIGNED, data.assigned_at)


async def on_lead_unrouted(event: Event[LeadUnrouted], uow: Unit, clock: Clock) -> None:
    """Nobody can take the lead now."""
    data = event.data
    lead = replace(_lead(uow, data.lead_id), rep_id=None)
    place = unrouted_place(lead, data.cycle)
    _move(uow, lead, Move(lead.lead_id, Stage.UNROUTED, data.unrouted_at, place))


async def on_lead_acknowledged(event: Event[LeadAcknowledged], uow: Unit, clock: Clock) -> None:
    """The rep has seen the lead."""
    data = event.data
    attempt = replace(_attempt(uow, data), acknowledged_at=data.acknowledged_at)
    uow.leads.keep_attempt(attempt)
    _hand(uow, data, Stage.ACKNOWLEDGED, data.acknowledged_at)


async def on_sla_breached(event: Event[SlaBreached], uow: Unit, clock: Clock) -> None:
    """A deadline passed without an answer; what follows from it is routing's next event."""
    uow.leads.keep_attempt(replace(_attempt(uow, event.data), breached_at=event.data.breached_at))


async def on_lead_accepted(event: Event[Any], uow: Unit, clock: Clock) -> None:
    """The rep works on the lead."""
    _answer(uow, event.data, Stage.ACCEPTED, clock.now())


async def on_lead_rejected(event: Event[Any], uow: Unit, clock: Clock) -> None:
    """The rep turned the lead down."""
    _answer(uow, event.data, Stage.REJECTED, clock.now())


def _lead(uow: Unit, lead_id: str) -> Lead:
    return uow.leads.lead(lead_id) or Lead(lead_id)


def _move(uow: Unit, lead: Lead, move: Move) -> None:
    uow.leads.note(move)
    uow.leads.keep_lead(moved(lead, move))


def _criteria(data: Qualification) -> tuple[str, ...]:
    return tuple(sorted({c.criterion_id for c in data.contributions if c.points != 0}))


def _scored(lead: Lead, data: Qualification) -> Lead:
    return replace(
        lead,
        captured_at=lead.captured_at or data.captured_at,
        definition_version=data.definition_version,
        score=data.score,
        criteria=_criteria(data),
    )


def _decided(uow: Unit, data: Qualification, stage: Stage) -> None:
    lead = _scored(_lead(uow, data.lead_id), data)
    place = decided_place(stage, data.cycle)
    _move(uow, lead, Move(data.lead_id, stage, data.decided_at, place))


def _attempt(uow: Unit, data: AssignmentEvent) -> Attempt:
    return uow.leads.attempt(data.assignment_id) or Attempt(
        data.assignment_id, data.lead_id, data.cycle, data.attempt, data.rep_id
    )


def _hand(uow: Unit, data: AssignmentEvent, stage: Stage, at: datetime) -> None:
    lead = replace(_lead(uow, data.lead_id), rep_id=data.rep_id)
    place = handed_over_place(stage, data.cycle, data.attempt)
    _move(uow, lead, Move(data.lead_id, stage, at, place, data.rep_id))


def _answer(uow: Unit, data: Answer, stage: Stage, now: datetime) -> None:
    attempt = _attempt(uow, data)
    attempt = replace(
        attempt,
        definition_version=data.definition_version,
        assigned_at=data.assigned_at,
        due_at=attempt.due_at or data.due_at,
        answered_at=data.answered_at,
        answer="accepted" if stage is Stage.ACCEPTED else "rejected",
        reason=data.reason if isinstance(data, LeadRejected) else None,
        reason_class=data.reason_class.value if isinstance(data, LeadRejected) else None,
    )
    uow.leads.keep_attempt(attempt)
    mql = handed_over(uow.leads.mql(data.lead_id, data.cycle), data.assigned_at, accept_by)
    uow.leads.keep_mql(answered(mql, attempt))
    _hand(uow, data, stage, data.answered_at)
    if mql.qualified_at is not None:
        _record(uow, attempt, now)


def _record(uow: Unit, attempt: Attempt, now: datetime) -> None:
    """Tell marketing of an answer, with the decision that it judges."""
    mql = uow.leads.mql(attempt.lead_id, attempt.cycle)
    assert attempt.answered_at is not None
    assert mql.definition_version is not None
    uow.leads.keep_attempt(replace(attempt, source=mql.source, recorded_at=now))
    uow.emit(
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
