"""One Pydantic model per event type: the data part of each CloudEvent.

Producers are strict: what they emit is validated here. Readers are tolerant: unknown fields pass.
An event is a fact in the past tense. Everything a reader needs travels with it, because no service
may ask another. Personal data travels in ``ContactUpdated`` and nowhere else.

Times are RFC 3339 in UTC. ``facts`` is a flat map; a custom field that was declared a fact stands
in it as ``fields.<name>``.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.definition import DefinitionDocument
from shared.contracts.vocabulary import (
    DisqualifyReason,
    ReasonClass,
    RecycleReason,
    RejectReason,
    Stage,
)

FactValue = str | int | float | bool | None | list[str]
Facts = dict[str, FactValue]


class EventData(BaseModel):
    """The data of one event type: ``type`` is its CloudEvents type, ``topic`` where it goes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: ClassVar[str]
    topic: ClassVar[str]

    def key(self) -> str:
        """The Kafka message key: events with the same key stay in order."""
        raise NotImplementedError


class LeadEvent(EventData):
    """Something about one lead; its events stay in order."""

    lead_id: str

    def key(self) -> str:
        return self.lead_id


# --- lead.captured -------------------------------------------------------------------------------


class Attribution(BaseModel):
    """Where a submission came from. URLs are cut to scheme, host and path: queries leak people."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    form_id: str | None = None
    page_url: str | None = None
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None


class ConsentFlag(BaseModel):
    """What the person allowed, without the text they saw (capture keeps that)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    purpose: str
    granted: bool
    basis: str | None = None


class LeadCaptured(LeadEvent):
    """Somebody new left their details. Stage INQUIRY begins."""

    type = "leadloop.lead.captured.v1"
    topic = "lead.captured"

    submission_id: str
    captured_at: AwareDatetime
    facts: Facts
    attribution: Attribution = Attribution()
    consent: list[ConsentFlag] = []


class ActivityRecorded(LeadEvent):
    """A known lead did something: submitted a form again, visited, opened, attended.

    ``facts`` are the lead's facts after this activity, so that a reader never joins.
    """

    type = "leadloop.lead.activity_recorded.v1"
    topic = "lead.captured"

    activity_id: str
    kind: str
    """For example ``form_submitted``, ``page_viewed``, ``email_clicked``, ``webinar_attended``."""
    occurred_at: AwareDatetime
    facts: Facts
    attribution: Attribution = Attribution()


# --- lead.contact (compacted; the one topic with personal data) -----------------------------------


class ContactUpdated(LeadEvent):
    """Who the lead is: the whole of what a rep needs to reach them, replacing what was before."""

    type = "leadloop.lead.contact_updated.v1"
    topic = "lead.contact"

    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    job_title: str | None = None
    website: str | None = None
    message: str | None = None
    fields: dict[str, Any] = {}


# --- lead.qualification ---------------------------------------------------------------------------


class Contribution(BaseModel):
    """What one criterion added to a score, and why."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    criterion_id: str
    points: int
    because: str


class Qualification(LeadEvent):
    """A decision about a lead, with everything that made it."""

    topic = "lead.qualification"

    definition_version: int
    cycle: int
    """How often the lead has become an MQL, this decision included."""
    score: int
    """The exact sum of ``contributions``."""
    grade: str | None = None
    threshold: int
    facts: Facts
    attribution: Attribution = Attribution()
    contributions: list[Contribution]
    captured_at: AwareDatetime
    decided_at: AwareDatetime


class LeadScored(Qualification):
    """A new score that does not move the lead to another stage."""

    type = "leadloop.lead.scored.v1"


class LeadQualified(Qualification):
    """The lead is an MQL: routing owes it an owner."""

    type = "leadloop.lead.qualified.v1"


class LeadNurtured(Qualification):
    """Not yet: below the threshold, or sent back by a rep for a reason that may pass."""

    type = "leadloop.lead.nurtured.v1"
    reason: str


class LeadDisqualified(Qualification):
    """Never: a disqualifier met, or a rep's reason that will not pass."""

    type = "leadloop.lead.disqualified.v1"
    reason: str


