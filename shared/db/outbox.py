"""The outbox: events are written in the transaction that decided them.

Embedded it is the log itself: readers of the same process follow it by ``seq``, which one writer
gives out in the order of its commits. With a broker it is a queue: rows are claimed by being there,
never by a remembered number, for PostgreSQL gives numbers out before commit, so a higher one may
become visible first and a lower one would be walked past. Per key the order holds because
transactions on one lead wait for each other's locks and write their events last.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, inspect, or_, select, update

from shared.contracts.envelope import Event, headers_of
from shared.contracts.topics import TOPICS
from shared.db.database import database_now, insert
from shared.db.dead_letters import DeadLetter
from shared.db.statements import Statement, recordset
from shared.db.tables import outbox, relay_lease
from shared.db.types import stored_time

RELAY = "relay"
_COLUMNS = (
    *("topic", "key", "event_id", "event_type", "event_time", "traceparent", "value"),
    *("compacted", "created_at"),
)
_NAMES = ", ".join(_COLUMNS)
_TYPED = [(name, outbox.c[name].type) for name in _COLUMNS]


class Row(NamedTuple):
    """An event in the outbox. ``seq`` is its place."""

    seq: int
    topic: str
    key: str
    event_id: str
    event_type: str
    event_time: str
    traceparent: str
    value: str | None

    def headers(self, service: str) -> dict[str, str]:
        """The event's headers, as ``service`` publishes them."""
        return headers_of(
            self.event_id, self.event_type, service, self.event_time, self.key, self.traceparent
        )

    def bytes(self) -> bytes | None:
        """The event's data."""
        return self.value.encode() if self.value is not None else None


_LAST = Statement("SELECT coalesce(max(seq), 0) FROM outbox")
_INSERT = Statement(
    lambda dialect: (
        f"INSERT INTO outbox (seq, {_NAMES}) VALUES "  # noqa: S608
        f"(:seq, {', '.join(f':{name}' for name in _COLUMNS)})"
        if dialect == "sqlite"
        else f"INSERT INTO outbox ({_NAMES}) SELECT {', '.join(f'r.{n}' for n in _COLUMNS)} "  # noqa: S608
        f"FROM {recordset([*_TYPED, ('n', outbox.c.seq.type)])} ORDER BY r.n"
    )
)
_FIELDS = ", ".join(Row._fields)
_TAKE = Statement(f"SELECT {_FIELDS} FROM outbox ORDER BY seq LIMIT :limit")  # noqa: S608
_READ = Statement(
    f"SELECT {_FIELDS} FROM outbox "  # noqa: S608
    "WHERE topic = :topic AND seq >= :start ORDER BY seq LIMIT :limit"
)
_REMOVE = Statement(
    lambda dialect: (
        "DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs))"
        if dialect == "sqlite"
        else "DELETE FROM outbox WHERE seq = ANY (ARRAY("
        "SELECT value::bigint FROM jsonb_array_elements_text(CAST(:seqs AS jsonb))))"
    )
)


def add(conn: Connection, service: str, events: Sequence[Event[Any]], now: datetime) -> list[Row]:
    """Write events behind the effects of the same transaction, in order. Returns them with their
    places where this process gives these out (SQLite)."""
    if not events:
        return []
    if conn.dialect.name != "sqlite":
        _INSERT.run(
            conn,
            rows=[
                {
                    **row._asdict(),
                    "compacted": TOPICS[row.topic].compacted,
                    "created_at": now,
                    "n": row.seq,
                }
                for row in (_row(n, service, event) for n, event in enumerate(events))
            ],
        )
        return []
    last = _LAST.run(conn).scalar_one()
    placed = [_row(seq, service, event) for seq, event in enumerate(events, last + 1)]
    created_at = stored_time(now)
    _INSERT.run_rows(conn, [(*row, int(TOPICS[row.topic].compacted), created_at) for row in placed])
    return placed


def take(conn: Connection, limit: int) -> list[Row]:
    """The oldest rows, in order. They stay until ``remove``."""
    return [Row._make(row) for row in _TAKE.run(conn, limit=limit)]


def read(conn: Connection, topic: str, start: int, limit: int) -> list[Row]:
    """Rows of a topic from a place on, in order."""
    return [Row._make(row) for row in _READ.run(conn, topic=topic, start=start, limit=limit)]


def last_place(conn: Connection) -> int:
    """The place of the newest row; 0 while there was none."""
    if not inspect(conn).has_table("outbox"):
        return 0  # a service that has never run here
    return int(_LAST.run(conn).scalar_one())


def remove(conn: Connection, seqs: Sequence[int]) -> None:
    """Forget rows that the broker has confirmed."""
    _REMOVE.run(conn, seqs=list(seqs))


def put_back(conn: Connection, letters: Sequence[DeadLetter]) -> None:
    """Queue events again, in order, that the broker would not take before. What waits in the outbox
    of their keys goes behind them."""
    if not letters:
        return
    places = {(letter.topic, letter.headers["ce_subject"]) for letter in letters}
    ours = or_(*(and_(outbox.c.topic == t, outbox.c.key == k) for t, k in places))
    waiting = conn.execute(select(outbox).where(ours).order_by(outbox.c.seq)).mappings().all()
    conn.execute(delete(outbox).where(ours))
    now = database_now(conn)
    rows = [
        {
            "topic": letter.topic,
            "key": letter.headers["ce_subject"],
            "event_id": letter.headers["ce_id"],
            "event_type": letter.headers["ce_type"],
            "event_time": letter.headers["ce_time"],
            "traceparent": letter.headers["traceparent"],
            "value": letter.value.decode() if letter.value is not None else None,
            "compacted": TOPICS[letter.topic].compacted,
            "created_at": now,
        }
        for letter in letters
    ] + [{name: value for name, value in row.items() if name != "seq"} for row in waiting]
    for row in rows:
        conn.execute(outbox.insert(), row)


def lease(conn: Connection, owner: str, seconds: float) -> bool:
    """Take or extend the right to publish this outbox; False while another relay has it.

    A lease that would last far longer than any does was taken before the clock was set back: it
    counts as lapsed, or nothing would be published until the clock is there again.
    """
    now = database_now(conn)
    never = now + 10 * timedelta(seconds=seconds)
    values = {"owner": owner, "expires_at": now + timedelta(seconds=seconds)}
    extended = conn.execute(
        update(relay_lease)
        .where(relay_lease.c.name == RELAY)
        .where(
            or_(
                relay_lease.c.owner == owner,
                relay_lease.c.expires_at < now,
                relay_lease.c.expires_at > never,
            )
        )
        .values(values)
    )
    if extended.rowcount:
        return True
    first = conn.execute(
        insert(conn, relay_lease)
        .values(name=RELAY, **values)
        .on_conflict_do_nothing()
        .returning(relay_lease.c.name)
    )
    return first.first() is not None


def release(conn: Connection, owner: str) -> None:
    """Give the lease back, so that another relay need not wait for its end."""
    conn.execute(delete(relay_lease).where(relay_lease.c.owner == owner))


def _row(seq: int, service: str, event: Event[Any]) -> Row:
    data = event.data
    return Row(
        seq,
        data.topic if "{" not in data.topic else data.topic.replace("{service}", service),
        data.key(),
        event.id,
        event.type,
        event.stamp(),
        event.traceparent,
        event.value().decode(),
    )
