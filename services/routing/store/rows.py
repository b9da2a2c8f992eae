"""Rows to domain objects and back."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from services.routing.domain.assignment import Assignment, State
from services.routing.domain.choice import Decision, Standing
from services.routing.domain.lead import Lead
from services.routing.domain.reps import Rep
from shared.contracts.vocabulary import RejectReason

ASSIGNMENT_FIELDS = tuple(Assignment.__dataclass_fields__)
LEAD_FIELDS = tuple(Lead.__dataclass_fields__)


def assignment_of(row: Row[Any]) -> Assignment:
    """A row of ``assignments``."""
    values = row._mapping
    fields = {name: values[name] for name in ASSIGNMENT_FIELDS}
    fields["state"] = State(fields["state"])
    if fields["reason"] is not None:
        fields["reason"] = RejectReason(fields["reason"])
    return Assignment(**fields)


def assignment_row(assignment: Assignment) -> dict[str, Any]:
    """What to insert for a new assignment."""
    return {name: getattr(assignment, name) for name in ASSIGNMENT_FIELDS} | {
        "state": assignment.state.value,
        "updated_at": assignment.assigned_at,
    }


def lead_of(row: Row[Any]) -> Lead:
    """A row of ``leads``."""
    values = row._mapping
    return Lead(**{name: values[name] for name in LEAD_FIELDS})


def lead_row(lead: Lead) -> dict[str, Any]:
    """What to insert or update for a lead."""
    return {name: getattr(lead, name) for name in LEAD_FIELDS}


def rep_of(row: Row[Any]) -> Rep:
    """A row of ``reps``, without its counts."""
    return Rep(row.rep_id, row.name, row.email, row.weight, row.capacity, row.active, row.time_zone)


def standing_of(row: Row[Any], waiting: Mapping[str, int]) -> Standing:
    """A row of ``reps`` as the choice sees it."""
    return Standing(
        rep_id=row.rep_id,
        weight=row.weight,
        capacity=row.capacity,
        active=row.active,
        assigned=row.assigned,
        calibration=row.calibration,
        waiting=waiting.get(row.rep_id, 0),
        last_turn=row.last_turn,
    )


def candidates_of(decision: Decision) -> list[dict[str, Any]]:
    """The candidates as they are stored and shown."""
    return [
        {
            "rep_id": c.rep_id,
            "eligible": c.eligible,
            "why": c.why,
            "shortfall": c.shortfall,
            "weight": c.weight,
            "given": c.given,
            "waiting": c.waiting,
            "capacity": c.capacity,
            "last_turn": c.last_turn,
        }
        for c in decision.candidates
    ]
