"""One member of a Kafka consumer group.

Kafka's own commits are for display alone: the reader's database says where to go on. So a
partition that was just assigned gives nothing until the database was asked and the consumer moved
there; what was buffered before a rebalance is thrown away.

aiokafka's consumer can fall silent while messages wait. A watch looks, when nothing came for a
while, whether the log goes on past our position, and raises when it does and nothing moves.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition as PhysicalPartition

from shared.bus.api import BusUnavailable, Positions, Received, TopicPartition
from shared.bus.metrics import POSITION_RESETS, STALLS

_AWAY: Final = (KafkaError, OSError, TimeoutError)
_ASK_SECONDS: Final = 5.0
_REBALANCE_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class KafkaSubscription(ConsumerRebalanceListener):
    """See Subscription. ``watch_every`` in seconds; ``stalls`` is shared by a bus's subscriptions
    and counts how often each place was found stuck."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        group: str,
        topics: Sequence[str],
        positions: Positions,
        *,
        watch_every: float,
        stalls: dict[object, int],
    ) -> None:
        self._prefix = prefix
        self._group = group
        self._topics = tuple(topics)
        self._ask = positions
        self._watch_every = watch_every
        self._stalls = stalls
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_records=500,
            heartbeat_interval_ms=1_000,
        )
        self._fresh: set[PhysicalPartition] = set()  # ours, position not yet known
        self._next: dict[PhysicalPartition, int] = {}  # ours, offset of the next message to poll
        self._closed = False
        self._epoch = 0  # counts rebalances
        self._revoked_at: float | None = None
        self._changed = asyncio.Event()
        self._positioning = asyncio.Lock()
        self._failing_since: float | None = None
        self._quiet_since = time.monotonic()
        self._behind: dict[PhysicalPartition, int] = {}

    async def start(self, seconds: float) -> None:
        """Connect, and join the group in the background. Raises BusUnavailable."""
        try:
            async with asyncio.timeout(seconds):
                await self._consumer.start()
        except BaseException as error:
            await self.close()
            if isinstance(error, _AWAY):
                raise BusUnavailable(f"Kafka: {error!r}") from error
            raise
        self._consumer.subscribe([self._prefix + topic for topic in self._topics], listener=self)

    async def poll(self, max_records: int, timeout: float) -> Sequence[Received]:
        """See Subscription.poll."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                if records := await self._fetch(max_records, deadline - time.monotonic()):
                    return records
                self._failing_since = None
            except OffsetOutOfRangeError as error:
                await self._go_to_start(error.args[0])
            except NoOffsetForPartitionError:
                self._ask_again(self._next)
            except KafkaError as error:
                await self._pause_after(error)
            if deadline - time.monotonic() <= 0:
                await self._watch()
                return ()

    async def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """See Subscription.seek."""
        for place, offset in positions.items():
            physical = self._physical(place)
            if physical in self._next or physical in self._fresh:
                self._move(physical, offset)

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See Subscription.commit."""
        ours = self._consumer.assignment()
        offsets = {self._physical(place): offset for place, offset in positions.items()}
        offsets = {place: at for place, at in offsets.items() if place in ours and at >= 0}
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                if offsets:
                    await self._consumer.commit(offsets)
        except Exception as error:  # whatever it is: a display is not worth a batch
            _log.info("Kafka: group position not noted", extra={"reason": repr(error)})

    def assignment(self) -> frozenset[TopicPartition]:
        """See Subscription.assignment."""
        return frozenset(self._logical(place) for place in (*self._next, *self._fresh))

    async def lag(self) -> int:
        """See Subscription.lag. Raises BusUnavailable."""
        await self._take_over()
        ends = await self._ends(list(self._next))
        return sum(max(0, end - self._next.get(place, end)) for place, end in ends.items())

    async def close(self) -> None:
        """See Subscription.close."""
        self._closed = True
        self._epoch += 1
        self._next, self._fresh = {}, set()
        self._changed.set()
        with suppress(*_AWAY):
            async with asyncio.timeout(_ASK_SECONDS):
                await self._consumer.stop()

    def on_partitions_revoked(self, revoked: Iterable[PhysicalPartition]) -> None:
        """Called by aiokafka when a rebalance begins: everything is taken away."""
        self._epoch += 1
        self._next, self._fresh = {}, set()
        self._revoked_at = time.monotonic()
        self._changed.set()

    def on_partitions_assigned(self, assigned: Iterable[PhysicalPartition]) -> None:
        """Called by aiokafka when a rebalance ended: what we have now, all of it to be asked."""
        self._epoch += 1
        self._next, self._fresh = {}, set(assigned)
        self._revoked_at = None
        self._changed.set()

    async def _fetch(self, max_records: int, seconds: float) -> list[Received]:
        if self._closed:
            raise BusUnavailable("the subscription is closed")
        self._changed.clear()
        await self._take_over()
        epoch, seconds = self._epoch, max(0.0, seconds)
        if not self._next:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)
            return []
        try:
            # Inside a rebalance getmany waits for its end, whatever its own time limit says.
            async with asyncio.timeout(seconds + 1):
                batches = await self._consumer.getmany(
                    *self._next, timeout_ms=int(seconds * 1000), max_records=max_records
                )
        except TimeoutError:
            return []
        if epoch != self._epoch:
            return []  # of partitions that are not ours any more, or not from where we want
        records: list[Received] = []
        for place, batch in batches.items():
            self._next[place] = batch[-1].offset + 1
            records.extend(self._received(record) for record in batch)
        if records:
            self._quiet_since = time.monotonic()
            self._failing_since = None
        return records

    async def _take_over(self) -> None:
        """Ask the database for newly assigned partitions and move there."""
        async with self._positioning:
            while self._fresh:
                epoch, fresh = self._epoch, list(self._fresh)
                known = await self._ask([self._logical(place) for place in fresh])
                if epoch != self._epoch:
                    continue
                unknown = [place for place in fresh if self._logical(place) not in known]
                starts = await self._starts(unknown)
                for place in fresh:
                    if epoch == self._epoch and place in self._fresh:
                        self._move(place, known.get(self._logical(place), starts.get(place, 0)))

    def _move(self, place: PhysicalPartition, offset: int) -> None:
        self._consumer.seek(place, offset)
        self._fresh.discard(place)
        self._next[place] = offset
        self._changed.set()

    def _ask_again(self, places: Iterable[PhysicalPartition]) -> None:
        self._fresh |= set(places)
        for place in self._fresh:
            self._next.pop(place, None)

    async def _go_to_start(self, places: Mapping[PhysicalPartition, int]) -> None:
        """Our position is outside the log: go on with the earliest message there is."""
        for place, start in (await self._starts(list(places))).items():
            if place not in self._next:
                continue
            topic = self._logical(place).topic
            POSITION_RESETS.labels("kafka", topic).inc()
            _log.warning(
                "position is outside the log: reading from its earliest message",
                extra={
                    "topic": topic,
                    "partition": place.partition,
                    "offset": places[place],
                    "earliest": start,
                },
            )
            self._move(place, start)

    async def _pause_after(self, error: KafkaError) -> None:
        """Wait a little after an error that may pass (no coordinator yet, right after a start);
        BusUnavailable when it lasts."""
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        lasting = now - self._failing_since > _RETRY_SECONDS
        if lasting or not error.retriable:
            raise BusUnavailable(f"Kafka: {error!r}") from error
        await asyncio.sleep(0.1)

    async def _watch(self) -> None:
        """Raises BusUnavailable when nothing comes though messages wait, when the broker does not
        answer, and when a rebalance does not end."""
        now = time.monotonic()
        if self._revoked_at is not None and now - self._revoked_at > _REBALANCE_SECONDS:
            raise BusUnavailable("Kafka: a rebalance does not end")
        if now - self._quiet_since < self._watch_every or not self._next:
            return
        self._quiet_since = now
        epoch, before = self._epoch, self._behind
        ends = await self._ends(list(self._next))
        if epoch != self._epoch:
            return
        self._behind = {p: self._next[p] for p, end in ends.items() if self._next[p] < end}
        for place, offset in self._behind.items():
            if before.get(place) == offset:
                self._stuck(place, offset)

    def _stuck(self, place: PhysicalPartition, offset: int) -> None:
        """Twice in a row behind at the same offset. Joining anew helps a consumer that fell
        silent; if it did not help here before, wait longer each time: the rest of the log may be
        compacted away."""
        key = (self._group, place, offset)
        seen = self._stalls[key] = self._stalls.get(key, 0) + 1
        if seen & (seen - 1):  # not the first, second, fourth, eighth… time
            return
        STALLS.labels(self._group).inc()
        raise BusUnavailable(f"Kafka: stalled at {place.topic}[{place.partition}]@{offset}")

    async def _starts(self, places: Sequence[PhysicalPartition]) -> dict[PhysicalPartition, int]:
        return await self._offsets(self._consumer.beginning_offsets, places)

    async def _ends(self, places: Sequence[PhysicalPartition]) -> dict[PhysicalPartition, int]:
        return await self._offsets(self._consumer.end_offsets, places)

    async def _offsets(
        self, ask: Any, places: Sequence[PhysicalPartition]
    ) -> dict[PhysicalPartition, int]:
        if not places:
            return {}
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                offsets: dict[PhysicalPartition, int] = await ask(places)
                return offsets
        except _AWAY as error:
            raise BusUnavailable(f"Kafka does not answer: {error!r}") from error

    def _physical(self, place: TopicPartition) -> PhysicalPartition:
        return PhysicalPartition(self._prefix + place.topic, place.partition)

    def _logical(self, place: PhysicalPartition) -> TopicPartition:
        return TopicPartition(place.topic.removeprefix(self._prefix), place.partition)

    def _received(self, record: Any) -> Received:
        return Received(
            record.topic.removeprefix(self._prefix),
            record.partition,
            record.offset,
            (record.key or b"").decode(errors="replace"),
            record.value,
            {name: (value or b"").decode(errors="replace") for name, value in record.headers},
        )
