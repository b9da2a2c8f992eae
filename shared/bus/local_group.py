"""Members of the local bus's groups: who has which partition, and where each member is."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from shared.bus.api import BusUnavailable, Positions, Received, TopicPartition
from shared.bus.local_log import Piece, Wanted
from shared.bus.metrics import POSITION_RESETS

_log = logging.getLogger(__name__)


class Log(Protocol):
    """What a member needs of its bus."""

    def end(self, place: TopicPartition) -> int:
        """The offset that the partition's next message gets."""
        ...

    def topic_id(self, topic: str) -> int:
        """The file's number of a logical topic."""
        ...

    async def read(self, wanted: Sequence[Wanted], limit: int) -> list[Piece]:
        """See LogFile.read. Raises BusUnavailable."""
        ...

    def note_position(self, group: str, place: TopicPartition, position: int) -> None:
        """Remember how far a group is: pruning by age stops there."""
        ...

    def leave(self, member: "LocalSubscription") -> None:
        """Take a member out of its group; its partitions go to the others."""
        ...


class _Cursor:
    """Where a member is in a partition. None until its database was asked."""

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position: int | None = None


class LocalSubscription:
    """One member of a group, of this process."""

    def __init__(self, bus: Log, group: str, topics: tuple[str, ...], positions: Positions) -> None:
        self._bus = bus
        self.group = group
        self.topics = topics
        self._positions = positions
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._woken = asyncio.Event()
        self._reading = asyncio.Lock()
        self._turn = 0
        self._closed = False

    async def poll(self, max_records: int, timeout: float) -> Sequence[Received]:
        """See Subscription.poll."""
        deadline = time.monotonic() + timeout
        while True:
            self._woken.clear()
            if messages := await self._read(max_records):
                return messages
            left = deadline - time.monotonic()
            if left <= 0:
                return ()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), left)

    async def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """See Subscription.seek."""
        for place, position in positions.items():
            if place in self._cursors:
                self._cursors[place] = cursor = _Cursor()  # a read under way is for the old one
                cursor.position = position
        self._woken.set()

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See Subscription.commit."""
        for place, position in positions.items():
            if place in self._cursors and position >= 0:
                self._bus.note_position(self.group, place, position)

    def assignment(self) -> frozenset[TopicPartition]:
        """See Subscription.assignment."""
        return frozenset(self._cursors)

    async def lag(self) -> int:
        """See Subscription.lag."""
        async with self._reading:
            await self._ask_positions()
        return sum(
            max(0, self._bus.end(place) - (cursor.position or 0))
            for place, cursor in self._cursors.items()
        )

    async def close(self) -> None:
        """See Subscription.close."""
        self._closed = True
        self._cursors = {}
        self._bus.leave(self)
        self._woken.set()

    def assign(self, places: set[TopicPartition]) -> None:
        """The partitions that are this member's from now on; kept ones stay where they are."""
        self._cursors = {place: self._cursors.get(place) or _Cursor() for place in sorted(places)}
        self._woken.set()

    def wake(self, places: Mapping[TopicPartition, int]) -> None:
        """Messages came to these partitions."""
        if not self._cursors.keys().isdisjoint(places):
            self._woken.set()

    async def _read(self, limit: int) -> list[Received]:
        if self._closed:
            raise BusUnavailable("the subscription is closed")
        async with self._reading:
            await self._ask_positions()
            turns = self._turns()
            wanted = [piece for piece in (self._behind(*turn) for turn in turns) if piece]
            if not wanted:
                return []
            cursors = dict(turns)
            found: list[Received] = []
            for place, messages, next_offset in await self._bus.read(wanted, limit):
                cursor = cursors[place]
                if self._cursors.get(place) is cursor:  # neither lost nor moved while we read
                    cursor.position = next_offset
                    found.extend(messages)
            return found

    def _turns(self) -> list[tuple[TopicPartition, _Cursor]]:
        """The cursors, each time from the next one on, so that a full partition starves none."""
        cursors = list(self._cursors.items())
        self._turn += 1
        first = self._turn % len(cursors) if cursors else 0
        return cursors[first:] + cursors[:first]

    def _behind(self, place: TopicPartition, cursor: _Cursor) -> Wanted | None:
        end = self._bus.end(place)
        if cursor.position is None or cursor.position >= end:
            return None
        return Wanted(place, self._bus.topic_id(place.topic), cursor.position, end)

    async def _ask_positions(self) -> None:
        """Ask the database for partitions that came to this member since the last time."""
        fresh = {place: c for place, c in self._cursors.items() if c.position is None}
        if not fresh:
            return
        known = await self._positions(list(fresh))
        for place, cursor in fresh.items():
            position = known.get(place, 0)
            if position > self._bus.end(place):
                POSITION_RESETS.labels("local", place.topic).inc()
                _log.warning(
                    "position is beyond the log: reading from its start",
                    extra={"topic": place.topic, "partition": place.partition, "offset": position},
                )
                position = 0
            cursor.position = position


def share_out(
    members: Sequence[LocalSubscription], partitions: Mapping[str, int]
) -> dict[LocalSubscription, set[TopicPartition]]:
    """Each partition to one of the members that read its topic, as evenly as it goes."""
    shares: dict[LocalSubscription, set[TopicPartition]] = {member: set() for member in members}
    for number, topic in enumerate(sorted({t for member in members for t in member.topics})):
        readers = [member for member in members if topic in member.topics]
        for partition in range(partitions[topic]):
            reader = readers[(number + partition) % len(readers)]
            shares[reader].add(TopicPartition(topic, partition))
    return shares
