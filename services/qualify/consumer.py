"""Which handler takes which event."""

from typing import Final

from services.qualify.handlers import definitions, leads
from services.qualify.store.unit import Qualify
from shared.contracts.events import (
    ActivityRecorded,
    LeadCaptured,
    LeadRejected,
    OutcomeRecorded,
    ProposalApproved,
)
from shared.runtime.consumer import Handlers

HANDLERS: Final[Handlers[Qualify]] = {
    LeadCaptured: leads.on_lead_captured,
    ActivityRecorded: leads.on_activity_recorded,
    LeadRejected: leads.on_lead_rejected,
    OutcomeRecorded: leads.on_outcome_recorded,
    ProposalApproved: definitions.on_proposal_approved,
}
