"""Which handler takes which event."""

from typing import Final

from services.routing.handlers import handing_out
from services.routing.store.unit import Routing
from shared.contracts.events import ContactUpdated, LeadQualified, OutcomeRecorded
from shared.runtime.consumer import Handlers

HANDLERS: Final[Handlers[Routing]] = {
    LeadQualified: handing_out.on_lead_qualified,
    ContactUpdated: handing_out.on_contact_updated,
    OutcomeRecorded: handing_out.on_outcome_recorded,
}
