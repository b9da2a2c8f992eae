"""What the API and the pages read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.qualify.domain.decision import Decision
from services.qualify.domain.lifecycle import Lead
from services.qualify.ports import Version
from services.qualify.store.rows import decision_of_row, lead_of, version_of
from services.qualify.store.tables import decisions, definitions, leads


@dataclass(frozen=True, slots=True)
class LeadHistory:
    """A lead and its newest decisions, newest first."""

    lead: Lead
    decisions: Sequence[Decision]


async def list_versions(
    conn: AsyncConnection, before: int | None, limit: int, status: str | None = None
) -> list[Version]:
    """Versions below ``before``, newest first."""
    query = select(definitions).order_by(definitions.c.version.desc()).limit(limit)
    if before is not None:
        query = query.where(definitions.c.version < before)
    if status is not None:
        query = query.where(definitions.c.status == status)
    return [version_of(row) for row in await conn.execute(query)]


async def find_version(conn: AsyncConnection, version: int | None) -> Version | None:
    """One version; None asks for the published one."""
    where: Any = definitions.c.status == "published"
    if version is not None:
        where = definitions.c.version == version
    row = (await conn.execute(select(definitions).where(where))).first()
    return version_of(row) if row else None


async def lead_history(conn: AsyncConnection, lead_id: str, limit: int) -> LeadHistory | None:
    """What is known of a lead, and how it was decided."""
    if "\0" in lead_id:
        return None  # PostgreSQL would refuse the question
    row = (await conn.execute(select(leads).where(leads.c.lead_id == lead_id))).first()
    if row is None:
        return None
    made = await conn.execute(
        select(decisions)
        .where(decisions.c.lead_id == lead_id)
        .order_by(decisions.c.decision_id.desc())
        .limit(limit)
    )
    return LeadHistory(lead_of(row), [decision_of_row(one) for one in made])
