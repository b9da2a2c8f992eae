"""Consumer and relay as they run: on real buses, through outages, with more than one of each."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from dev.parts.kafka import Kafka
from dev.parts.postgres import Postgres, create_database
from shared.bus.api import Bus, BusUnavailable, Message
from shared.bus.open import open_bus
from shared.db import inbox, outbox
from shared.db.tables import dead_letters
from shared.runtime.parts import Loop
from shared.runtime.relay import Relay
from tests.shared.runtime.checks import Recorder
from tests.shared.toy.service import NOW, Toy, captured, garbage, message, toy_on
from tests.shared.toy.waiting import until

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_LOCAL = pytest.mark.parametrize("bus_url", ["local"], indirect=True)


@asynccontextmanager
async def running(*parts: Loop) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for part in parts:
            await part.start()
            stack.push_async_callback(part.stop)
        yield


def relay_of(toy: Toy, bus: Any, kind: type[Relay] = Relay) -> Relay:
    return kind("qualify", toy.db, bus, toy.transactions.woken)


async def _effects(toy: Toy, number: int) -> None:
    async def there() -> bool:
        return (await toy.counts())["effects"] >= number

    await until(there, seconds=60)


async def _outbox_is_empty(toy: Toy) -> None:
    async def empty() -> bool:
        return (await toy.counts())["outbox"] == 0

    await until(empty, seconds=60)


class Reader:
    """All messages of a topic, from its beginning."""

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus, self._topic = bus, topic
        self.messages: list[Any] = []

    async def read(self, number: int) -> list[Any]:
        async def beginning(_: Any) -> dict[Any, int]:
            return {}

        subscription = await self._bus.subscribe(f"reader-{id(self)}", [self._topic], beginning)
        try:

            async def enough() -> bool:
                self.messages += await subscription.poll(500, 0.2)
                return len(self.messages) >= number

            await until(enough, seconds=60)
        finally:
            await subscription.close()
        return self.messages


async def test_from_a_topic_through_the_database_to_a_topic(toy: Toy, bus: Bus) -> None:
    """Both databases and both buses: order per key, poison, garbage and repeats on the way."""
    events = [captured(f"lead-{n % 7}", n) for n in range(140)]
    toy.poison = {events[3].id}
    async with running(toy.consumer(bus), relay_of(toy, bus)):
        messages = [message(event) for event in events]
        await bus.publish([*messages[:70], garbage("odd"), *messages[30:]])
        await _effects(toy, 120)
        await _outbox_is_empty(toy)
    for lead in set(range(7)) - {3}:
        assert await toy.numbers(f"lead-{lead}") == list(range(lead, 140, 7))
    assert await toy.numbers("lead-3") == []
    answers = await Reader(bus, "lead.handoff").read(120)
    assert len({m.headers["ce_id"] for m in answers}) == 120
    notices = await Reader(bus, "qualify.dead-letter").read(2)
    assert {m.key for m in notices} == {"lead-3", "odd"}


@ON_LOCAL
async def test_a_new_consumer_goes_on_where_the_last_one_was(toy: Toy, bus: Bus) -> None:
    await bus.publish([message(captured("lead", n)) for n in range(5)])
    async with running(toy.consumer(bus)):
        await _effects(toy, 5)
    await bus.publish([message(captured("lead", n)) for n in range(5, 8)])
    async with running(toy.consumer(bus)):
        await _effects(toy, 8)
    assert await toy.numbers("lead") == list(range(8))
    assert len(toy.handled) == 8, "nothing was delivered twice"


@ON_LOCAL
async def test_a_lost_partition_loses_nothing_of_the_others(toy: Toy, bus: Bus) -> None:
    """One partition of a batch is somebody else's by now: the batch is rolled back, the other
    partitions, some still at the beginning of the log, are read again."""
    consumer = toy.consumer(bus)
    await consumer.step()  # joins, and loads positions
    await bus.publish([message(captured(f"lead-{n}", n)) for n in range(12)])
    stolen = ("lead.captured", 2)
    async with toy.db.write() as conn:
        await inbox.advance(conn, "qualify", {stolen: (-1, 1)})
    async with running(consumer):
        await until(lambda: len(set(toy.handled)) >= 11)

        async def read_all() -> bool:
            return (await toy.counts())["read"] == 12

        await until(read_all)
    missing = [n for n in range(12) if not await toy.numbers(f"lead-{n}")]
    assert len(missing) == 1, "the one message that somebody else had"


@ON_LOCAL
async def test_the_limit_of_dead_letters_stops_it_until_they_are_gone(toy: Toy, bus: Bus) -> None:
    consumer = toy.consumer(bus, dead_letter_limit=2)
    async with running(consumer):
        await bus.publish([garbage("a"), garbage("a"), garbage("a"), message(captured("a", 1))])

        async def stopped() -> bool:
            return "2 dead letters: replay or discard" in (await consumer.check() or "")

        await until(stopped)
        assert (await toy.counts())["dead_letters"] == 2
        async with toy.db.write() as conn:
            await conn.execute(dead_letters.delete())

        async def gone() -> bool:
            return (await toy.counts())["dead_letters"] == 2  # the third, and a parked one

        await until(gone)


async def test_a_missing_topic_ends_the_consumer(toy: Toy, tmp_path: Path) -> None:
    bus = open_bus("local:", "empty.", tmp_path)
    await bus.start()
    consumer = toy.consumer(bus)
    await consumer.start()
    await until(lambda: consumer.task is not None and consumer.task.done())
    assert consumer.task is not None
    assert "empty.lead.captured" in str(consumer.task.exception())
    await consumer.stop()
    await bus.stop()


class Fickle(Recorder):
    """A broker that is away for some publishes; what it was given then may be there or not."""

    def __init__(self, failures: int, *, keeps: bool) -> None:
        super().__init__()
        self.failures, self.keeps = failures, keeps

    async def publish(self, messages: Any) -> None:
        if self.failures:
            self.failures -= 1
            if self.keeps:
                await super().publish(messages)
            raise BusUnavailable("away")
        await super().publish(messages)


@pytest.mark.parametrize("keeps", [True, False])
async def test_nothing_leaves_the_outbox_unconfirmed(toy: Toy, keeps: bool) -> None:
    bus = Fickle(2, keeps=keeps)
    events = [captured("lead", n) for n in range(5)]
    async with toy.db.write() as conn:
        await outbox.add(conn, "qualify", events, NOW)
    relay = relay_of(toy, bus)
    async with running(relay):
        await until(lambda: bus.failures == 1)
        assert (await toy.counts())["outbox"] == 5
        await _outbox_is_empty(toy)
        assert await relay.check() is None
    assert list(dict.fromkeys(bus.ids)) == [event.id for event in events]


async def test_one_of_two_relays_publishes_and_the_other_takes_over(toy: Toy) -> None:
    first_bus, second_bus = Recorder(), Recorder()
    first, second = relay_of(toy, first_bus), relay_of(toy, second_bus)
    await first.start()
    async with toy.transactions.begin() as uow:
        uow.emit(captured("lead", 1).data)
    await until(lambda: first_bus.messages)
    async with running(second):
        async with toy.transactions.begin() as uow:
            uow.emit(captured("lead", 2).data)
        await until(lambda: len(first_bus.messages) == 2)
        assert second_bus.messages == []
        await first.stop()
        async with toy.transactions.begin() as uow:
            uow.emit(captured("lead", 3).data)
        await until(lambda: second_bus.messages)
    assert (len(first_bus.messages), len(second_bus.messages)) == (2, 1)


async def test_a_crashed_relays_lease_runs_out(toy: Toy) -> None:
    class Brief(Relay):
        LEASE_SECONDS = 0.6

    crashed = relay_of(toy, Recorder(), Brief)
    await crashed.start()
    await until(lambda: crashed._leased_until)
    assert crashed.task is not None
    crashed.task.cancel()  # no release: as if its process had died
    bus = Recorder()
    async with running(relay_of(toy, bus)):
        async with toy.transactions.begin() as uow:
            uow.emit(captured("lead", 1).data)
        await until(lambda: bus.messages)


async def test_no_publish_outlasts_the_lease(toy: Toy) -> None:
    """A broker that hangs: the relay gives up before another one may publish the same keys."""

    class Brief(Relay):
        LEASE_SECONDS = 1.0

    class Hanging(Recorder):
        under_way = 0

        async def publish(self, messages: Any) -> None:
            self.under_way += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.under_way -= 1

    class Watching(Recorder):
        async def publish(self, messages: Any) -> None:
            assert hanging.under_way == 0
            await super().publish(messages)

    hanging, watching = Hanging(), Watching()
    stuck = relay_of(toy, hanging, Brief)
    await stuck.start()
    async with toy.transactions.begin() as uow:
        uow.emit(captured("lead", 1).data)
    await until(lambda: hanging.under_way)
    async with running(relay_of(toy, watching)):
        await until(lambda: hanging.under_way == 0)
        assert "while the lease lasted" in (await stuck.check() or "")
        await stuck.stop()
        await until(lambda: watching.messages)


async def test_what_does_not_fit_into_a_lease_is_published_in_pieces(toy: Toy) -> None:
    """A slow broker and a full outbox: a batch that takes longer than the lease never ends."""

    class Brief(Relay):
        LEASE_SECONDS = 0.6

    class Slow(Recorder):
        async def publish(self, messages: Any) -> None:
            await asyncio.sleep(0.01 * len(messages))
            await super().publish(messages)

    async with toy.transactions.begin() as uow:
        for number in range(120):
            uow.emit(captured("lead", number).data)
    bus = Slow()
    relay = relay_of(toy, bus, Brief)
    async with running(relay):
        await _outbox_is_empty(toy)
    assert [orjson.loads(m.value or b"")["facts"]["number"] for m in bus.messages] == list(
        range(120)
    )


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A PostgreSQL that a test may stop."""
    with Postgres(tmp_path / "pg") as server:
        yield server


