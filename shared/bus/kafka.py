"""Apache Kafka as the bus, by aiokafka.

Its defaults lose data and its failures are quiet, so this module sets and watches:

- ``acks=all`` and an idempotent producer. Such a producer never gives a batch up, so each publish
  has a time limit; past it, and after any error it cannot explain, the producer is thrown away with
  all it still holds and a new one is built for the next publish.
- Whole batches are built per partition: one future each, where a future per message is slow and
  thousands of them at once are quadratic.
- Without its C extension aiokafka is sixty times slower and says nothing: checked at start.

How it reads is in ``shared.bus.kafka_subscription``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record import default_records

from shared.bus.api import BusUnavailable, Message, MissingTopics, Positions, Subscription
from shared.bus.kafka_subscription import KafkaSubscription
from shared.bus.keys import partition_of
from shared.bus.metrics import PRODUCER_REBUILDS
from shared.contracts.topics import TOPICS, Topic

_MAX_BATCH_BYTES: Final = 256 * 1024
"""Per partition and request; aiokafka's 16 KB means a round trip for every fifty messages."""
_REQUEST_MS: Final = 5_000
_COMPACT_WITHIN_MS: Final = 60 * 60 * 1000
"""Longest time a superseded or erased value may stay readable in a compacted topic."""
_AWAY: Final = (KafkaError, OSError, TimeoutError)

_log = logging.getLogger(__name__)


