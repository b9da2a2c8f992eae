"""The events of ``lead.feedback`` in the order of their commits, for readers with a cursor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from services.feedback.domain.event_filter import EVERYTHING, EventFilter
from shared.contracts.envelope import Event
from shared.db.statements import Statement, one_of

TOPIC = "lead.feedback"
LOOKED_AT: Final = 10_000
"""Most events that one look with a filter goes through: it takes some tens of milliseconds, and the
place it came to is where the next one begins."""

_ADVANCE = Statement("UPDATE log_head SET seq = seq + :count WHERE id = 1 RETURNING seq")
_INSERT = Statement(
    lambda dialect: (
        "INSERT INTO feedback_log (seq, type, event) VALUES (:seq, :type, :event)"
        if dialect == "sqlite"
        else "INSERT INTO feedback_log (seq, type, event) "
        "SELECT (value->>0)::bigint, value->>1, value->>2 "
        "FROM jsonb_array_elements(CAST(:rows AS jsonb))"
    )
)
_HEAD = Statement("SELECT seq FROM log_head WHERE id = 1")
_REACHED = Statement(
    "SELECT max(seq) FROM (SELECT seq FROM feedback_log WHERE seq > :place "
    "ORDER BY seq LIMIT :most) AS next"
)
_NEXT = Statement(
    "SELECT seq, type, event FROM feedback_log WHERE seq > :place ORDER BY seq LIMIT :limit"
)


def _matching(dialect: str) -> str:
    """SQL for the events behind a place that a filter lets through. A member that is not asked for
    costs nothing: the event is read only where it has to be."""

    def member(name: str) -> str:
        if dialect == "sqlite":
            return f"json_extract(event, '$.{name}')"
        return f"(CAST(event AS jsonb) #>> '{{{name.replace('.', ',')}}}')"

    members = {
        "types": "type",
        "sources": member("data.source"),
        "campaigns": member("data.campaign"),
        "reasons": member("data.reason"),
        "leads": member("subject"),
    }
    conditions = " AND ".join(
        f"(:{name} = '[]' OR {one_of(member, name, dialect)})" for name, member in members.items()
    )
    return (
        "SELECT seq, type, event FROM feedback_log "  # noqa: S608
        f"WHERE seq > :place AND seq <= :reached AND {conditions} ORDER BY seq LIMIT :limit"
    )


_MATCHING = Statement(_matching)


@dataclass(frozen=True, slots=True)
class Logged:
    """One event: its number in the log, and itself as CloudEvents JSON."""

    seq: int
    type: str
    event: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a filter let through of a stretch of the log, and the number at which the stretch ends;
    None: there is nothing behind the place it was asked for."""

    events: Sequence[Logged]
    reached: int | None


def add(conn: Connection, events: Sequence[Event[Any]]) -> int:
    """Give those of the topic the next numbers; returns how many they are.

    The head row is a queue: whoever has moved it holds it until the commit, so numbers become
    visible in their order, and it must be the last lock that a transaction takes.
    """
    told = [event for event in events if event.data.topic == TOPIC]
    if not told:
        return 0
    first = _ADVANCE.run(conn, count=len(told)).scalar_one() - len(told) + 1
    rows = [
        (seq, event.type, orjson.dumps(event.json()).decode())
        for seq, event in enumerate(told, first)
    ]
    if conn.dialect.name == "sqlite":
        _INSERT.run_rows(conn, rows)
    else:
        _INSERT.run(conn, rows=rows)
    return len(told)


def head(conn: Connection) -> int:
    """The number of the newest event; 0 before the first."""
    newest: int = _HEAD.run(conn).scalar_one()
    return newest


def after(conn: Connection, place: int, limit: int, wanted: EventFilter = EVERYTHING) -> Stretch:
    """The next events behind a place that a filter lets through, in order."""
    if not wanted.narrows:
        events = [Logged(*row) for row in _NEXT.run(conn, place=place, limit=limit)]
        return Stretch(events, events[-1].seq if events else None)
    # First how far to look, so that both look at the same stretch while more is being written.
    reached = _REACHED.run(conn, place=place, most=LOOKED_AT).scalar()
    if reached is None:
        return Stretch([], None)
    found = _MATCHING.run(
        conn,
        place=place,
        reached=reached,
        limit=limit,
        types=list(wanted.types),
        sources=list(wanted.sources),
        campaigns=list(wanted.campaigns),
        reasons=list(wanted.reasons),
        leads=[wanted.lead_id] if wanted.lead_id is not None else [],
    )
    events = [Logged(*row) for row in found]
    return Stretch(events, events[-1].seq if len(events) == limit else reached)


def place_before(conn: Connection, moment: datetime) -> int:
    """The place behind which the events of this time and later are: found by halving, for times
    rise with the numbers, but for the moments that transactions take."""
    low, high = 0, head(conn)
    while low < high:
        middle = (low + high) // 2
        row = next(iter(_NEXT.run(conn, place=middle, limit=1)), None)
        if row is None or datetime.fromisoformat(orjson.loads(row.event)["time"]) >= moment:
            high = middle
        else:
            low = row.seq
    return low
