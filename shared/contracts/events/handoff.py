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
    team_id: str | None = None
    """The rep's team at that moment, and who manages it."""
    manager_id: str | None = None
    given_by: str | None = None
    """The id of the key of whoever gave it; None: the rules did."""


class LeadReassigned(LeadAssigned):
    """A later attempt: the one before it ran out, was turned down for a procedural reason, handed
    over, put back or moved, or its rep is away."""

    type = "leadloop.lead.reassigned.v1"
    previous_rep_id: str
    cause: Literal["SLA_BREACHED", "REJECTED", "HANDED_OVER", "PUT_BACK", "MOVED", "AWAY"]


class SlaWarned(Assignment):
    """The deadline of this attempt is near and there is no answer yet."""

    type = "leadloop.lead.sla_warned.v1"
    due_at: AwareDatetime
    warned_at: AwareDatetime


class LeadEscalated(LeadEvent):
    """The last attempt of a round ran out: a manager is told. Once a round."""

    type = "leadloop.lead.escalated.v1"
    topic = "lead.handoff"
    cycle: int
    attempt: Annotated[int, Field(ge=1)]
    """The attempt that ran out."""
    rep_id: str
    team_id: str | None
    manager_id: str | None
    escalated_at: AwareDatetime


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
