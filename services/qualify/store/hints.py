"""What recent leads have: the facts and activities that a definition could look at."""

from typing import Any, Final

from sqlalchemy import Connection, select

from services.qualify.store.tables import decisions

RECENT: Final = 200
"""Decisions that are looked at."""


def recent_names(conn: Connection) -> tuple[list[str], list[str]]:
    """The names of facts that the newest decisions had, and the kinds of activities, by name."""
    query = (
        select(decisions.c.facts, decisions.c.activities)
        .order_by(decisions.c.decided_at.desc(), decisions.c.decision_id.desc())
        .limit(RECENT)
    )
    facts: set[str] = set()
    kinds: set[str] = set()
    row: Any
    for row in conn.execute(query):
        facts.update(row.facts)
        kinds.update(row.activities)
    return sorted(facts), sorted(kinds)
