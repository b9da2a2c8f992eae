"""How pages call leads and facts: by what was known when they were decided on."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, select

from services.feedback.store.tables import attempts, mqls, samples

LOOKED_AT: Final = 300
"""The newest leads whose facts are listed."""


@dataclass(frozen=True, slots=True)
class Told:
    """A lead by company and title, and what sales said of it last: ``answer`` is accepted, rejected
    or None, ``reason`` why it was rejected."""

    lead_id: str
    company: str | None
    job_title: str | None
    answer: str | None
    reason: str | None


def leads_told(conn: Connection, lead_ids: Collection[str]) -> dict[str, Told]:
    """These leads, as far as they are known, each as it was last."""
    last_answer = and_(
        attempts.c.lead_id == samples.c.lead_id,
        attempts.c.cycle == samples.c.cycle,
        attempts.c.answer.is_not(None),
    )
    query = (
        select(samples.c.lead_id, samples.c.facts, mqls.c.answer, attempts.c.reason)
        .outerjoin(mqls, and_(mqls.c.lead_id == samples.c.lead_id, mqls.c.cycle == samples.c.cycle))
        .outerjoin(attempts, last_answer)
        .where(samples.c.lead_id.in_(lead_ids))
        .order_by(samples.c.cycle, attempts.c.attempt)
    )
    return {
        row.lead_id: Told(
            row.lead_id,
            _text(row.facts.get("company") or row.facts.get("company_domain")),
            _text(row.facts.get("job_title")),
            row.answer,
            row.reason if row.answer == "rejected" else None,
        )
        for row in conn.execute(query)
    }


def facts_seen(conn: Connection) -> list[str]:
    """The facts, attribution and activities of the newest leads, the most frequent first."""
    query = (
        select(samples.c.facts, samples.c.attribution, samples.c.activities)
        .order_by(samples.c.decided_at.desc())
        .limit(LOOKED_AT)
    )
    found: Counter[str] = Counter()
    for row in conn.execute(query):
        for given in (row.facts, row.attribution):
            found.update(name for name, value in given.items() if value not in (None, "", []))
        found.update(f"activity.{kind}" for kind in row.activities)
    return sorted(found, key=lambda name: (-found[name], name))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
