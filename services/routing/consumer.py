"""Which events routing reads, and what it does about them."""

from services.routing.handlers.handing_out import (
    on_contact_updated,
    on_lead_qualified,
    on_outcome_recorded,
)
from services.routing.store.work import RoutingWork
from shared.contracts.events import ContactUpdated, LeadQualified, OutcomeRecorded
from shared.runtime.consumer import Handlers

GROUP = "routing"
HANDLERS: Handlers[RoutingWork] = {
    LeadQualified: on_lead_qualified,
    ContactUpdated: on_contact_updated,
    OutcomeRecorded: on_outcome_recorded,
}