@ON_LOCAL
@pytest.mark.parametrize("rudely", [False, True])
async def test_the_database_goes_and_comes_back(
    own_postgres: Postgres, bus: Bus, rudely: bool
) -> None:
    """Events keep coming meanwhile: each has its effect once, and none becomes a dead letter,
    also of those that meet a server which is just shutting down or starting."""
    url = create_database(own_postgres.url, "toy")
    async with toy_on(url) as toy:
        consumer, relay = toy.consumer(bus), relay_of(toy, bus)
        sent = 0
        done = asyncio.Event()

        async def keep_publishing() -> None:
            nonlocal sent
            while not done.is_set():
                await bus.publish([message(captured(f"lead-{sent % 5}", sent))])
                sent += 1
                await asyncio.sleep(0.01)

        async with running(consumer, relay):
            publishing = asyncio.create_task(keep_publishing())
            await _effects(toy, 20)
            await asyncio.to_thread(own_postgres.kill if rudely else own_postgres.stop)

            async def says_so() -> bool:
                return "database" in (await consumer.check() or "")

            await until(says_so)
            before = sent
            await until(lambda: sent > before + 20)
            await asyncio.to_thread(own_postgres.start)
            done.set()
            await publishing
            await _effects(toy, sent)
            await _outbox_is_empty(toy)
            assert await consumer.check() is None
        counts = await toy.counts()
        assert (counts["effects"], counts["dead_letters"], counts["read"]) == (sent, 0, sent)
        for lead in range(5):
            assert await toy.numbers(f"lead-{lead}") == list(range(lead, sent, 5))


@ON_SQLITE
async def test_the_broker_goes_and_comes_back(toy: Toy, tmp_path: Path) -> None:
    with Kafka(tmp_path / "kafka") as server:
        bus = open_bus(f"kafka://{server.bootstrap}", "away.", tmp_path)
        await bus.start()
        await bus.create_topics()
        consumer, relay = toy.consumer(bus), relay_of(toy, bus)
        async with running(consumer, relay):
            await bus.publish([message(captured("lead", n)) for n in range(5)])
            await _effects(toy, 5)
            await _outbox_is_empty(toy)
            await asyncio.to_thread(server.stop)
            async with toy.transactions.begin() as uow:
                uow.emit(captured("lead", 5).data)

            async def says_so() -> bool:
                return "broker" in (await relay.check() or "")

            await until(says_so, seconds=60)
            await asyncio.to_thread(server.start)
            await _effects(toy, 6)
            await _outbox_is_empty(toy)
        await bus.stop()
    assert await toy.numbers("lead") == list(range(6))


def test_a_message_is_what_the_bus_takes() -> None:
    assert isinstance(message(captured("lead")), Message)
