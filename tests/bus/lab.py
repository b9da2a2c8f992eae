"""What the bus tests read with: a reader as the runtime has one, and its database.

The database is a dict of positions that move with what was applied. It accepts a message once and
notices a gap, so every test that reads through it also shows that nothing was lost or reordered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.bus.api import Bus, Message, Received, Subscription, TopicPartition
from shared.bus.local import LocalSubscription
from shared.contracts.topics import TOPICS

TOPIC = "lead.captured"
OTHER = "lead.handoff"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DEADLINE = 30.0
"""Seconds until a condition must hold. Never waited out when things work."""


def messages(count: int, *, keys: int = 20, topic: str = TOPIC, start: int = 0) -> list[Message]:
    """Messages whose values are their number, over some keys in turn."""
    return [
        Message(topic, f"key-{number % keys}", str(number).encode(), headers(number))
        for number in range(start, start + count)
    ]


def headers(number: int) -> dict[str, str]:
    """An event's attributes as every bus gives them on."""
    return {
        "ce_specversion": "1.0",
        "ce_id": f"id-{number}",
        "ce_type": "test",
        "ce_source": "/leadloop/capture",
        "ce_time": "2026-03-01T12:00:00Z",
        "traceparent": TRACE,
    }


@dataclass
class Database:
    """Positions of one group, and what was applied, in order."""

    positions: dict[TopicPartition, int] = field(default_factory=dict)
    applied: list[Received] = field(default_factory=list)
    asked: list[TopicPartition] = field(default_factory=list)

    async def ask(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The positions callback."""
        self.asked.extend(places)
        return {place: self.positions[place] for place in places if place in self.positions}

    def apply(self, records: Sequence[Received]) -> None:
        """Accept what is new; what was applied before (a zombie's) is dropped, a gap is an
        error."""
        for record in records:
            # Kafka begins at 0 and the embedded log at 1.
            position = self.positions.get(record.place, min(record.offset, 1))
            if record.offset < position:
                continue
            assert record.offset == position, f"{position}…{record.offset} of {record.place} lost"
            self.positions[record.place] = record.offset + 1
            self.applied.append(record)

    @property
    def numbers(self) -> list[int]:
        """The values applied."""
        return [int(record.value or b"-1") for record in self.applied]


class Reader:
    """One member of a group that applies what it polls to the group's database."""

    def __init__(self, subscription: Subscription, database: Database) -> None:
        self.subscription = subscription
        self.database = database
        self.local = isinstance(subscription, LocalSubscription)
        self.polled: list[Received] = []

    async def poll(self, max_records: int = 500, timeout: float = 0.2) -> Sequence[Received]:
        """Poll and apply once."""
        records = await self.subscription.poll(max_records, timeout)
        assert len(records) <= max_records
        self.polled.extend(records)
        self.database.apply(records)
        return records


class Lab:
    """A bus under test, which has ``publish``. ``another`` gives the bus that a second process
    would use, or one that starts anew."""

    def __init__(self, bus: Any, another: Callable[[], Awaitable[Any]]) -> None:
        self.bus = bus
        self.another = another

    async def restart(self) -> None:
        """Stop the bus and start a new one in its place, as a process that starts anew."""
        await self.bus.stop()
        self.bus = await self.another()

    @asynccontextmanager
    async def reader(
        self, database: Database, *topics: str, group: str = "group", bus: Bus | None = None
    ) -> AsyncIterator[Reader]:
        """A member of a group, closed at the end."""
        names = topics or (TOPIC,)
        subscription = await (bus or self.bus).subscribe(group, names, database.ask)
        try:
            yield Reader(subscription, database)
        finally:
            await subscription.close()


async def until(
    condition: Callable[[], bool], *readers: Reader, max_records: int = 500, what: str = ""
) -> None:
    """Poll the readers until the condition holds. Fails after the deadline."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.gather(*(reader.poll(max_records) for reader in readers))
    except TimeoutError:
        have = [len(reader.database.applied) for reader in readers]
        raise AssertionError(f"not within {DEADLINE:g} s: {what or 'condition'}; {have}") from None


async def until_shared(*readers: Reader) -> None:
    """Poll until each reader has partitions, all different, and together every one of TOPIC."""

    def shared() -> bool:
        shares = [reader.subscription.assignment() for reader in readers]
        together = frozenset[TopicPartition]().union(*shares)
        whole = 1 if readers[0].local else TOPICS[TOPIC].partitions
        return all(shares) and sum(map(len, shares)) == len(together) == whole

    await until(shared, *readers, what="partitions shared out")
