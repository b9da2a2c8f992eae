"""What can go wrong with a broker: it is away, goes away, comes back, has dropped what we want."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.record import default_records
from aiokafka.structs import TopicPartition as PhysicalPartition

from dev.parts.kafka import Kafka
from dev.parts.process import free_port
from shared.bus.api import BusUnavailable, Message, TopicPartition
from shared.bus.kafka import KafkaBus
from shared.bus.metrics import POSITION_RESETS, PRODUCER_REBUILDS, STALLS
from tests.bus.lab import TOPIC, Database, Lab, Reader, headers, messages, until, until_shared
from tests.conftest import BusAddress

on_kafka = pytest.mark.parametrize("bus_url", ["kafka"], indirect=True)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka: str) -> Iterator[Kafka]:
    """A broker of this module's own, to stop and start. (``kafka``: skips where none can run.)"""
    with Kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest_asyncio.fixture
async def bus(broker: Kafka, request: pytest.FixtureRequest) -> AsyncIterator[KafkaBus]:
    if broker.pid is None:
        broker.start()
    prefix = f"t{time.time_ns()}."
    bus = KafkaBus(broker.bootstrap, prefix, send_timeout=2, connect_timeout=2, watch_every=0.5)
    await bus.start()
    await bus.create_topics()
    yield bus
    await bus.stop()


def _lab(bus: KafkaBus) -> Lab:
    async def another() -> KafkaBus:
        raise AssertionError("not asked for")

    return Lab(bus, another)


async def test_a_broker_that_is_away_is_reported_in_seconds_and_found_later(
    tmp_path: Path, kafka: str
) -> None:
    server = Kafka(tmp_path, port=free_port())
    bus = KafkaBus(server.bootstrap or "", "p.")
    before = time.monotonic()
    for _ in range(2):
        with pytest.raises(BusUnavailable):
            await bus.start()
        with pytest.raises(BusUnavailable):
            await bus.publish(messages(1))
        with pytest.raises(BusUnavailable):
            await bus.check_topics([TOPIC])
        with pytest.raises(BusUnavailable):
            await bus.subscribe("g", [TOPIC], Database().ask)
    assert time.monotonic() - before < 30
    with server:
        await bus.start()
        await bus.create_topics()
        await bus.publish(messages(10))
        await bus.stop()


async def test_a_broker_that_dies_loses_nothing(bus: KafkaBus, broker: Kafka) -> None:
    database = Database()
    async with _lab(bus).reader(database) as reader:
        await until_shared(reader)
        await bus.publish(messages(100))
        await until(lambda: len(database.applied) >= 50, reader, max_records=10)
        broker.kill()
        with pytest.raises(BusUnavailable):
            await bus.publish(messages(100, start=100))
        with pytest.raises(BusUnavailable):
            await _poll_for(reader, 30)
        await asyncio.to_thread(broker.start)
        await _publish_until_confirmed(bus, 100, 100)
        await _read_through(reader, 200)
    # The publish that raised may have arrived as well: then those are there twice.
    assert set(database.numbers) == set(range(200))


async def test_a_publish_rides_out_a_short_absence(broker: Kafka, bus: KafkaBus) -> None:
    patient = KafkaBus(broker.bootstrap, bus._prefix, send_timeout=60)
    await patient.start()
    await patient.publish(messages(10))
    broker.stop()
    publishing = asyncio.create_task(patient.publish(messages(10, start=10)))
    await asyncio.to_thread(broker.start)
    await publishing
    database = Database()
    async with _lab(bus).reader(database) as reader:
        await until(lambda: len(database.applied) == 20, reader)
    assert sorted(database.numbers) == list(range(20))
    await patient.stop()


async def test_a_sequence_out_of_order_costs_one_publish(bus: KafkaBus) -> None:
    await bus.publish(messages(10))
    before = PRODUCER_REBUILDS._value.get()
    transactions = bus._producer._txn_manager  # type: ignore[union-attr]
    for number in range(6):
        place = PhysicalPartition(f"{bus._prefix}{TOPIC}", number)
        transactions.increment_sequence_number(place, 100)  # the broker never saw those
    with pytest.raises(BusUnavailable, match="OutOfOrder"):
        await bus.publish(messages(10, start=10))
    assert PRODUCER_REBUILDS._value.get() == before + 1
    await bus.publish(messages(10, start=20))


@pytest.mark.parametrize(("before_it", "behind"), [(50, 1), (50, 3000), (0, 3000)])
async def test_a_message_too_large_is_said_and_nothing_of_its_partition_overtakes_it(
    bus: KafkaBus, before_it: int, behind: int
) -> None:
    """Whoever sets it aside must find all that came after it still to be sent; what goes to other
    partitions is nobody's trouble."""
    huge = Message(TOPIC, "key-0", b"x" * 1_200_000, headers(0))
    before, after = messages(before_it, keys=1), messages(behind, keys=1, start=100)
    others = [replace(m, key=f"other-{m.key}") for m in messages(3000, keys=300, start=10_000)]
    for _ in range(3):  # and again, as the relay does
        with pytest.raises(ValueError, match="larger than the broker takes"):
            await bus.publish([*others[:1500], *before, huge, *after, *others[1500:]])
    await bus.publish([*before, *after])
    database = Database()
    async with _lab(bus).reader(database) as reader:
        last = after[-1].value
        await until(lambda: last in [m.value for m in database.applied], reader)
    numbers = [int(m.value or b"") for m in database.applied if m.key == "key-0"]
    expected = [*range(before_it), *range(100, 100 + behind)]
    assert list(dict.fromkeys(numbers)) == expected
    assert numbers[-len(expected) :] == expected
    assert not set(numbers[: -len(expected)]) & set(range(100, 100 + behind)), "it was overtaken"


