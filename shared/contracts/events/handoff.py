"""``lead.handoff``: who has the lead, by when, and what they said."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from shared.contracts.events.base import LeadEvent
from shared.contracts.vocabulary import ReasonClass, RejectReason


class Assignment(LeadEvent):
    """Something about one assignment attempt. ``attempt`` is the fencing number."""

    topic = "lead.handoff"

    assignment_id: str
    rep_id: str
    attempt: Annotated[int, Field(ge=1)]
    cycle: int


class LeadAssigned(Assignment):
    """One rep owns the lead now, and a clock runs."""

    type = "leadloop.lead.assigned.v1"
    policy_version: int
    definition_version: int
    assigned_at: AwareDatetime
    due_at: AwareDatetime


class LeadReassigned(LeadAssigned):
    """A later attempt: the one before it ran out or was turned down for a procedural reason."""

    type = "leadloop.lead.reassigned.v1"
    previous_rep_id: str
    cause: Literal["SLA_BREACHED", "REJECTED"]


class LeadUnrouted(LeadEvent):
    """Nobody can take the lead now; it is tried again when somebody has room."""

    type = "leadloop.lead.unrouted.v1"
    topic = "lead.handoff"
    cycle: int
    reason: str
    unrouted_at: AwareDatetime


class LeadAcknowledged(Assignment):
    """The rep has seen it. ``due_at`` is the deadline to accept or reject."""

    type = "leadloop.lead.acknowledged.v1"
    acknowledged_at: AwareDatetime
    due_at: AwareDatetime


class Answer(Assignment):
    """What a rep decided, with what the decision is judged by."""

    definition_version: int
    assigned_at: AwareDatetime
    due_at: AwareDatetime
    answered_at: AwareDatetime


class LeadAccepted(Answer):
    """Mine to work: a sales-accepted lead (SAL)."""

    type = "leadloop.lead.accepted.v1"


class LeadRejected(Answer):
    """Turned down before contact. The rep's free-text note stays in routing."""

    type = "leadloop.lead.rejected.v1"
    reason: RejectReason
    reason_class: ReasonClass


class SlaBreached(Assignment):
    """The deadline of this attempt passed without an answer."""

    type = "leadloop.lead.sla_breached.v1"
    due_at: AwareDatetime
    breached_at: AwareDatetime
