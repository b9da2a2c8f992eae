"""The rows that a transaction of routing works on."""

from collections.abc import Mapping
from typing import Any

from services.routing.domain.assignment import Assignment, State
from services.routing.domain.choice import Candidate
from services.routing.domain.explanation import Explanation
from services.routing.domain.lead import Contact, Lead
from services.routing.domain.policy import Written
from services.routing.domain.reps import Rep
from services.routing.store.tables import (
    WAITING_SQL,
    assignments,
    contacts,
    decisions,
    leads,
    policies,
    reps,
)
from shared.contracts.vocabulary import RejectReason
from shared.db.aggregates import Aggregate, Selection

LEADS = Aggregate(leads, Lead, loaded_by="lead_id")
ASSIGNMENTS = Aggregate(
    assignments,
    Assignment,
    loaded_by="lead_id",
    fence=("state", "attempt"),  # of two who answer or let it expire, one is too late
    fixed=(
        "lead_id",
        "cycle",
        "rep_id",
        "policy_version",
        "definition_version",
        "assigned_at",
    ),
    decode={"state": State, "reason": RejectReason},
)
REPS = Aggregate(reps, Rep, fixed=("created_at",))
POLICIES = Aggregate(policies, Written)
DECISIONS = Aggregate(
    decisions,
    Explanation,
    decode={"candidates": lambda stored: tuple(Candidate(**one) for one in stored)},
)
CONTACTS = Aggregate(contacts, Contact, on_conflict="replace")


def _overdue(one: Assignment, given: Mapping[str, Any]) -> bool:
    return one.waits and one.due_at <= given["now"]


def _due(one: Lead, given: Mapping[str, Any]) -> bool:
    waits = one.unrouted_at is not None
    return waits and one.retry_at is not None and one.retry_at <= given["now"]


OVERDUE = Selection[Assignment](
    f"{WAITING_SQL} AND due_at <= :now",
    _overdue,
    order="due_at, assignment_id",
    sort=lambda one: (one.due_at, one.assignment_id),
    claim=True,
)
"""Attempts whose deadline has passed, the longest ago first."""
UNROUTED = Selection[Lead](
    "unrouted_at IS NOT NULL AND retry_at <= :now",
    _due,
    order="retry_at, lead_id",
    sort=lambda one: (one.retry_at, one.lead_id),
    claim=True,
)
"""Leads nobody has that are due for another look, the longest waiting first."""
