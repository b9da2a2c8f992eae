"""Consumer and relay as they run: on real buses, through outages, with more than one of each."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from dev.parts.kafka import Kafka
from dev.parts.postgres import Postgres, create_database
from shared.bus.api import Bus, BusUnavailable
from shared.bus.open import open_bus
from shared.contracts.envelope import Event
from shared.db import inbox, outbox
from shared.db.tables import dead_letters
from shared.runtime.parts import Loop
from shared.runtime.relay import Relay
from tests.shared.runtime.checks import (
    Recorder,
    check_that_nothing_leaves_the_outbox_unconfirmed,
    empty,
    relay_of,
)
from tests.shared.toy.embedded import EmbeddedLog
from tests.shared.toy.service import Toy, captured, garbage, message, toy_on
from tests.shared.toy.waiting import until

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_KAFKA = pytest.mark.parametrize("bus_url", ["kafka"], indirect=True)


@asynccontextmanager
async def running(*parts: Loop) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for part in parts:
            await part.start()
            stack.push_async_callback(part.stop)
        yield


async def _effects(toy: Toy, number: int) -> None:
    async def there() -> bool:
        return (await toy.counts())["effects"] >= number

    await until(there, seconds=60)


async def _outbox_is_empty(toy: Toy) -> None:
    await until(lambda: empty(toy), seconds=60)


def _emit(toy: Toy, *events: Event[Any]) -> None:
    """One transaction that decides these events."""
    with toy.transactions.begin() as unit:
        for event in events:
            unit.emit(event.data)


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


async def _through(toy: Toy, bus: Any, *parts: Loop) -> None:
    """Order per key, poison, garbage and repeats on the way from a topic to a topic."""
    events = [captured(f"lead-{n % 7}", n) for n in range(140)]
    toy.poison = {events[3].id}
    async with running(*parts):
        messages = [message(event) for event in events]
        await bus.publish([*messages[:70], garbage("odd"), *messages[30:]])
        await _effects(toy, 120)
        answers = await Reader(bus, "lead.handoff").read(120)
        notices = await Reader(bus, "qualify.dead-letter").read(2)
    for lead in set(range(7)) - {3}:
        assert await toy.numbers(f"lead-{lead}") == list(range(lead, 140, 7))
    assert await toy.numbers("lead-3") == []
    assert len({m.headers["ce_id"] for m in answers}) == 120
    assert {m.key for m in notices} == {"lead-3", "odd"}


@ON_KAFKA
async def test_from_a_topic_through_the_database_to_a_topic(toy: Toy, bus: Any) -> None:
    await _through(toy, bus, toy.consumer(bus), relay_of(toy, bus))
    await until(lambda: empty(toy))


@ON_SQLITE
async def test_from_an_outbox_through_the_database_to_an_outbox(
    toy: Toy, embedded: EmbeddedLog
) -> None:
    """Embedded, nothing relays: what is committed is the log."""
    await _through(toy, embedded, toy.consumer(embedded))


@ON_SQLITE
async def test_an_event_goes_on_at_once_without_any_polling(
    toy: Toy, embedded: EmbeddedLog
) -> None:
    """From one commit to the effect of the next service: nobody waits for a turn."""
    embedded.database("capture")  # its file is made and migrated before the clock runs
    async with running(toy.consumer(embedded)):
        await embedded.publish([message(captured("lead", -1))])
        await _effects(toy, 1)
        began = time.monotonic()
        for number in range(40):
            await embedded.publish([message(captured("lead", number))])
            await _effects(toy, number + 2)
        assert time.monotonic() - began < 10, "a second each would be a poll's patience"


@ON_SQLITE
async def test_a_new_consumer_goes_on_where_the_last_one_was(
    toy: Toy, embedded: EmbeddedLog
) -> None:
    await embedded.publish([message(captured("lead", n)) for n in range(5)])
    async with running(toy.consumer(embedded)):
        await _effects(toy, 5)
    await embedded.publish([message(captured("lead", n)) for n in range(5, 8)])
    async with running(toy.consumer(embedded)):
        await _effects(toy, 8)
    assert await toy.numbers("lead") == list(range(8))
    assert len(toy.handled) == 8, "nothing was delivered twice"


@ON_SQLITE
@ON_KAFKA
async def test_a_lost_partition_loses_nothing_of_the_others(toy: Toy, bus: Any) -> None:
    """One partition of a batch is somebody else's by now: the batch is rolled back, the other
    partitions, some still at the beginning of the log, are read again."""
    consumer = toy.consumer(bus)

    async def joined() -> bool:
        await consumer.step()
        return len(consumer._positions) == 6

    await until(joined)
    await bus.publish([message(captured(f"lead-{n}", n)) for n in range(12)])
    stolen = ("lead.captured", 2)
    with toy.db.begin() as conn:
        inbox.advance(conn, "qualify", {stolen: (-1, 1)})
    async with running(consumer):
        await until(lambda: len(set(toy.handled)) >= 11)

        async def read_all() -> bool:
            return (await toy.counts())["read"] == 12

        await until(read_all)
    missing = [n for n in range(12) if not await toy.numbers(f"lead-{n}")]
    assert len(missing) == 1, "the one message that somebody else had"


@ON_SQLITE
async def test_the_limit_of_dead_letters_stops_it_until_they_are_gone(
    toy: Toy, embedded: EmbeddedLog
) -> None:
    consumer = toy.consumer(embedded, dead_letter_limit=2)
    async with running(consumer):
        bad = [garbage("a"), garbage("a"), garbage("a"), message(captured("a", 1))]
        await embedded.publish(bad)

        async def stopped() -> bool:
            return "2 dead letters: replay or discard" in (await consumer.check() or "")

        await until(stopped)
        assert (await toy.counts())["dead_letters"] == 2
        await toy.db.write(lambda conn: conn.execute(dead_letters.delete()))

        async def gone() -> bool:
            return (await toy.counts())["dead_letters"] == 2  # the third, and a parked one

        await until(gone)


@ON_SQLITE
async def test_a_missing_topic_ends_the_consumer(toy: Toy, kafka: str) -> None:
    bus = open_bus(f"kafka://{kafka}", "empty.", lambda _: toy.db)
    await bus.start()
    consumer = toy.consumer(bus)
    await consumer.start()
    await until(lambda: consumer.task is not None and consumer.task.done())
    assert consumer.task is not None
    assert "empty.lead.captured" in str(consumer.task.exception())
    await consumer.stop()
    await bus.stop()


@ON_SQLITE
async def test_who_may_linger_makes_larger_batches_of_the_same_events(
    toy: Toy, embedded: EmbeddedLog
) -> None:
    async with running(toy.consumer(embedded, linger=0.2)):
        for number in range(20):
            await embedded.publish([message(captured("lead", number))])
        await _effects(toy, 20)
    assert await toy.numbers("lead") == list(range(20))
    assert len(toy.units) < 10


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
    await check_that_nothing_leaves_the_outbox_unconfirmed(toy, Fickle(2, keeps=keeps))


async def test_the_check_notices_a_relay_that_removes_first(toy: Toy) -> None:
    class Careless(Relay):
        async def _publish_and_remove(self, free: Any) -> None:
            await self._db.write(lambda conn: outbox.remove(conn, [row.seq for row in free]))
            await super()._publish_and_remove(free)

    with pytest.raises(AssertionError):
        await check_that_nothing_leaves_the_outbox_unconfirmed(
            toy, Fickle(1, keeps=False), Careless
        )


async def test_one_of_two_relays_publishes_and_the_other_takes_over(toy: Toy) -> None:
    first_bus, second_bus = Recorder(), Recorder()
    first, second = relay_of(toy, first_bus), relay_of(toy, second_bus)
    await first.start()
    _emit(toy, captured("lead", 1))
    await until(lambda: first_bus.messages)
    async with running(second):
        _emit(toy, captured("lead", 2))
        await until(lambda: len(first_bus.messages) == 2)
        assert second_bus.messages == []
        await first.stop()
        _emit(toy, captured("lead", 3))
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
        _emit(toy, captured("lead", 1))
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
    _emit(toy, captured("lead", 1))
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

    _emit(toy, *(captured("lead", number) for number in range(120)))
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


@pytest.mark.parametrize("rudely", [False, True])
async def test_the_database_goes_and_comes_back(
    own_postgres: Postgres, tmp_path: Path, rudely: bool
) -> None:
    """Events keep coming meanwhile: each has its effect once, and none becomes a dead letter,
    also of those that meet a server which is just shutting down or starting."""
    url = create_database(own_postgres.url, "toy")
    bus = EmbeddedLog(tmp_path / "log")
    await bus.start()
    async with toy_on(url) as toy:
        broker = Recorder()
        consumer, relay = toy.consumer(bus), relay_of(toy, broker)
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
        assert (counts["effects"], counts["dead_letters"], counts["read"]) == (sent, 0, sent + 1)
        assert len(set(broker.ids)) == sent
        for lead in range(5):
            assert await toy.numbers(f"lead-{lead}") == list(range(lead, sent, 5))
    await bus.stop()


@ON_SQLITE
async def test_the_broker_goes_and_comes_back(toy: Toy, tmp_path: Path) -> None:
    with Kafka(tmp_path / "kafka") as server:
        bus: Any = open_bus(f"kafka://{server.bootstrap}", "away.", lambda _: toy.db)
        await bus.start()
        await bus.create_topics()
        consumer, relay = toy.consumer(bus), relay_of(toy, bus)
        async with running(consumer, relay):
            await bus.publish([message(captured("lead", n)) for n in range(5)])
            await _effects(toy, 5)
            await _outbox_is_empty(toy)
            await asyncio.to_thread(server.stop)
            _emit(toy, captured("lead", 5))

            async def says_so() -> bool:
                return "broker" in (await relay.check() or "")

            await until(says_so, seconds=60)
            await asyncio.to_thread(server.start)
            await _effects(toy, 6)
            await _outbox_is_empty(toy)
        await bus.stop()
    assert await toy.numbers("lead") == list(range(6))
