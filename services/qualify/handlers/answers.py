"""Keep what reps and deals said, to judge definitions by it: one function per event."""

from services.qualify.domain.answers import (
    Answer,
    Said,
    with_breach,
    with_outcome,
    with_said,
)
from services.qualify.store.unit import Qualify
from shared.contracts.envelope import Event
from shared.contracts.events import (
    LeadAccepted,
    LeadAssigned,
    LeadRejected,
    OutcomeRecorded,
    SlaBreached,
)
from shared.contracts.vocabulary import Stage


def on_lead_assigned(event: Event[LeadAssigned], unit: Qualify) -> None:
    """A rep has the lead."""
    data = event.data
    said = Said(data.attempt, data.rep_id, data.assigned_at)
    unit.answers.put(with_said(_known(unit, data.lead_id, data.cycle), said))


def on_lead_accepted(event: Event[LeadAccepted], unit: Qualify) -> None:
    """A rep took the lead."""
    data = event.data
    said = Said(data.attempt, data.rep_id, data.assigned_at, data.answered_at, "accepted")
    unit.answers.put(with_said(_known(unit, data.lead_id, data.cycle), said))


def on_sla_breached(event: Event[SlaBreached], unit: Qualify) -> None:
    """A rep let the time pass, which says nothing about the lead."""
    data = event.data
    unit.answers.put(with_breach(_known(unit, data.lead_id, data.cycle), data.breached_at))


def keep_rejection(data: LeadRejected, unit: Qualify) -> None:
    """A rep turned the lead down."""
    said = Said(
        data.attempt,
        data.rep_id,
        data.assigned_at,
        data.answered_at,
        "rejected",
        data.reason,
        data.reason_class,
    )
    unit.answers.put(with_said(_known(unit, data.lead_id, data.cycle), said))


def keep_outcome(data: OutcomeRecorded, unit: Qualify) -> None:
    """A deal went on, or ended. One that names no cycle belongs to the lead's present one."""
    lead = unit.leads.get(data.lead_id)
    cycle = data.cycle or (lead.cycle if lead is not None else 0)
    if cycle > 0:
        known = _known(unit, data.lead_id, cycle)
        unit.answers.put(with_outcome(known, Stage(data.stage), data.occurred_at, data.amount))


def _known(unit: Qualify, lead_id: str, cycle: int) -> Answer:
    return unit.answers.get(lead_id, cycle) or Answer(lead_id, cycle)
