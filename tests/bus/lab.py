"""What the bus tests read with: a reader as the runtime has one, and its database.

The database is a dict of positions that move with what was applied. It accepts a message once and
notices a gap, so every test that reads through it also shows that nothing was lost or reordered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared.bus.api import Bus, Message, Received, Subscription, TopicPartition

TOPIC = "lead.captured"
OTHER = "lead.handoff"
DEADLINE = 30.0
"""Seconds until a condition must hold. Never waited out when things work."""


def messages(count: int, *, keys: int = 20, topic: str = TOPIC, start: int = 0) -> list[Message]:
    """Messages whose values are their number, over some keys in turn."""
    return [
        Message(topic, f"key-{number % keys}", str(number).encode(), {"ce_id": f"id-{number}"})
        for number in range(start, start + count)
    ]


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
            position = self.positions.get(record.place, 0)
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
        self.polled: list[Received] = []

    async def poll(self, max_records: int = 500, timeout: float = 0.2) -> Sequence[Received]:
        """Poll and apply once."""
        records = await self.subscription.poll(max_records, timeout)
        assert len(records) <= max_records
        self.polled.extend(records)
        self.database.apply(records)
        return records


class Lab:
    """A bus under test. ``another`` gives the bus that a second process would use."""

    def __init__(self, bus: Bus, another: Callable[[], Awaitable[Bus]]) -> None:
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
        return all(shares) and sum(map(len, shares)) == len(together) == 6

    await until(shared, *readers, what="partitions shared out")
