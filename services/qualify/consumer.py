"""Which handler takes which event, and the name of the group."""

import logging
from typing import Final

from prometheus_client import Counter

from services.qualify import handlers
from services.qualify.store import QualifyWork
from shared.contracts.envelope import Event
from shared.contracts.events import (
    ActivityRecorded,
    LeadCaptured,
    LeadRejected,
    OutcomeRecorded,
    ProposalApproved,
)
from shared.runtime.clock import Clock
from shared.runtime.consumer import Handlers

log = logging.getLogger(__name__)

GROUP: Final = "qualify"
PROPOSALS = Counter(
    "leadloop_qualify_proposals_total", "Approved proposals, by what became of them", ["result"]
)


async def on_proposal_approved(
    event: Event[ProposalApproved], uow: QualifyWork, clock: Clock
) -> None:
    """Publish an approved proposal; say so in the log when it came too late."""
    result = await handlers.on_proposal_approved(event, uow, clock)
    PROPOSALS.labels(result).inc()
    if result == "stale":
        log.warning(
            "proposal %s was made for version %d, which is not published any more: ignored",
            event.data.proposal_id,
            event.data.base_version,
        )


HANDLERS: Final[Handlers[QualifyWork]] = {
    LeadCaptured: handlers.on_lead_captured,
    ActivityRecorded: handlers.on_activity_recorded,
    LeadRejected: handlers.on_lead_rejected,
    OutcomeRecorded: handlers.on_outcome_recorded,
    ProposalApproved: on_proposal_approved,
}