class KafkaBus:
    """A Kafka cluster. ``bootstrap`` is ``host:port[,host:port]``, ``prefix`` goes before each
    logical topic name and each group; times are in seconds."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str = "",
        *,
        replication: int = 1,
        connect_timeout: float = 5.0,
        send_timeout: float = 10.0,
        watch_every: float = 5.0,
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._replication = replication
        self._connect_timeout = connect_timeout
        self._send_timeout = send_timeout
        self._watch_every = watch_every
        self._producer: AIOKafkaProducer | None = None
        self._building = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._stalls: dict[object, int] = {}

    async def start(self) -> None:
        """Connect. Raises BusUnavailable when the broker is away; may be called again."""
        _assert_fast()
        await self._started_producer()

    async def stop(self) -> None:
        """Close the producer. Publishes under way raise BusUnavailable."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._spawn_close(producer)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write messages durably, those of one partition in order. Raises BusUnavailable,
        MissingTopics, and ValueError for a message larger than the broker takes."""
        if not messages:
            return
        producer = await self._started_producer()
        try:
            async with asyncio.timeout(self._send_timeout):
                await self._send(producer, messages)
        except (BusUnavailable, MissingTopics):
            raise
        except MessageSizeTooLargeError as error:
            # Its sequence number is used up: this producer can't write to that partition any more.
            self._discard(producer, error)
            raise ValueError(f"a message is larger than the broker takes: {error}") from error
        except (*_AWAY, AssertionError) as error:
            # What was sent may or may not arrive; nothing of it may be sent again behind the
            # caller's back, after what the caller sends next.
            self._discard(producer, error)
            raise BusUnavailable(f"Kafka did not confirm: {error!r}") from error
        except asyncio.CancelledError:
            self._discard(producer, None)
            raise

    async def subscribe(
        self, group: str, topics: Sequence[str], positions: Positions
    ) -> Subscription:
        """Join a group. Raises BusUnavailable, MissingTopics."""
        await self.check_topics(topics)
        subscription = KafkaSubscription(
            self._bootstrap,
            self._prefix,
            group,
            topics,
            positions,
            watch_every=self._watch_every,
            stalls=self._stalls,
        )
        await subscription.start(self._connect_timeout)
        return subscription

    async def check_topics(self, topics: Sequence[str]) -> None:
        """Raises MissingTopics naming each that is not there, BusUnavailable."""
        async with self._admin() as admin:
            existing = set(await admin.list_topics())
        missing = sorted({self._prefix + name for name in topics} - existing)
        if missing:
            raise MissingTopics(missing)

    async def create_topics(self) -> Sequence[str]:
        """Create what the registry names and the cluster lacks; returns their physical names.
        Raises BusUnavailable."""
        async with self._admin() as admin:
            existing = set(await admin.list_topics())
            missing = [t for t in TOPICS.values() if self._prefix + t.name not in existing]
            if not missing:
                return []
            answer = await admin.create_topics([self._new_topic(topic) for topic in missing])
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {name} could not be created")
            names = {self._prefix + topic.name for topic in missing}
            while not names <= set(await admin.list_topics()):  # noqa: ASYNC110 - a remote state
                await asyncio.sleep(0.05)  # until the broker that answers knows them too
        return sorted(names)

    def _new_topic(self, topic: Topic) -> NewTopic:
        settings: dict[str, str] = {}
        if topic.compacted:
            settings["cleanup.policy"] = "compact"
            settings["max.compaction.lag.ms"] = str(_COMPACT_WITHIN_MS)
        if topic.retention_ms is not None:
            settings["retention.ms"] = str(topic.retention_ms)
        if self._replication > 2:
            settings["min.insync.replicas"] = "2"
        name = self._prefix + topic.name
        return NewTopic(name, topic.partitions, self._replication, topic_configs=settings)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """A connected admin client, for at most twice the time to connect."""
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, request_timeout_ms=_REQUEST_MS
        )
        try:
            async with asyncio.timeout(2 * self._connect_timeout):
                await admin.start()
                yield admin
        except IncompatibleBrokerVersion:
            raise
        except _AWAY as error:
            raise BusUnavailable(f"Kafka at {self._bootstrap}: {error!r}") from error
        finally:
            with suppress(*_AWAY):
                await admin.close()

    async def _send(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        partitions = await self._partitions(producer, {m.topic for m in messages})
        by_place: dict[tuple[str, int], list[tuple[bytes, Message]]] = {}
        for message in messages:
            key = message.key.encode()
            number = partition_of(key, partitions[message.topic])
            by_place.setdefault((message.topic, number), []).append((key, message))
        # A partition's batches go one after the other, the partitions side by side. One that
        # fails makes the caller throw the producer away, which ends the others.
        await asyncio.gather(
            *(
                _send_to_partition(producer, self._prefix + topic, number, records)
                for (topic, number), records in by_place.items()
            )
        )

    async def _partitions(self, producer: AIOKafkaProducer, topics: set[str]) -> Mapping[str, int]:
        """How many partitions each logical topic has."""
        known = producer.client.cluster.partitions_for_topic
        unknown = [topic for topic in topics if known(self._prefix + topic) is None]
        if unknown:
            await self.check_topics(unknown)  # the producer itself would wait for them to appear
        return {topic: len(await producer.partitions_for(self._prefix + topic)) for topic in topics}

    async def _started_producer(self) -> AIOKafkaProducer:
        async with self._building:
            if self._producer is not None:
                return self._producer
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                max_batch_size=_MAX_BATCH_BYTES,
                request_timeout_ms=_REQUEST_MS,
            )
            try:
                async with asyncio.timeout(self._connect_timeout):
                    await producer.start()
            except BaseException as error:
                self._spawn_close(producer)
                if isinstance(error, _AWAY):
                    raise BusUnavailable(f"Kafka at {self._bootstrap}: {error!r}") from error
                raise
            self._producer = producer
            return producer

    def _discard(self, producer: AIOKafkaProducer | None, error: BaseException | None) -> None:
        """Throw a producer away with all it holds; the next publish builds another."""
        if producer is None or producer is not self._producer:
            return
        self._producer = None
        PRODUCER_REBUILDS.inc()
        _log.warning("Kafka producer thrown away", extra={"reason": repr(error)})
        self._spawn_close(producer)

    def _spawn_close(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_close_without_flush(producer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _send_to_partition(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[tuple[bytes, Message]]
) -> None:
    """Send one partition's messages in as few batches as they fit in; returns once confirmed.

    Each waits for the one before it: behind one that is refused nothing may be written, and a
    producer's first batch in a partition is taken whatever its sequence number is.
    """
    batch = producer.create_batch()
    for key, message in records:
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        record = {"timestamp": None, "key": key, "value": message.value, "headers": headers}
        if batch.append(**record) is None:
            await (await _submit(producer, batch, topic, partition))
            batch = producer.create_batch()
            batch.append(**record)  # the first one always fits; the broker has the last word
    await (await _submit(producer, batch, topic, partition))


async def _submit(
    producer: AIOKafkaProducer, batch: BatchBuilder, topic: str, partition: int
) -> asyncio.Future[object]:
    confirmed: asyncio.Future[object] = await producer.send_batch(batch, topic, partition=partition)
    # Whoever waits may have gone by the time it fails; that is no news then.
    confirmed.add_done_callback(lambda done: done.cancelled() or done.exception())
    return confirmed


async def _close_without_flush(producer: AIOKafkaProducer) -> None:
    """``producer.stop()`` waits until everything is delivered: for ever, when it can't be."""
    producer._closed = True
    producer._message_accumulator.fail_all(KafkaError("the producer was thrown away"))
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    with suppress(*_AWAY):
        await producer.client.close()
    if sender is not None:
        with suppress(Exception, asyncio.CancelledError):
            await asyncio.wait([sender], timeout=_REQUEST_MS / 1000)


def _assert_fast() -> None:
    """Raises RuntimeError when aiokafka lacks its C extension."""
    if default_records.DefaultRecordBatchBuilder.__module__ == default_records.__name__:
        raise RuntimeError("aiokafka runs without its C extension: install a wheel that has it")
