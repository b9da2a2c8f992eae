"""The rows that a transaction of routing works on."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.routing.domain.assignment import Assignment, Cause, State
from services.routing.domain.choice import Candidate
from services.routing.domain.explanation import Explanation
from services.routing.domain.lead import Contact, Lead, Note
from services.routing.domain.policy import PolicyStatus, Written
from services.routing.domain.reps import Hours, Leave, Rep, Status, Team
from services.routing.store.tables import (
    WAITING_SQL,
    assignments,
    contacts,
    decisions,
    leads,
    notes,
    policies,
    reps,
    teams,
)
from shared.contracts.vocabulary import RejectReason
from shared.db.aggregates import Aggregate, Selection


def _hours(stored: Mapping[str, Any]) -> Hours:
    return {day: [(start, end) for start, end in periods] for day, periods in stored.items()}


def _leave(stored: Sequence[Mapping[str, Any]]) -> tuple[Leave, ...]:
    return tuple(
        Leave(date.fromisoformat(one["first"]), date.fromisoformat(one["last"]), one["note"])
        for one in stored
    )


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
        "grade",
        "cause",
        "given_by",
    ),
    decode={"state": State, "reason": RejectReason, "cause": Cause},
)
REPS = Aggregate(
    reps,
    Rep,
    fixed=("created_at",),
    decode={
        "status": Status,
        "skills": tuple,
        "languages": tuple,
        "territories": tuple,
        "hours": _hours,
        "leave": _leave,
    },
)
TEAMS = Aggregate(teams, Team, fixed=("created_at",))
POLICIES = Aggregate(policies, Written, decode={"status": PolicyStatus})
NOTES = Aggregate(notes, Note)
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
