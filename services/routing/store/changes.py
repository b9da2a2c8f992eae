"""What changed for some reps lately, whichever process changed it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.routing.domain.assignment import Assignment
from services.routing.store.rows import assignment_of
from services.routing.store.tables import assignments, contacts


@dataclass(frozen=True, slots=True)
class Change:
    """One assignment that changed, or whose lead's contact data did."""

    kind: str
    """``assignment`` or ``contact``."""
    assignment: Assignment
    at: datetime

    @property
    def identity(self) -> tuple[str, str, str, datetime]:
        """Equal for the same change seen twice."""
        return (self.kind, self.assignment.assignment_id, self.assignment.state, self.at)


async def since(conn: AsyncConnection, rep_ids: Collection[str], start: datetime) -> list[Change]:
    """Changes after ``start``, oldest first."""
    mine = assignments.c.rep_id.in_(list(rep_ids))
    rows: Any = await conn.execute(
        select(assignments)
        .where(mine, assignments.c.updated_at > start)
        .order_by(assignments.c.updated_at)
    )
    found = [Change("assignment", assignment_of(row), row.updated_at) for row in rows]
    rows = await conn.execute(
        select(assignments, contacts.c.updated_at.label("contact_at"))
        .join(contacts, contacts.c.lead_id == assignments.c.lead_id)
        .where(mine, assignments.c.closed_at.is_(None), contacts.c.updated_at > start)
    )
    return found + [Change("contact", assignment_of(row), row.contact_at) for row in rows]