# --- lead.handoff ---------------------------------------------------------------------------------


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


# --- lead.feedback --------------------------------------------------------------------------------


class FeedbackRecorded(LeadEvent):
    """A rep's answer joined with the decision it judges: what marketing learns from."""

    type = "leadloop.feedback.recorded.v1"
    topic = "lead.feedback"

    assignment_id: str
    rep_id: str
    answer: Literal["accepted", "rejected"]
    reason: RejectReason | None = None
    reason_class: ReasonClass | None = None
    definition_version: int
    score: int
    criteria: list[str]
    """Ids of the criteria that gave points."""
    source: str | None = None
    campaign: str | None = None
    answered_at: AwareDatetime


class OutcomeRecorded(LeadEvent):
    """What became of an accepted lead."""

    type = "leadloop.outcome.recorded.v1"
    topic = "lead.feedback"

    outcome_id: str
    stage: Literal[
        Stage.SQL, Stage.OPPORTUNITY, Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED
    ]
    reason: RecycleReason | DisqualifyReason | str | None = None
    amount: float | None = None
    """Deal value in the company's own currency."""
    definition_version: int | None = None
    source: str | None = None
    campaign: str | None = None
    occurred_at: AwareDatetime


# --- definition.proposed and definition.published -------------------------------------------------


class PointsChange(BaseModel):
    """One suggested change of a criterion's points."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    criterion_id: str
    points_before: int
    points_after: int


class DefinitionProposed(EventData):
    """Feedback suggests a better definition, with its evidence."""

    type = "leadloop.definition.proposed.v1"
    topic = "definition.proposed"

    proposal_id: str
    base_version: int
    changes: list[PointsChange]
    evidence: dict[str, Any]
    proposed_at: AwareDatetime

    def key(self) -> str:
        return self.proposal_id


class ProposalApproved(EventData):
    """Somebody in marketing said yes: qualify makes the version and publishes it."""

    type = "leadloop.definition.approved.v1"
    topic = "definition.proposed"

    proposal_id: str
    base_version: int
    changes: list[PointsChange]
    note: str = ""
    approved_at: AwareDatetime

    def key(self) -> str:
        return self.proposal_id


class DefinitionPublished(EventData):
    """This version scores from now on."""

    type = "leadloop.definition.published.v1"
    topic = "definition.published"

    definition: DefinitionDocument
    published_at: AwareDatetime
    proposal_id: str | None = None

    def key(self) -> str:
        return str(self.definition.version)


class DefinitionRetired(EventData):
    """This version scores no longer."""

    type = "leadloop.definition.retired.v1"
    topic = "definition.published"

    version: int
    retired_at: AwareDatetime

    def key(self) -> str:
        return str(self.version)


# --- <service>.dead-letter ------------------------------------------------------------------------


class DeadLettered(EventData):
    """An event a service could not process. The event itself stays in that service's database."""

    type = "leadloop.dead_letter.recorded.v1"
    topic = "{service}.dead-letter"

    service: str
    consumer: str
    event_id: str | None
    event_type: str | None
    event_key: str
    reason: str
    """What went wrong, without any value of the event."""
    source_topic: str
    source_partition: int
    source_offset: int
    failed_at: AwareDatetime

    def key(self) -> str:
        return self.event_key


EVENT_TYPES: dict[str, type[EventData]] = {
    model.type: model
    for model in (
        LeadCaptured,
        ActivityRecorded,
        ContactUpdated,
        LeadScored,
        LeadQualified,
        LeadNurtured,
        LeadDisqualified,
        LeadAssigned,
        LeadReassigned,
        LeadUnrouted,
        LeadAcknowledged,
        LeadAccepted,
        LeadRejected,
        SlaBreached,
        FeedbackRecorded,
        OutcomeRecorded,
        DefinitionProposed,
        ProposalApproved,
        DefinitionPublished,
        DefinitionRetired,
        DeadLettered,
    )
}
