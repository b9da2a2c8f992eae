"""Which handler reads which event."""

from typing import Final

from services.feedback.handlers import people, proposals, stages
from services.feedback.store.unit import Feedback
from shared.contracts.events import (
    ContactUpdated,
    DefinitionChallenging,
    DefinitionPublished,
    DefinitionRetired,
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
    ProposalRefused,
    SlaBreached,
)
from shared.runtime.consumer import Handlers

HANDLERS: Final[Handlers[Feedback]] = {
    ContactUpdated: people.on_contact_updated,
    LeadCaptured: stages.on_lead_captured,
    LeadScored: stages.on_lead_scored,
    LeadQualified: stages.on_lead_qualified,
    LeadNurtured: stages.on_lead_nurtured,
    LeadDisqualified: stages.on_lead_disqualified,
    LeadAssigned: stages.on_lead_assigned,
    LeadReassigned: stages.on_lead_assigned,
    LeadUnrouted: stages.on_lead_unrouted,
    LeadAcknowledged: stages.on_lead_acknowledged,
    LeadAccepted: stages.on_lead_accepted,
    LeadRejected: stages.on_lead_rejected,
    SlaBreached: stages.on_sla_breached,
    DefinitionPublished: proposals.on_definition_published,
    DefinitionChallenging: proposals.on_definition_challenging,
    DefinitionRetired: proposals.on_definition_retired,
    ProposalRefused: proposals.on_proposal_refused,
}
