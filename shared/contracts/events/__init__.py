"""One Pydantic model per event type: the data part of each CloudEvent.

Producers are strict: what they emit is validated here. Readers are tolerant: unknown fields pass.
An event is a fact in the past tense. Everything a reader needs travels with it, because no service
may ask another. Personal data travels in ``ContactUpdated`` and nowhere else.

Times are RFC 3339 in UTC. ``facts`` is a flat map; a custom field that was declared a fact stands
in it as ``fields.<name>``.

One module a topic.
"""

from shared.contracts.events.base import (
    Attribution,
    ConsentFlag,
    EventData,
    Facts,
    FactValue,
    LeadEvent,
)
from shared.contracts.events.captured import ActivityRecorded, LeadCaptured
from shared.contracts.events.contact import ContactUpdated
from shared.contracts.events.dead_letter import DeadLettered
from shared.contracts.events.definitions import (
    Change,
    DefinitionChallenging,
    DefinitionProposed,
    DefinitionPublished,
    DefinitionRetired,
    ProposalApproved,
    ProposalRefused,
)
from shared.contracts.events.feedback import FeedbackRecorded, OutcomeRecorded
from shared.contracts.events.handoff import (
    Answer,
    Assignment,
    LeadAccepted,
    LeadAcknowledged,
    LeadAssigned,
    LeadEscalated,
    LeadReassigned,
    LeadRejected,
    LeadUnrouted,
    SlaBreached,
    SlaWarned,
)
from shared.contracts.events.qualification import (
    Contribution,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadScored,
    Qualification,
)

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
        SlaWarned,
        SlaBreached,
        LeadEscalated,
        FeedbackRecorded,
        OutcomeRecorded,
        DefinitionProposed,
        ProposalApproved,
        ProposalRefused,
        DefinitionPublished,
        DefinitionChallenging,
        DefinitionRetired,
        DeadLettered,
    )
}

__all__ = [
    "EVENT_TYPES",
    "ActivityRecorded",
    "Answer",
    "Assignment",
    "Attribution",
    "Change",
    "ConsentFlag",
    "ContactUpdated",
    "Contribution",
    "DeadLettered",
    "DefinitionChallenging",
    "DefinitionProposed",
    "DefinitionPublished",
    "DefinitionRetired",
    "EventData",
    "FactValue",
    "Facts",
    "FeedbackRecorded",
    "LeadAccepted",
    "LeadAcknowledged",
    "LeadAssigned",
    "LeadCaptured",
    "LeadDisqualified",
    "LeadEscalated",
    "LeadEvent",
    "LeadNurtured",
    "LeadQualified",
    "LeadReassigned",
    "LeadRejected",
    "LeadScored",
    "LeadUnrouted",
    "OutcomeRecorded",
    "ProposalApproved",
    "ProposalRefused",
    "Qualification",
    "SlaBreached",
    "SlaWarned",
]
