"""Which handler takes which event."""

from typing import Final

from services.qualify.handlers import answers, leads, proposals
from services.qualify.store.unit import Qualify
from shared.contracts.events import (
    ActivityRecorded,
    LeadAccepted,
    LeadAssigned,
    LeadCaptured,
    LeadReassigned,
    LeadRejected,
    OutcomeRecorded,
    ProposalApproved,
    SlaBreached,
)
from shared.runtime.consumer import Handlers

HANDLERS: Final[Handlers[Qualify]] = {
    LeadCaptured: leads.on_lead_captured,
    ActivityRecorded: leads.on_activity_recorded,
    LeadAssigned: answers.on_lead_assigned,
    LeadReassigned: answers.on_lead_assigned,
    LeadAccepted: answers.on_lead_accepted,
    SlaBreached: answers.on_sla_breached,
    LeadRejected: leads.on_lead_rejected,
    OutcomeRecorded: leads.on_outcome_recorded,
    ProposalApproved: proposals.on_proposal_approved,
}
