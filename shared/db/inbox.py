"""The reader's side of exactly-once effects: which events had their effect, and how far we read.

Both move in the transaction of the effect. The position moves by compare-and-set, so a *zombie*,
a member that lost its partition and does not know it, can't commit.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import and_, case, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.engine import insert
from shared.db.tables import consumer_offsets, inbox

BEGINNING = -1
Place = tuple[str, int]
"""Logical topic and partition."""


class LostPosition(Exception):
    """Somebody else moved a position since we read it: this partition is theirs now."""


async def fresh(conn: AsyncConnection, consumer: str, event_ids: Iterable[str]) -> set[str]:
    """Remember these events; returns those that were new."""
    rows = [{"consumer": consumer, "event_id": event_id} for event_id in dict.fromkeys(event_ids)]
    if not rows:
        return set()
    added = await conn.execute(
        insert(conn, inbox).on_conflict_do_nothing().returning(inbox.c.event_id), rows
    )
    return {row.event_id for row in added}


async def positions(
    conn: AsyncConnection, consumer: str, places: Sequence[Place]
) -> dict[Place, int]:
    """How far each partition was read; a new one gets a row, at the beginning of the log."""
    await conn.execute(
        insert(conn, consumer_offsets).on_conflict_do_nothing(),
        [
            {"consumer": consumer, "topic": topic, "partition": number, "position": BEGINNING}
            for topic, number in sorted(places)
        ],
    )
    rows = await conn.execute(
        select(consumer_offsets).where(consumer_offsets.c.consumer == consumer)
    )
    wanted = set(places)
    found: dict[Place, int] = {(r.topic, r.partition): r.position for r in rows}
    return {place: position for place, position in found.items() if place in wanted}


async def advance(
    conn: AsyncConnection, consumer: str, moves: Mapping[Place, tuple[int, int]]
) -> None:
    """Move positions from → to in one statement. Raises LostPosition unless every one was still
    where we left it."""
    c = consumer_offsets.c
    moved = await conn.execute(
        update(consumer_offsets)
        .where(c.consumer == consumer)
        .where(
            tuple_(c.topic, c.partition, c.position).in_(
                [(topic, number, old) for (topic, number), (old, _) in moves.items()]
            )
        )
        .values(
            position=case(
                *(
                    (and_(c.topic == topic, c.partition == number), new)
                    for (topic, number), (_, new) in moves.items()
                ),
                else_=c.position,
            )
        )
    )
    if moved.rowcount != len(moves):
        raise LostPosition(consumer)


async def prune(conn: AsyncConnection, before_id: str) -> None:
    """Forget events older than this UUIDv7. Older repeats than the topics keep can't come."""
    await conn.execute(delete(inbox).where(inbox.c.event_id < before_id))
