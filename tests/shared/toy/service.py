"""A service as small as can be: each captured lead becomes one row and one event.

It goes by the name of qualify, so that the registry's topics serve it.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, func, select

from shared.bus.api import Bus, Message, Received, TopicPartition
from shared.bus.keys import partition_of
from shared.contracts.envelope import Event
from shared.contracts.events import ActivityRecorded, LeadCaptured, LeadUnrouted
from shared.contracts.ids import new_id
from shared.contracts.topics import TOPICS
from shared.db.aggregates import Aggregate
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.db.tables import (
    consumer_offsets,
    dead_letters,
    inbox,
    outbox,
    runtime_tables,
)
from shared.db.types import Json, UtcDateTime
from shared.runtime.clock import FixedClock
from shared.runtime.consumer import Consumer
from shared.runtime.unit import Transactions, Unit
from tests.shared.toy.embedded import MIGRATIONS, TRACE

NAME = "qualify"
TOPIC = "lead.captured"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

metadata = MetaData()
runtime_tables(metadata)
effects = Table(
    "effects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("effect_id", String(64), nullable=False),
    Column("lead_id", String(64), nullable=False),
    Column("event_id", String(64), nullable=False),  # not unique: a second effect must show
    Column("number", Integer, nullable=False),
    Column("happened_at", UtcDateTime),
    Column("extra", Json),
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of an event."""

    effect_id: str
    lead_id: str
    event_id: str
    number: int
    happened_at: datetime | None = None
    extra: Any = None


EFFECTS = Aggregate(effects, Effect, key=["effect_id"], loaded_by="lead_id")


class ToyUnit(Unit):
    """One transaction of the toy. Remembers which keys were loaded."""

    service = NAME

    def __init__(self, now: datetime, conn: Connection | None = None) -> None:
        super().__init__(now, conn)
        self.effects = self.rows(EFFECTS)
        self.loaded: list[str] = []

    def load(self, keys: Sequence[str]) -> None:
        self.loaded.extend(keys)
        super().load(keys)


@dataclass
class Toy:
    """The service, its switches, and questions about what it did."""

    db: Database
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    poison: set[str] = field(default_factory=set)
    """Event ids whose handler raises."""
    during: Callable[[Event[Any], ToyUnit], None] | None = None
    """Called by the handler after its effect is noted."""
    units: list[ToyUnit] = field(default_factory=list)
    handled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transactions = Transactions(self.db, self.clock, self._make)

    def _make(self, now: datetime, conn: Connection) -> ToyUnit:
        self.units.append(ToyUnit(now, conn))
        return self.units[-1]

    def on_captured(self, event: Event[LeadCaptured], unit: ToyUnit) -> None:
        self.handled.append(event.id)
        lead_id = event.data.lead_id
        number: Any = event.data.facts["number"]
        unit.effects.put(Effect(new_id(), lead_id, event.id, number, unit.now))
        unit.emit(LeadUnrouted(lead_id=lead_id, cycle=1, reason="toy", unrouted_at=unit.now))
        if self.during is not None:
            self.during(event, unit)
        if event.id in self.poison:
            raise ValueError("cannot score jane.roe@example.com")

    def consumer(
        self, bus: Bus | None = None, kind: type[Consumer[Any]] = Consumer, **options: Any
    ) -> Consumer[ToyUnit]:
        given: Any = bus
        return kind(
            NAME, [TOPIC], {LeadCaptured: self.on_captured}, self.transactions, given, **options
        )

    async def rows(self, table: Table) -> list[Any]:
        query = select(table).order_by(*table.primary_key.columns)
        return await self.db.read(lambda conn: list(conn.execute(query)))

    async def counts(self) -> dict[str, int]:
        """How much of everything is stored; ``read`` is the sum of all positions moved."""
        return await self.db.read(_counts)

    async def numbers(self, lead_id: str) -> list[int]:
        return [row.number for row in await self.rows(effects) if row.lead_id == lead_id]


def _counts(conn: Connection) -> dict[str, int]:
    found = {
        table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (effects, inbox, outbox, dead_letters)
    }
    c = consumer_offsets.c
    moved = select(func.coalesce(func.sum(c.position), 0)).where(c.position > 0)
    return {**found, "read": int(conn.execute(moved).scalar_one())}


def captured(lead_id: str, number: int = 0, event_id: str | None = None) -> Event[LeadCaptured]:
    """A captured lead; ``number`` tells the events of one lead apart."""
    data = LeadCaptured(
        lead_id=lead_id, submission_id=new_id(), captured_at=NOW, facts={"number": number}
    )
    return _event(data, event_id)


def activity(lead_id: str) -> Event[ActivityRecorded]:
    """An event on the toy's topic that it has no handler for."""
    data = ActivityRecorded(
        lead_id=lead_id, activity_id=new_id(), kind="page_viewed", occurred_at=NOW, facts={}
    )
    return _event(data)


def _event(data: Any, event_id: str | None = None) -> Event[Any]:
    return Event(event_id or new_id(), data.type, "/leadloop/capture", NOW, data.key(), TRACE, data)


def message(event: Event[Any]) -> Message:
    return Message(event.data.topic, event.data.key(), event.value(), event.headers())


def garbage(key: str, value: bytes = b"no json") -> Message:
    """What no contract knows, under a known type."""
    return Message(TOPIC, key, value, {**message(captured(key)).headers})


class Log:
    """Messages with places, as a bus would deliver them."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def deliver(self, *messages: Message | Event[Any]) -> list[Received]:
        return [self._place(m if isinstance(m, Message) else message(m)) for m in messages]

    def _place(self, m: Message) -> Received:
        partition = partition_of(m.key.encode(), TOPICS[m.topic].partitions)
        offset = self._next.get(partition, 0)
        self._next[partition] = offset + 1
        return Received(m.topic, partition, offset, m.key, m.value, m.headers)


def places(messages: Iterable[Received]) -> list[TopicPartition]:
    return sorted({m.place for m in messages})


@asynccontextmanager
async def toy_on(url: str) -> AsyncIterator[Toy]:
    """The toy on a migrated database."""
    db = Database.open(url, NAME)
    try:
        migrate(db, MIGRATIONS)
        yield Toy(db)
    finally:
        db.close()
