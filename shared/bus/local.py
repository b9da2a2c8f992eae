"""The embedded bus: each service's outbox is the log of what it writes.

Readers of the same process follow a writer's outbox by ``seq`` from positions in their own
databases. What has just been committed is handed over in memory, as bytes, and the table is the
fallback for a reader that is further behind. A writer's part of a topic is one partition, numbered
like the writer in ``SERVICES``.
"""

import asyncio
import logging
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from shared.bus.api import (
    BusUnavailable,
    Positions,
    Received,
    Subscription,
    TopicPartition,
)
from shared.bus.metrics import POSITION_RESETS
from shared.contracts.topics import SERVICES, TOPICS
from shared.db import outbox
from shared.db.database import Database

log = logging.getLogger(__name__)

BEGINNING: Final = 1
"""The first place that a writer gives out."""
KEPT: Final = 512
"""Newest messages of a topic that are kept in memory at least, for readers that keep up."""


def place_of(topic: str) -> TopicPartition:
    """The partition that a topic has in the embedded log."""
    return TopicPartition(topic, SERVICES.index(TOPICS[topic].owner))


class LocalBus:
    """The log of one process. ``database`` gives a writer's database by its name."""

    def __init__(self, database: Callable[[str], Database]) -> None:
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = False
        self._tails: dict[str, _Tail] = {}
        self._told: dict[str, int] = {}
        self._members: list[LocalSubscription] = []
        self._read_to: dict[tuple[str, str], int] = {}

    async def start(self) -> None:
        """Find the end of each log. Raises what a database raises; may be called again."""
        if self._started:
            return
        self._loop = asyncio.get_running_loop()
        # From here on commits are heard of, also those of which the answers below know nothing.
        self._tails = {topic: _Tail() for topic in TOPICS}
        self._told = dict.fromkeys(SERVICES, 0)
        try:
            for service in SERVICES:
                self._begin(service, await self._database(service).read(outbox.last_place))
        except BaseException:
            self._loop = None
            raise
        self._started = True

    async def stop(self) -> None:
        """Let go. Subscriptions must be closed before."""
        self._loop, self._started = None, False
        self._told.clear()

    def committed(self, service: str, rows: Sequence[outbox.Row]) -> None:
        """Hand over what a writer's transaction has just made durable. Any thread may call it. Rows
        that come without those before them are looked for in the table, and those with them."""
        loop = self._loop
        if loop is not None and rows:
            loop.call_soon_threadsafe(self._append, service, rows)

    async def subscribe(
        self, group: str, topics: Sequence[str], positions: Positions
    ) -> Subscription:
        """Follow topics. Raises BusUnavailable before ``start``."""
        if not self._started:
            raise BusUnavailable("the local bus is not started")
        member = LocalSubscription(self, group, topics, positions)
        self._members.append(member)
        return member

    async def check_topics(self, topics: Sequence[str]) -> None:
        """Every topic is there: the registry has it."""

    async def create_topics(self) -> Sequence[str]:
        """Nothing is to be created."""
        return []

    def read_by_all(self, topic: str) -> int:
        """The place up to which every reader of a topic has stored its effects; 0 while one of them
        has not said yet. What lies behind it must not be pruned."""
        readers = TOPICS[topic].readers
        return min((self._read_to.get((reader, topic), 0) for reader in readers), default=2**62)

    def end(self, topic: str) -> int:
        """The place of the newest message of a topic's writer."""
        return self._tails[topic].end

    def in_memory(self, topic: str, start: int, limit: int) -> Sequence[Received] | None:
        """Messages from a place on; None when they have to be read from the table."""
        return self._tails[topic].since(start, limit)

    async def in_table(self, topic: str, start: int, limit: int) -> list[Received]:
        """The same from the writer's outbox."""
        service = TOPICS[topic].owner

        def read(conn: Connection) -> list[outbox.Row]:
            return outbox.read(conn, topic, start, limit)

        return [_received(service, row) for row in await self._database(service).read(read)]

    def note(self, group: str, topic: str, position: int) -> None:
        """Remember how far a reader is."""
        self._read_to[group, topic] = position

    def leave(self, member: "LocalSubscription") -> None:
        """Forget a subscription."""
        if member in self._members:
            self._members.remove(member)

    def _append(self, service: str, rows: Sequence[outbox.Row]) -> None:
        told, last = self._told.get(service), rows[-1].seq
        if told is None or last <= told:
            return  # stopped meanwhile; or it came late and is in the table's part
        if rows[0].seq == told + 1:
            self._told[service] = last
            topics = {row.topic for row in rows}
            for row in rows:
                self._tails[row.topic].append(_received(service, row))
        else:
            topics = set(self._tails)
            self._begin(service, last)
        for member in self._members:
            member.wake(topics)

    def _begin(self, service: str, last: int) -> None:
        """Know a writer's events from this place on; those up to it are read from the table."""
        self._told[service] = max(self._told[service], last)
        for topic in TOPICS.values():
            if topic.owner == service:
                self._tails[topic.name].forget(last)