async def test_a_cancelled_publish_takes_its_producer_along(bus: KafkaBus) -> None:
    producer = bus._producer
    assert producer is not None
    publishing = asyncio.create_task(bus.publish(messages(5000)))
    while not producer._message_accumulator._batches:
        await asyncio.sleep(0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert bus._producer is None  # what it still held can't arrive after what comes next
    await bus.publish(messages(1, start=9000))
    database = Database()
    async with _lab(bus).reader(database) as reader:
        await until(lambda: 9000 in database.numbers, reader)


async def test_a_broker_that_hangs_is_reported_too(bus: KafkaBus, broker: Kafka) -> None:
    database = Database()
    assert broker.pid is not None
    async with _lab(bus).reader(database) as reader:
        await until_shared(reader)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(60):
                with pytest.raises(BusUnavailable):
                    await bus.publish(messages(10))
                with pytest.raises(BusUnavailable):
                    await bus.check_topics([TOPIC])
                with pytest.raises(BusUnavailable):
                    await _poll_for(reader, 30)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await _publish_until_confirmed(bus, 10, 0)
        await _read_through(reader, 10)


async def test_dropped_messages_are_skipped_with_a_warning(
    bus: KafkaBus, broker: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    await bus.publish(messages(60, keys=1))
    database = Database()
    async with _lab(bus).reader(database) as reader:
        await until(lambda: len(database.applied) >= 10, reader, max_records=10)
    place = next(iter(database.positions))
    await _delete_before(broker, PhysicalPartition(bus._prefix + place.topic, place.partition), 40)
    resets = POSITION_RESETS.labels("kafka", TOPIC)
    before = resets._value.get()
    subscription = await bus.subscribe("group", [TOPIC], database.ask)
    read: list[int] = []
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(30):
            while len(read) < 20:
                read += [int(r.value or b"") for r in await subscription.poll(500, 0.2)]
    assert read == list(range(40, 60))
    assert resets._value.get() == before + 1
    assert "outside the log" in caplog.text
    await subscription.close()


async def test_a_consumer_that_fell_silent_is_given_up(
    bus: KafkaBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database()
    async with _lab(bus).reader(database) as reader:
        await until_shared(reader)

        async def silent(self: Any, *_: Any, timeout_ms: int = 0, **__: Any) -> dict[Any, Any]:
            await asyncio.sleep(timeout_ms / 1000)
            return {}

        monkeypatch.setattr(AIOKafkaConsumer, "getmany", silent)
        await bus.publish(messages(10))
        before = STALLS.labels("group")._value.get()
        with pytest.raises(BusUnavailable, match="stalled"):
            await _poll_for(reader, 30)
        assert STALLS.labels("group")._value.get() == before + 1
    monkeypatch.undo()
    async with _lab(bus).reader(database) as reader:
        await until(lambda: len(database.applied) == 10, reader)


async def test_an_idle_consumer_is_no_stall(bus: KafkaBus) -> None:
    database = Database()
    await bus.publish(messages(10))
    async with _lab(bus).reader(database) as reader:
        await until(lambda: len(database.applied) == 10, reader)
        await _poll_for(reader, 2)  # four watches long: does not raise


async def test_positions_win_over_commits(bus: KafkaBus) -> None:
    await bus.publish(messages(60, keys=1))
    database = Database()
    async with _lab(bus).reader(database) as reader:
        await until(lambda: len(database.applied) == 60, reader)
        await reader.subscription.commit(database.positions)
        # Neither one that is not ours nor a second time does any harm.
        await reader.subscription.commit({TopicPartition("no.such", 3): 1})
        await reader.subscription.commit(database.positions)
    fresh = Database()
    async with _lab(bus).reader(fresh) as reader:
        await until(lambda: len(fresh.applied) == 60, reader)


async def test_topics_get_the_settings_of_the_registry(bus: KafkaBus, broker: Kafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    names = [bus._prefix + name for name in (TOPIC, "lead.contact")]
    partitions = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics(names)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers = await admin.describe_configs(resources)
    await admin.close()
    settings = {r[3]: {e[0]: e[1] for e in r[4]} for a in answers for r in a.resources}
    assert partitions == {names[0]: 6, names[1]: 6}
    assert settings[names[0]]["cleanup.policy"] == "delete"
    assert settings[names[0]]["retention.ms"] == str(30 * 24 * 60 * 60 * 1000)
    assert settings[names[1]]["cleanup.policy"] == "compact"
    assert settings[names[1]]["max.compaction.lag.ms"] == str(60 * 60 * 1000)


@on_kafka
async def test_without_the_c_extension_it_does_not_start(
    bus_url: BusAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = default_records._DefaultRecordBatchBuilderPy
    monkeypatch.setattr(default_records, "DefaultRecordBatchBuilder", slow)
    with pytest.raises(RuntimeError, match="C extension"):
        await bus_url.open().start()


async def _poll_for(reader: Reader, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await reader.poll()


async def _read_through(reader: Reader, numbers: int) -> None:
    """Read on, over what the consumer raises while it finds the broker again."""
    async with asyncio.timeout(60):
        while len(set(reader.database.numbers)) < numbers:
            try:
                await reader.poll()
            except BusUnavailable:
                continue


async def _publish_until_confirmed(bus: KafkaBus, count: int, start: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                return await bus.publish(messages(count, start=start))
            except BusUnavailable:
                await asyncio.sleep(0.1)


async def _delete_before(broker: Kafka, place: PhysicalPartition, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
    await admin.close()
