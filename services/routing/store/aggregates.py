"""The rows that a transaction of routing works on."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.routing.domain.accounts import Account, Domain
from services.routing.domain.assignment import Assignment, Cause, State
from services.routing.domain.channels import Channel, Medium, Tells, When
from services.routing.domain.choice import Candidate
from services.routing.domain.explanation import Explanation
from services.routing.domain.lead import Contact, Lead, Note
from services.routing.domain.notices import Notice, NoticeState
from services.routing.domain.policy import PolicyStatus, Written
from services.routing.domain.pool_record import PoolRecord
from services.routing.domain.reps import Hours, Leave, Rep, Status, Team
from services.routing.store.tables import (
    OPEN_SQL,
    UNWARNED_SQL,
    WAITING_SQL,
    account_domains,
    accounts,
    assignments,
    contacts,
    decisions,
    leads,
    notes,
    notices,
    policies,
    pools,
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


def _channels(stored: Sequence[Mapping[str, Any]]) -> tuple[Channel, ...]:
    return tuple(
        Channel(
            **{
                **one,
                "medium": Medium(one["medium"]),
                "tells": tuple(map(Tells, one["tells"])),
                "when": When(one["when"]),
            }
        )
        for one in stored
    )


LEADS = Aggregate(
    leads,
    Lead,
    loaded_by="lead_id",
    fence=("cycle", "attempt"),  # of two who give it to somebody, one is too late
)
ASSIGNMENTS = Aggregate(
    assignments,
    Assignment,
    loaded_by="lead_id",
    # Of two who answer or let it expire, one is too late; of two who end it, too.
    fence=("state", "attempt", "closed_at"),
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
    alike=("skills", "languages", "territories", "hours", "leave"),
    decode={
        "status": Status,
        "skills": tuple,
        "languages": tuple,
        "territories": tuple,
        "hours": _hours,
        "leave": _leave,
        "channels": _channels,
    },
)
TEAMS = Aggregate(teams, Team, fixed=("created_at",))
ACCOUNTS = Aggregate(accounts, Account, fixed=("created_at",))
DOMAINS = Aggregate(account_domains, Domain)
POLICIES = Aggregate(policies, Written, decode={"status": PolicyStatus})
NOTES = Aggregate(notes, Note)
DECISIONS = Aggregate(
    decisions,
    Explanation,
    decode={"candidates": lambda stored: tuple(Candidate(**one) for one in stored)},
)
NOTICES = Aggregate(
    notices,
    Notice,
    fixed=("rep_id", "medium", "tells", "destination", "created_at", "due_at", "lead_id"),
    on_conflict="ignore",  # a digest is one a day, however often there is something for it
    decode={"medium": Medium, "tells": Tells, "state": NoticeState},
)
POOLS = Aggregate(pools, PoolRecord)
CONTACTS = Aggregate(contacts, Contact, on_conflict="replace")


def _overdue(one: Assignment, given: Mapping[str, Any]) -> bool:
    return one.waits and one.due_at <= given["now"]


def _near(one: Assignment, given: Mapping[str, Any]) -> bool:
    unwarned = one.waits and one.warned_at is None and one.warn_at is not None
    return unwarned and one.warn_at <= given["now"] < one.due_at


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
TO_WARN = Selection[Assignment](
    f"{UNWARNED_SQL} AND warn_at <= :now AND due_at > :now",
    _near,
    order="warn_at, assignment_id",
    sort=lambda one: (one.warn_at, one.assignment_id),
    claim=True,
)
"""Attempts whose deadline is near and whose rep has not been told so."""
UNROUTED = Selection[Lead](
    "unrouted_at IS NOT NULL AND retry_at <= :now",
    _due,
    order="coalesce(grade, '~'), qualified_at, lead_id",
    sort=lambda one: (one.grade or "~", one.qualified_at, one.lead_id),
    claim=True,
)
"""Leads nobody has that are due for another look: the best grade first, then the oldest."""
WAITING_OF = Selection[Assignment](
    f"{WAITING_SQL} AND rep_id = :rep_id",
    lambda one, given: one.waits and one.rep_id == given["rep_id"],
    order="due_at, assignment_id",
    sort=lambda one: (one.due_at, one.assignment_id),
)
"""What waits for a rep's answer, the most urgent first."""
OPEN_OF = Selection[Assignment](
    f"{OPEN_SQL} AND rep_id = :rep_id",
    lambda one, given: one.closed_at is None and one.rep_id == given["rep_id"],
    order="assignment_id",
    sort=lambda one: one.assignment_id,
)
"""All that is a rep's now."""
