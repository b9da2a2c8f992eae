"""Which custom fields came lately, how often, and with what: read from the submissions themselves,
so that nobody's values are kept a second time and what is erased is gone from here, too."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from services.capture.domain.submission import STANDARD
from services.capture.store.tables import custom_fields, rereads, seen_fields, submissions

LATELY: Final = 5000
"""Newest submissions that are looked at."""
EXAMPLES: Final = 5
"""Most different values shown of a field, the newest."""
LONGEST: Final = 120
"""Most characters shown of a value."""


@dataclass(slots=True)
class CameUndeclared:
    """A custom field as it came lately. ``examples`` are personal data."""

    name: str
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    count: int = 0
    """In how many of the newest ``LATELY`` submissions it had a value."""
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CameLately:
    """``undeclared`` custom fields, the most frequent first, and values of a lead's own or declared
    fields that could not be read (``unread``)."""

    undeclared: list[CameUndeclared]
    unread: list[CameUndeclared]
    looked_at: int


def came_lately(conn: Connection) -> CameLately:
    """What came in the newest submissions under names that nobody declared."""
    c = submissions.c
    rows = conn.execute(
        select(c.received_at, c.contact, c.facts).order_by(c.submission_id.desc()).limit(LATELY)
    ).all()
    found = _count(rows)
    declared = dict(conn.execute(select(custom_fields.c.name, custom_fields.c.kind)).all())
    for name, first in conn.execute(select(seen_fields.c.name, seen_fields.c.first_seen_at)):
        if name not in declared and name not in STANDARD:
            found.setdefault(name, CameUndeclared(name)).first_seen_at = first
    ordered = sorted(found.values(), key=lambda one: (-one.count, one.name))
    undeclared = [one for one in ordered if one.name not in declared and one.name not in STANDARD]
    unread = [one for one in ordered if one.name in STANDARD or declared.get(one.name) == "fact"]
    return CameLately(undeclared, unread, len(rows))


def is_to_be_reread(conn: Connection) -> bool:
    """Whether declared fields wait to be read anew."""
    query = select(rereads.c.reread_id).where(rereads.c.finished_at.is_(None)).limit(1)
    return conn.execute(query).first() is not None


def being_reread(conn: Connection) -> set[str]:
    """Names of the fields that are being read anew."""
    found = conn.execute(select(rereads.c.names).where(rereads.c.finished_at.is_(None)))
    return {name for names in found.scalars() for name in names}


def _count(rows: Iterable[Any]) -> dict[str, CameUndeclared]:
    found: dict[str, CameUndeclared] = {}
    for received_at, contact, facts in rows:
        for name, value in contact.get("fields", {}).items():
            if name in facts or name in contact:
                continue
            one = found.setdefault(name, CameUndeclared(name))
            one.count += 1
            one.last_seen_at = one.last_seen_at or received_at
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
            if len(one.examples) < EXAMPLES and shown not in one.examples:
                one.examples.append(shown)
    return found
