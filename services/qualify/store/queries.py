"""What the API and the pages read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from services.qualify.domain.decision import Decision
from services.qualify.domain.lifecycle import Lead
from services.qualify.domain.versions import Version
from services.qualify.store.aggregates import DECISIONS, DEFINITIONS, LEADS
from services.qualify.store.tables import decisions, definitions, leads


@dataclass(frozen=True, slots=True)
class LeadHistory:
    """A lead and its newest decisions, newest first."""

    lead: Lead
    decisions: Sequence[Decision]


def list_versions(
    conn: Connection, before: int | None, limit: int, status: str | None = None
) -> list[Version]:
    """Versions below ``before``, newest first."""
    query = DEFINITIONS.query().order_by(definitions.c.version.desc()).limit(limit)
    if before is not None:
        query = query.where(definitions.c.version < before)
    if status is not None:
        query = query.where(definitions.c.status == status)
    return DEFINITIONS.items(conn.execute(query))


def find_version(conn: Connection, version: int | None) -> Version | None:
    """One version; None asks for the published one."""
    where: Any = definitions.c.status == "published"
    if version is not None:
        where = definitions.c.version == version
    return next(iter(DEFINITIONS.items(conn.execute(DEFINITIONS.query().where(where)))), None)


def lead_history(conn: Connection, lead_id: str, limit: int) -> LeadHistory | None:
    """What is known of a lead, and how it was decided."""
    if "\0" in lead_id:
        return None  # PostgreSQL would refuse the question
    found = LEADS.items(conn.execute(LEADS.query().where(leads.c.lead_id == lead_id)))
    if not found:
        return None
    made = conn.execute(
        DECISIONS.query()
        .where(decisions.c.lead_id == lead_id)
        .order_by(decisions.c.decision_id.desc())
        .limit(limit)
    )
    return LeadHistory(found[0], DECISIONS.items(made))
