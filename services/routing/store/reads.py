"""What the API and the pages read: never a lock, never a write."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.routing.domain.assignment import Assignment
from services.routing.domain.policy import STARTER
from services.routing.domain.reps import Rep
from services.routing.store.rows import assignment_of, rep_of
from services.routing.store.tables import (
    IS_WAITING,
    assignments,
    contacts,
    decisions,
    leads,
    policies,
    reps,
)
from shared.db.engine import database_now


@dataclass(frozen=True, slots=True)
class Load:
    """A rep with what they have on their plate."""

    rep: Rep
    waiting: int
    assigned: int


@dataclass(frozen=True, slots=True)
class Card:
    """An assignment with all a rep wants to know about its lead."""

    assignment: Assignment
    lead: Any
    contact: dict[str, Any]
    decision: Any


async def list_reps(
    conn: AsyncConnection, *, only: str | None = None, after: str = "", limit: int = 100
) -> list[Rep]:
    """Reps by id."""
    query = select(reps).where(reps.c.rep_id > after).order_by(reps.c.rep_id).limit(limit)
    if only is not None:
        query = query.where(reps.c.rep_id == only)
    return [rep_of(row) for row in await conn.execute(query)]


async def loads(conn: AsyncConnection) -> list[Load]:
    """Everybody, with their counts."""
    query = (
        select(assignments.c.rep_id, func.count().label("waiting"))
        .where(IS_WAITING)
        .group_by(assignments.c.rep_id)
    )
    waiting = {row.rep_id: row.waiting for row in await conn.execute(query)}
    rows = await conn.execute(select(reps).order_by(reps.c.rep_id))
    return [Load(rep_of(row), waiting.get(row.rep_id, 0), row.assigned) for row in rows]


async def policy(conn: AsyncConnection) -> dict[str, Any]:
    """The newest policy as a document; version 0 is the built-in one."""
    query = select(policies).order_by(policies.c.version.desc()).limit(1)
    row = (await conn.execute(query)).first()
    if row is None:
        return {"version": 0, **STARTER}
    return {"version": row.version, **row.document}


async def list_assignments(
    conn: AsyncConnection,
    *,
    rep_id: str | None = None,
    states: Collection[str] = (),
    lead_id: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Assignment]:
    """Assignments, newest first."""
    query = select(assignments).order_by(assignments.c.assignment_id.desc()).limit(limit)
    if rep_id is not None:
        query = query.where(assignments.c.rep_id == rep_id)
    if states:
        query = query.where(assignments.c.state.in_(list(states)))
    if lead_id is not None:
        query = query.where(assignments.c.lead_id == lead_id)
    if before is not None:
        query = query.where(assignments.c.assignment_id < before)
    return [assignment_of(row) for row in await conn.execute(query)]


async def assignment(conn: AsyncConnection, assignment_id: str) -> tuple[Assignment, Any] | None:
    """One assignment, and its row with the note."""
    query = select(assignments).where(assignments.c.assignment_id == assignment_id)
    row = (await conn.execute(query)).first()
    return (assignment_of(row), row) if row is not None else None


async def contact(conn: AsyncConnection, lead_id: str) -> dict[str, Any] | None:
    """Who a lead is."""
    query = select(contacts.c.contact).where(contacts.c.lead_id == lead_id)
    return (await conn.execute(query)).scalar_one_or_none()


async def lead_decisions(conn: AsyncConnection, lead_id: str, limit: int = 100) -> Sequence[Any]:
    """Every decision about a lead, newest first."""
    query = (
        select(decisions)
        .where(decisions.c.lead_id == lead_id)
        .order_by(decisions.c.decision_id.desc())
        .limit(limit)
    )
    return (await conn.execute(query)).all()


async def owner_of(conn: AsyncConnection, lead_id: str) -> str | None:
    """The rep who has a lead now."""
    query = select(assignments.c.rep_id).where(
        assignments.c.lead_id == lead_id, assignments.c.closed_at.is_(None)
    )
    return (await conn.execute(query)).scalar_one_or_none()


async def cards(
    conn: AsyncConnection, rep_id: str, limit: int = 100
) -> tuple[list[Card], list[Card], datetime]:
    """A rep's inbox: what waits for an answer, most urgent first; what they work on, newest
    first; and the database's time."""
    mine = select(assignments).where(
        assignments.c.rep_id == rep_id, assignments.c.closed_at.is_(None)
    )
    waiting = mine.where(IS_WAITING).order_by(assignments.c.due_at)
    working = mine.where(assignments.c.state == "ACCEPTED").order_by(
        assignments.c.answered_at.desc()
    )
    return (
        await _cards(conn, waiting.limit(limit)),
        await _cards(conn, working.limit(limit)),
        await database_now(conn),
    )


async def any_overdue(conn: AsyncConnection) -> bool:
    """Whether a deadline has passed."""
    now = await database_now(conn)
    query = select(assignments.c.assignment_id).where(IS_WAITING, assignments.c.due_at <= now)
    return (await conn.execute(query.limit(1))).first() is not None


async def unrouted(conn: AsyncConnection) -> tuple[int, bool]:
    """How many leads nobody has, and whether one of them is due for another look."""
    nobody = leads.c.unrouted_at.is_not(None)
    query = select(func.count(), func.min(leads.c.retry_at)).where(nobody)
    count, first = (await conn.execute(query)).one()
    return count, first is not None and first <= await database_now(conn)


async def anybody_has_room(conn: AsyncConnection) -> bool:
    """Whether some rep could take one more lead."""
    return any(load.rep.shares and load.waiting < load.rep.capacity for load in await loads(conn))


async def _cards(conn: AsyncConnection, query: Select[Any]) -> list[Card]:
    found = [assignment_of(row) for row in await conn.execute(query)]
    lead_ids = [a.lead_id for a in found]
    if not lead_ids:
        return []
    rows = await conn.execute(select(leads).where(leads.c.lead_id.in_(lead_ids)))
    by_lead = {row.lead_id: row for row in rows}
    rows = await conn.execute(select(contacts).where(contacts.c.lead_id.in_(lead_ids)))
    people = {row.lead_id: row.contact for row in rows}
    rows = await conn.execute(select(decisions).where(decisions.c.lead_id.in_(lead_ids)))
    why = {(row.lead_id, row.cycle, row.attempt, row.rep_id): row for row in rows}
    return [
        Card(
            a,
            by_lead.get(a.lead_id),
            people.get(a.lead_id, {}),
            why.get((a.lead_id, a.cycle, a.attempt, a.rep_id)),
        )
        for a in found
    ]
