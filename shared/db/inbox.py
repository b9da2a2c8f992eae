"""The reader's side of exactly-once effects: which events had their effect, and how far we read.

Both move in the transaction of the effect. The position moves by compare-and-set, so a *zombie*,
a member that lost its partition and does not know it, can't commit.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from shared.db.statements import Statement

BEGINNING = -1
Place = tuple[str, int]
"""Logical topic and partition."""

_REMEMBER = Statement(
    lambda dialect: (
        "INSERT INTO inbox (consumer, event_id) SELECT :consumer, value FROM json_each(:ids) "
        "WHERE true ON CONFLICT DO NOTHING RETURNING event_id"
        if dialect == "sqlite"
        else "INSERT INTO inbox (consumer, event_id) "
        "SELECT :consumer, value FROM jsonb_array_elements_text(CAST(:ids AS jsonb)) "
        "ON CONFLICT DO NOTHING RETURNING event_id"
    )
)
_BEGIN = Statement(
    lambda dialect: (
        "INSERT INTO consumer_offsets (consumer, topic, partition, position) "
        "SELECT :consumer, value->>0, value->>1, -1 FROM json_each(:places) "
        "WHERE true ON CONFLICT DO NOTHING"
        if dialect == "sqlite"
        else "INSERT INTO consumer_offsets (consumer, topic, partition, position) "
        "SELECT :consumer, value->>0, (value->>1)::integer, -1 "
        "FROM jsonb_array_elements(CAST(:places AS jsonb)) ON CONFLICT DO NOTHING"
    )
)
_POSITIONS = Statement(
    "SELECT topic, partition, position FROM consumer_offsets WHERE consumer = :consumer"
)
_ADVANCE = Statement(
    lambda dialect: (
        "UPDATE consumer_offsets SET position = value->>3 FROM json_each(:moves) "
        "WHERE consumer = :consumer AND topic = value->>0 AND partition = value->>1 "
        "AND position = value->>2"
        if dialect == "sqlite"
        else "UPDATE consumer_offsets SET position = (value->>3)::bigint "
        "FROM jsonb_array_elements(CAST(:moves AS jsonb)) "
        "WHERE consumer = :consumer AND topic = value->>0 "
        "AND partition = (value->>1)::integer AND position = (value->>2)::bigint"
    )
)
_PRUNE = Statement(
    "DELETE FROM inbox WHERE consumer = :consumer AND event_id IN (SELECT event_id FROM inbox "
    "WHERE consumer = :consumer AND event_id < :before ORDER BY event_id LIMIT :limit)"
)


class LostPosition(Exception):
    """Somebody else moved a position since we read it: this partition is theirs now."""


def fresh(conn: Connection, consumer: str, event_ids: Iterable[str]) -> set[str]:
    """Remember these events; returns those that were new."""
    ids = list(dict.fromkeys(event_ids))
    return set(_REMEMBER.run(conn, consumer=consumer, ids=ids).scalars()) if ids else set()


def positions(conn: Connection, consumer: str, places: Sequence[Place]) -> dict[Place, int]:
    """How far each partition was read; a new one gets a row, at the beginning of the log."""
    _BEGIN.run(conn, consumer=consumer, places=sorted(list(place) for place in places))
    wanted = set(places)
    rows = _POSITIONS.run(conn, consumer=consumer)
    found: dict[Place, int] = {(row.topic, row.partition): row.position for row in rows}
    return {place: position for place, position in found.items() if place in wanted}


def advance(conn: Connection, consumer: str, moves: Mapping[Place, tuple[int, int]]) -> None:
    """Move positions from → to in one statement. Raises LostPosition unless every one was still
    where we left it."""
    listed = [[topic, number, old, new] for (topic, number), (old, new) in moves.items()]
    if _ADVANCE.run(conn, consumer=consumer, moves=listed).rowcount != len(moves):
        raise LostPosition(consumer)


def prune(conn: Connection, consumer: str, before_id: str, limit: int) -> int:
    """Forget up to ``limit`` events older than this UUIDv7; returns how many. Older repeats than
    the topics keep can't come."""
    return _PRUNE.run(conn, consumer=consumer, before=before_id, limit=limit).rowcount
