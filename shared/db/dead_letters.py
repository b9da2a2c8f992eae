"""Events a consumer could not process, and those that wait behind them, kept for replay."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection, delete, func, select, update

from shared.contracts.envelope import UnreadableEvent
from shared.contracts.events import DeadLettered
from shared.db.database import insert
from shared.db.statements import Statement, one_of
from shared.db.tables import dead_letters

DEAD = "dead"
PARKED = "parked"

_BLOCKED = Statement(
    lambda dialect: (
        "SELECT key FROM dead_letters WHERE consumer = :consumer AND "  # noqa: S608
        + one_of("key", "keys", dialect)
        + (" ORDER BY id FOR SHARE" if dialect == "postgresql" else "")
    )
)
_WAITING = Statement("SELECT DISTINCT key FROM dead_letters WHERE consumer = :consumer")


class Letter(Protocol):
    """A message as the bus delivered it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Unpublished:
    """An event that the broker would not take. ``offset`` is its place in the outbox, ``key`` names
    topic and key."""

    topic: str
    offset: int
    key: str
    value: bytes | None
    headers: Mapping[str, str]
    partition: int = -1


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A stored letter. ``state`` is ``dead`` or ``parked``."""

    id: int
    consumer: str
    state: str
    key: str
    topic: str
    partition: int
    offset: int
    event_id: str | None
    event_type: str | None
    headers: dict[str, str]
    value: bytes | None
    reason: str
    failed_at: datetime


def blocked(conn: Connection, consumer: str, keys: Collection[str]) -> set[str]:
    """Those of these keys that have a letter waiting: their later events must wait too.

    The letters stay locked, so that a replay can't forget a key's last one while an event is being
    parked behind it: nobody would ever bring that event back.
    """
    stored = {key: stored_key(key) for key in keys}
    found = set(_BLOCKED.run(conn, consumer=consumer, keys=list(stored.values())).scalars())
    return {key for key, text in stored.items() if text in found}


def waiting(conn: Connection, consumer: str) -> set[str]:
    """All keys that have a letter waiting, as they are stored. Locks nothing."""
    return set(_WAITING.run(conn, consumer=consumer).scalars())


def stored_key(key: str) -> str:
    """A message key as the tables keep it: anybody may write any key to a topic."""
    return _storable(key, 120)


def add(
    conn: Connection,
    consumer: str,
    bad: Sequence[tuple[Letter, UnreadableEvent]],
    now: datetime,
) -> None:
    """Keep letters that failed for good, each with its reason."""
    _keep(conn, [_row(consumer, m, DEAD, str(why), now) for m, why in bad])


def park(conn: Connection, consumer: str, letters: Sequence[Letter], now: datetime) -> None:
    """Keep letters whose key is blocked."""
    reason = "waits behind an earlier dead letter of the same key"
    _keep(conn, [_row(consumer, m, PARKED, reason, now) for m in letters])


def count(conn: Connection, consumer: str) -> int:
    """How many letters are dead (parked ones not counted)."""
    query = select(func.count()).where(
        dead_letters.c.consumer == consumer, dead_letters.c.state == DEAD
    )
    return conn.execute(query).scalar_one()


def count_all(conn: Connection) -> int:
    """How many letters wait for somebody, of every consumer (parked ones not counted)."""
    query = select(func.count()).where(dead_letters.c.state == DEAD)
    return conn.execute(query).scalar_one()


def listed(conn: Connection, after: int = 0, limit: int = 100) -> list[DeadLetter]:
    """Letters in the order they came in."""
    rows = conn.execute(
        select(dead_letters)
        .where(dead_letters.c.id > after)
        .order_by(dead_letters.c.id)
        .limit(limit)
    )
    return [_letter(row) for row in rows]


def get(conn: Connection, letter_id: int) -> DeadLetter | None:
    """One letter, or None."""
    rows = conn.execute(select(dead_letters).where(dead_letters.c.id == letter_id))
    row = rows.first()
    return _letter(row) if row is not None else None


def of_key(conn: Connection, consumer: str, key: str) -> list[DeadLetter]:
    """All letters of a key, oldest first: they are replayed in this order."""
    rows = conn.execute(
        select(dead_letters)
        .where(dead_letters.c.consumer == consumer, dead_letters.c.key == key)
        .order_by(dead_letters.c.id)
    )
    return [_letter(row) for row in rows]


def failed_again(conn: Connection, letter_id: int, reason: str) -> None:
    """A replay did not help: the letter is dead, for this reason."""
    conn.execute(
        update(dead_letters).where(dead_letters.c.id == letter_id).values(state=DEAD, reason=reason)
    )


def remove(conn: Connection, letter_id: int) -> None:
    """Forget a letter that had its effect, or that somebody gave up."""
    conn.execute(delete(dead_letters).where(dead_letters.c.id == letter_id))


def notice(
    service: str, consumer: str, letter: Letter, why: UnreadableEvent, now: datetime
) -> DeadLettered:
    """What goes to the dead-letter topic: where and why, never what."""
    return DeadLettered(
        service=service,
        consumer=consumer,
        event_id=_storable(letter.headers.get("ce_id", ""), 64) or None,
        event_type=_storable(letter.headers.get("ce_type", ""), 120) or None,
        event_key=stored_key(letter.key),
        reason=_storable(str(why), 2000),
        source_topic=letter.topic,
        source_partition=letter.partition,
        source_offset=letter.offset,
        failed_at=now,
    )


def _keep(conn: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        conn.execute(insert(conn, dead_letters).on_conflict_do_nothing(), rows)


def _row(consumer: str, letter: Letter, state: str, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "consumer": consumer,
        "state": state,
        "key": stored_key(letter.key),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "event_id": _storable(letter.headers.get("ce_id", ""), 64) or None,
        "event_type": _storable(letter.headers.get("ce_type", ""), 120) or None,
        "headers": orjson.dumps(dict(letter.headers)).decode(),
        "value": letter.value,
        "reason": _storable(reason, 2000),
        "failed_at": now,
    }


def _storable(text: str, length: int) -> str:
    """Cut to a column's length, without NUL, which PostgreSQL takes in no text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:length]


def _letter(row: Any) -> DeadLetter:
    return DeadLetter(**{**row._mapping, "headers": orjson.loads(row.headers)})
