"""What the API and the pages read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from services.qualify.domain.decision import Decision
from services.qualify.domain.lifecycle import Lead
from services.qualify.domain.rescoring import Rescore
from services.qualify.domain.versions import Version
from services.qualify.store.aggregates import DECISIONS, DEFINITIONS, LEADS, RESCORES
from services.qualify.store.tables import decisions, definitions, leads, rescores

Place = tuple[datetime, str]
"""Where a reader of decisions is: the moment and the id of the last one."""


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


def decisions_between(
    conn: Connection,
    since: datetime | None,
    until: datetime | None,
    after: Place | None,
    limit: int,
) -> list[Decision]:
    """Decisions of a window (``since`` in it, ``until`` not) behind a place, oldest first."""
    order = (decisions.c.decided_at, decisions.c.decision_id)
    query = DECISIONS.query().where(*_window(since, until))
    if after is not None:
        moment, decision_id = after
        query = query.where(
            decisions.c.decided_at >= moment,
            (decisions.c.decided_at > moment) | (decisions.c.decision_id > decision_id),
        )
    return DECISIONS.items(conn.execute(query.order_by(*order).limit(limit)))


def count_decisions(conn: Connection, since: datetime | None, until: datetime | None) -> int:
    """How many decisions a window has."""
    counted = select(func.count()).select_from(decisions).where(*_window(since, until))
    return int(conn.execute(counted).scalar_one())


def _window(since: datetime | None, until: datetime | None) -> list[Any]:
    found: list[Any] = []
    if since is not None:
        found.append(decisions.c.decided_at >= since)
    if until is not None:
        found.append(decisions.c.decided_at < until)
    return found


def list_rescores(conn: Connection, before: str | None, limit: int) -> list[Rescore]:
    """Runs of re-scoring below the id ``before``, newest first."""
    query = RESCORES.query().order_by(rescores.c.rescore_id.desc()).limit(limit)
    if before is not None:
        query = query.where(rescores.c.rescore_id < before.replace("\0", ""))
    return RESCORES.items(conn.execute(query))


def find_rescore(conn: Connection, rescore_id: str) -> Rescore | None:
    """One run."""
    if "\0" in rescore_id:
        return None
    query = RESCORES.query().where(rescores.c.rescore_id == rescore_id)
    return next(iter(RESCORES.items(conn.execute(query))), None)
