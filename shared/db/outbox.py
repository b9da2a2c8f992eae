"""The outbox: events are written in the transaction that decided them and leave it once published.

Rows are claimed by being there, never by a remembered sequence number: sequences are given out
before commit, so a higher one may become visible first and a lower one would be walked past.
Per key the order holds because transactions on one lead wait for each other's row locks and write
their events last.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.envelope import Event
from shared.contracts.events import EventData
from shared.db.bulk import BulkInsert, stamp
from shared.db.engine import database_now, insert
from shared.db.tables import outbox, relay_lease

RELAY = "relay"
_INSERT = BulkInsert(outbox, ("event_id", "topic", "key", "headers", "value", "created_at"))

_REMOVE = {
    "sqlite": text("DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(:seqs))"),
    "postgresql": text(
        "DELETE FROM outbox WHERE seq IN "
        "(SELECT value::bigint FROM jsonb_array_elements_text(CAST(:seqs AS jsonb)))"
    ),
}


class Pending(NamedTuple):
    """An outbox row that waits for the bus."""

    seq: int
    topic: str
    key: str
    headers: dict[str, str]
    value: bytes | None


async def add(
    conn: AsyncConnection, service: str, events: Sequence[Event[Any]], now: datetime
) -> None:
    """Write events behind the effects of the same transaction, in order."""
    if events:
        created_at = stamp(conn, now)
        await _INSERT.run(conn, [_row(service, event, created_at) for event in events])


async def take(conn: AsyncConnection, limit: int) -> list[Pending]:
    """The oldest rows, in order. They stay until ``remove``."""
    rows = await conn.execute(
        select(outbox.c.seq, outbox.c.topic, outbox.c.key, outbox.c.headers, outbox.c.value)
        .order_by(outbox.c.seq)
        .limit(limit)
    )
    return [Pending(r.seq, r.topic, r.key, orjson.loads(r.headers), r.value) for r in rows]


async def remove(conn: AsyncConnection, seqs: Sequence[int]) -> None:
    """Forget rows that the broker has confirmed."""
    # As one value: a thousand bound parameters cost more to prepare than the rows to delete.
    await conn.execute(_REMOVE[conn.dialect.name], {"seqs": orjson.dumps(list(seqs)).decode()})


async def backlog(conn: AsyncConnection) -> int:
    """How many events wait for the bus."""
    return (await conn.execute(select(func.count()).select_from(outbox))).scalar_one()


async def lease(conn: AsyncConnection, owner: str, seconds: float) -> bool:
    """Take or extend the right to publish this outbox; False while another relay has it.

    A lease that would last far longer than any does was taken before the clock was set back: it
    counts as lapsed, or nothing would be published until the clock is there again.
    """
    now = await database_now(conn)
    never = now + 10 * timedelta(seconds=seconds)
    values = {"owner": owner, "expires_at": now + timedelta(seconds=seconds)}
    extended = await conn.execute(
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
    first = await conn.execute(
        insert(conn, relay_lease)
        .values(name=RELAY, **values)
        .on_conflict_do_nothing()
        .returning(relay_lease.c.name)
    )
    return first.first() is not None


async def release(conn: AsyncConnection, owner: str) -> None:
    """Give the lease back, so that another relay need not wait for its end."""
    await conn.execute(delete(relay_lease).where(relay_lease.c.owner == owner))


def _row(service: str, event: Event[EventData], created_at: Any) -> tuple[Any, ...]:
    return (
        event.id,
        event.data.topic.replace("{service}", service),
        event.data.key(),
        orjson.dumps(event.headers()).decode(),
        event.value(),
        created_at,
    )