class _Tail:
    """The newest messages of a topic, all those behind the place ``gone``."""

    def __init__(self) -> None:
        self.gone = self.end = 0
        self._messages: list[Received] = []
        self._offsets: list[int] = []

    def append(self, message: Received) -> None:
        self.end = message.offset
        self._messages.append(message)
        self._offsets.append(message.offset)
        if len(self._messages) >= 2 * KEPT:  # seldom, because a list is cut by copying it
            self.gone = self._offsets[-KEPT - 1]
            del self._messages[:-KEPT], self._offsets[:-KEPT]

    def forget(self, upto: int) -> None:
        """What there is up to this place is in the table only."""
        self.gone, self.end = max(self.gone, upto), max(self.end, upto)
        at = bisect_right(self._offsets, upto)
        del self._messages[:at], self._offsets[:at]

    def since(self, start: int, limit: int) -> Sequence[Received] | None:
        if start <= self.gone:
            return None
        at = bisect_left(self._offsets, start)
        return self._messages[at : at + limit]


class LocalSubscription:
    """The one member of a group."""

    def __init__(
        self, bus: LocalBus, group: str, topics: Sequence[str], positions: Positions
    ) -> None:
        self._bus = bus
        self._group = group
        self._topics = tuple(topics)
        self._positions = positions
        self._next: dict[str, int] = {}
        self._turn = 0
        self._woken = asyncio.Event()
        self._closed = False

    async def poll(self, max_records: int, timeout: float) -> Sequence[Received]:
        """See Subscription.poll."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            self._woken.clear()
            if found := await self._read(max_records):
                return found
            if (left := deadline - loop.time()) <= 0:
                return ()
            timer = loop.call_later(left, self._woken.set)
            await self._woken.wait()
            timer.cancel()

    async def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """See Subscription.seek."""
        for place, position in positions.items():
            if place.topic in self._next:
                self._next[place.topic] = position
        self._woken.set()

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See Subscription.commit."""
        for place, position in positions.items():
            if place.topic in self._next:
                self._bus.note(self._group, place.topic, position)

    def assignment(self) -> frozenset[TopicPartition]:
        """See Subscription.assignment."""
        return frozenset() if self._closed else frozenset(map(place_of, self._topics))

    async def lag(self) -> int:
        """See Subscription.lag."""
        await self._ask_positions()
        return sum(max(0, self._bus.end(t) + 1 - self._next[t]) for t in self._behind())

    async def close(self) -> None:
        """See Subscription.close."""
        self._closed = True
        self._bus.leave(self)
        self._woken.set()

    def wake(self, topics: set[str]) -> None:
        """Messages came to these topics."""
        if not topics.isdisjoint(self._topics):
            self._woken.set()

    async def _read(self, limit: int) -> list[Received]:
        """Every topic in its turn, so that a full one starves none."""
        if self._closed:
            raise BusUnavailable("the subscription is closed")
        await self._ask_positions()
        found: list[Received] = []
        for topic in self._behind():
            start, room = self._next[topic], limit - len(found)
            if room <= 0:
                break
            end = self._bus.end(topic)
            messages = self._bus.in_memory(topic, start, room)
            if messages is None:
                messages = await self._bus.in_table(topic, start, room)
            found.extend(messages)
            read_to = messages[-1].offset + 1 if messages else start
            # Fewer than there was room for: there is no more of this topic up to the end.
            self._next[topic] = max(read_to, end + 1) if len(messages) < room else read_to
        return found

    def _behind(self) -> list[str]:
        self._turn += 1
        first = self._turn % len(self._topics) if self._topics else 0
        turns = (*self._topics[first:], *self._topics[:first])
        return [topic for topic in turns if self._next[topic] <= self._bus.end(topic)]

    async def _ask_positions(self) -> None:
        """Ask the reader's database, once, where it is."""
        if self._next:
            return
        known = await self._positions([place_of(topic) for topic in self._topics])
        for topic in self._topics:
            position = known.get(place_of(topic), BEGINNING)
            if position > self._bus.end(topic) + 1:
                POSITION_RESETS.labels("local", topic).inc()
                log.warning(
                    "position is beyond the log: reading from its start",
                    extra={"topic": topic, "offset": position},
                )
                position = BEGINNING
            self._next[topic] = position
            self._bus.note(self._group, topic, position)


def _received(service: str, row: outbox.Row) -> Received:
    place = place_of(row.topic)
    return Received(row.topic, place.partition, row.seq, row.key, row.bytes(), row.headers(service))
