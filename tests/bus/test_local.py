"""What the embedded bus promises beyond the contract: memory and table are one log."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection

from shared.bus import local
from shared.bus.api import BusUnavailable, Message, TopicPartition
from shared.bus.local import LocalBus, place_of
from shared.bus.metrics import POSITION_RESETS
from shared.contracts.topics import SERVICES, TOPICS
from shared.db import outbox
from shared.db.database import Database as Db
from tests.bus.lab import OTHER, TOPIC, Database, Lab, Reader, messages, until
from tests.shared.toy.embedded import EmbeddedLog


@pytest_asyncio.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    bus = EmbeddedLog(tmp_path)
    await bus.start()
    yield bus
    await bus.stop()


def _lab(bus: Any) -> Lab:
    async def another() -> Any:
        raise AssertionError("not asked for")

    return Lab(bus, another)


def _count_reads(bus: LocalBus) -> list[tuple[str, int]]:
    """Notes each read of a table: topic and place."""
    reads: list[tuple[str, int]] = []
    real = bus.in_table

    async def in_table(topic: str, start: int, limit: int) -> Any:
        reads.append((topic, start))
        return await real(topic, start, limit)

    bus.in_table = in_table  # type: ignore[method-assign]
    return reads


async def _read_to(count: int, reader: Reader, **options: Any) -> list[int]:
    await until(lambda: len(reader.database.applied) >= count, reader, **options)
    return reader.database.numbers


async def test_who_keeps_up_reads_no_table(bus: EmbeddedLog) -> None:
    reads = _count_reads(bus)
    async with _lab(bus).reader(Database()) as reader:
        await reader.poll(timeout=0)
        reads.clear()
        for start in range(0, 500, 50):
            await bus.publish(messages(50, start=start))
            await _read_to(start + 50, reader)
    assert reader.database.numbers == list(range(500))
    assert reads == []


async def test_who_comes_later_reads_the_table_once_and_then_memory(bus: EmbeddedLog) -> None:
    await bus.publish(messages(100))
    await bus.stop()
    await bus.start()
    reads = _count_reads(bus)
    async with _lab(bus).reader(Database()) as reader:
        assert await _read_to(100, reader) == list(range(100))
        await bus.publish(messages(100, start=100))
        assert await _read_to(200, reader) == list(range(200))
    assert reads == [(TOPIC, 1)]


async def test_memory_is_bounded_and_nobody_misses_what_it_let_go(
    bus: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "KEPT", 20)
    reads = _count_reads(bus)
    async with _lab(bus).reader(Database()) as reader:
        await reader.poll(timeout=0)
        for start in range(0, 500, 50):
            await bus.publish(messages(50, start=start))
            await reader.poll(30)  # falls behind
        assert await _read_to(500, reader, max_records=7) == list(range(500))
        await bus.publish(messages(20, start=500))
        reads.clear()
        assert await _read_to(520, reader) == list(range(520))
    assert reads == []
    assert len(bus._tails[TOPIC]._messages) == 20


async def test_one_batch_larger_than_memory_keeps_is_read_whole(
    bus: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "KEPT", 10)
    async with _lab(bus).reader(Database()) as reader:
        await reader.poll(timeout=0)
        await bus.publish(messages(300))
        assert await _read_to(300, reader) == list(range(300))


async def test_an_idle_reader_sleeps_until_it_is_woken(bus: EmbeddedLog) -> None:
    """And is not woken for what it does not read."""
    async with _lab(bus).reader(Database()) as reader:
        await reader.poll(timeout=0)
        looks = 0
        real = reader.subscription._read  # type: ignore[attr-defined]

        async def read(limit: int) -> Any:
            nonlocal looks
            looks += 1
            return await real(limit)

        reader.subscription._read = read  # type: ignore[attr-defined]
        waiting = asyncio.create_task(reader.poll(timeout=30))
        await asyncio.sleep(0)
        await bus.publish(messages(50, topic=OTHER))
        await bus.publish(messages(1, topic="lead.feedback"))
        assert looks == 1
        await bus.publish(messages(1))
        assert len(await waiting) == 1
        assert looks == 2


class Between:
    """A writer's database of which the answer to "where is the end" is late: ``before`` happens
    before it is looked at, ``after`` when it was."""

    def __init__(self, real: Db, before: Callable[[], None], after: Callable[[], None]) -> None:
        self._real, self._before, self._after = real, before, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        if work is not outbox.last_place:
            return await self._real.read(work)
        await self._real.on_writer(self._before)
        found = await self._real.read(work)
        await self._real.on_writer(self._after)
        await asyncio.sleep(0.01)  # what was told meanwhile is heard before the answer is
        return found


@pytest.mark.parametrize("stored", [0, 10])
async def test_what_is_committed_while_it_starts_is_seen(tmp_path: Path, stored: int) -> None:
    """By a reader that was there before, at once: nothing more has to be committed for that."""
    bus = EmbeddedLog(tmp_path)
    capture = bus.database("capture")
    bus.write(capture, messages(stored))

    def commit(start: int) -> Callable[[], None]:
        return lambda: bus.write(capture, messages(5, start=start))

    between: Any = Between(capture, commit(stored), commit(stored + 5))
    bus._given["capture"] = between
    await bus.start()
    bus._given["capture"] = capture
    for read_before in (0, stored + 5):  # from the table; and nothing but what came last
        positions = {place_of(TOPIC): read_before + 1} if read_before else {}
        async with _lab(bus).reader(
            Database(positions=positions), group=f"{read_before}"
        ) as reader:
            numbers = await _read_to(stored + 10 - read_before, reader)
            assert numbers == list(range(read_before, stored + 10))
    await bus.publish(messages(5, start=stored + 10))
    async with _lab(bus).reader(Database()) as reader:
        assert await _read_to(stored + 15, reader) == list(range(stored + 15))
    await bus.stop()


async def test_nobody_subscribes_before_it_has_found_the_ends(tmp_path: Path) -> None:
    """A position would seem to lie beyond a log whose end is not known yet."""
    bus = EmbeddedLog(tmp_path)
    capture = bus.database("capture")
    bus.write(capture, messages(10))
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        go_on.wait(10)

    between: Any = Between(capture, hold, lambda: None)
    bus._given["capture"] = between
    starting = asyncio.create_task(bus.start())
    await asyncio.to_thread(held.wait, 10)
    with pytest.raises(BusUnavailable, match="not started"):
        await bus.subscribe("group", [TOPIC], Database().ask)
    go_on.set()
    await starting
    await bus.stop()
    capture.close()


async def test_a_start_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    bus = EmbeddedLog(tmp_path)
    await bus.publish(messages(3))
    broken: Any = object()
    bus._given["routing"] = broken
    with pytest.raises(AttributeError):
        await bus.start()
    with pytest.raises(BusUnavailable):
        await bus.subscribe("group", [TOPIC], Database().ask)
    del bus._given["routing"]
    await bus.start()
    await bus.start()  # and again is no harm
    async with _lab(bus).reader(Database()) as reader:
        assert await _read_to(3, reader) == [0, 1, 2]
    await bus.stop()


async def check_that_commits_told_out_of_order_are_read(bus: EmbeddedLog) -> None:
    """Two threads commit one after the other and tell of it the other way round; and one never
    tells."""
    capture = bus.database("capture")
    held: list[tuple[str, Any]] = []
    async with _lab(bus).reader(Database()) as reader:
        await bus.publish(messages(3))
        await _read_to(3, reader)
        tell, bus.committed = bus.committed, lambda *given: held.append(given)  # type: ignore[method-assign]
        await bus.publish(messages(3, start=3))
        await bus.publish(messages(3, start=6))
        bus.committed = tell  # type: ignore[method-assign]
        for given in reversed(held):
            bus.committed(*given)
        assert await _read_to(9, reader) == list(range(9))
        bus.committed = lambda *given: None  # type: ignore[method-assign]
        await bus.publish(messages(1, start=9))
        bus.committed = tell  # type: ignore[method-assign]
        await bus.publish(messages(1, start=10))
        assert await _read_to(11, reader) == list(range(11))
        await bus.publish(messages(1, start=11))
        assert await _read_to(12, reader) == list(range(12))
    with capture.connect() as conn:
        assert outbox.last_place(conn) == 12


async def test_commits_told_out_of_order_are_read(bus: EmbeddedLog) -> None:
    await check_that_commits_told_out_of_order_are_read(bus)


async def test_the_check_notices_a_bus_that_believes_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Credulous(EmbeddedLog):
        def _append(self, service: str, rows: Any) -> None:
            self._told[service] = rows[0].seq - 1
            super()._append(service, rows)

    monkeypatch.setattr("tests.bus.lab.DEADLINE", 1.0)
    bus = Credulous(tmp_path)
    await bus.start()
    with pytest.raises(AssertionError):
        await check_that_commits_told_out_of_order_are_read(bus)
    await bus.stop()


async def test_threads_that_commit_at_once_lose_nothing(bus: EmbeddedLog) -> None:
    """Not only the writer's thread writes: a seed does, and whoever blocks anyway."""
    capture = bus.database("capture")

    def write(first: int) -> None:
        for number in range(first, first + 40):
            bus.write(capture, messages(1, start=number))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 160, 40)]
    async with _lab(bus).reader(Database()) as reader:
        for thread in threads:
            thread.start()
        numbers = await _read_to(160, reader)
        assert sorted(numbers) == list(range(160))
    for thread in threads:
        thread.join()


async def test_two_topics_of_one_writer_have_their_own_positions(bus: EmbeddedLog) -> None:
    """Their places come from one row of numbers: each topic's have gaps."""
    contact = "lead.contact"
    mixed = [
        message
        for pair in zip(messages(50, start=0), messages(50, start=100, topic=contact), strict=True)
        for message in pair
    ]
    await bus.publish(mixed)
    asked: dict[str, int] = {TOPIC: 41}  # twenty of one topic are read, none of the other

    async def positions(places: Any) -> dict[TopicPartition, int]:
        return {place: asked[place.topic] for place in places if place.topic in asked}

    subscription = await bus.subscribe("group", [TOPIC, contact], positions)
    found: dict[str, list[int]] = {TOPIC: [], contact: []}
    async with asyncio.timeout(10):
        while sum(map(len, found.values())) < 80:
            for one in await subscription.poll(7, 0.2):
                found[one.topic].append(int(one.value or b""))
    assert found == {TOPIC: list(range(20, 50)), contact: list(range(100, 150))}
    assert not await subscription.poll(10, 0)
    assert await subscription.lag() == 0
    assert subscription.assignment() == {place_of(TOPIC), place_of(contact)}
    await subscription.close()


async def test_a_topic_that_is_full_starves_none(bus: EmbeddedLog) -> None:
    await bus.publish(messages(2000))
    await bus.publish(messages(60, topic=OTHER, start=5000))
    async with _lab(bus).reader(Database(), TOPIC, OTHER) as reader:
        for _ in range(6):
            await reader.poll(50)
    assert {record.topic for record in reader.database.applied} == {TOPIC, OTHER}


async def test_no_poll_gives_more_than_was_asked_for(bus: EmbeddedLog) -> None:
    for topic in (TOPIC, OTHER, "lead.contact"):
        await bus.publish(messages(30, topic=topic))
    async with _lab(bus).reader(Database(), TOPIC, OTHER) as reader:
        sizes = [len(await reader.poll(7, timeout=0)) for _ in range(12)]
    assert sum(sizes) == 60
    assert max(sizes) == 7


async def test_a_position_beyond_the_log_is_counted_and_said(
    bus: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    await bus.publish(messages(5))
    database = Database(positions={place_of(TOPIC): 7})
    before = POSITION_RESETS.labels("local", TOPIC)._value.get()
    subscription = await bus.subscribe("group", [TOPIC], database.ask)
    async with asyncio.timeout(10):
        assert [int(m.value or b"") for m in await subscription.poll(10, 1)] == list(range(5))
    assert POSITION_RESETS.labels("local", TOPIC)._value.get() == before + 1
    assert "beyond the log" in caplog.text
    await subscription.close()


async def test_a_position_at_the_end_is_none_beyond(bus: EmbeddedLog) -> None:
    await bus.publish(messages(5))
    await bus.stop()
    await bus.start()
    before = POSITION_RESETS.labels("local", TOPIC)._value.get()
    database = Database(positions={place_of(TOPIC): 6})
    async with _lab(bus).reader(database) as reader:
        assert not await reader.poll(timeout=0)
        await bus.publish(messages(1, start=5))
        assert await _read_to(1, reader) == [5]
    assert POSITION_RESETS.labels("local", TOPIC)._value.get() == before


async def test_what_is_read_by_all_is_what_the_slowest_has_stored(bus: EmbeddedLog) -> None:
    """Pruning goes by it: a reader that has not said where it is stops it."""
    assert TOPICS[TOPIC].readers == ("qualify", "feedback")
    await bus.publish(messages(10))
    assert bus.read_by_all(TOPIC) == 0
    async with _lab(bus).reader(Database(), group="qualify") as fast:
        await _read_to(10, fast)
        await fast.subscription.commit({place_of(TOPIC): 11})
        assert bus.read_by_all(TOPIC) == 0, "feedback was never here"
        slow = Database(positions={place_of(TOPIC): 4})
        async with _lab(bus).reader(slow, group="feedback") as behind:
            await behind.poll()
            assert bus.read_by_all(TOPIC) == 4, "polled is not stored"
            await behind.subscription.commit({place_of(TOPIC): 9})
            assert bus.read_by_all(TOPIC) == 9
        assert bus.read_by_all(TOPIC) == 9, "who has left comes back"
    assert bus.read_by_all("capture.dead-letter") > 10, "nobody reads it"


async def test_a_stopped_bus_hears_nothing_and_starts_again(bus: EmbeddedLog) -> None:
    capture = bus.database("capture")
    await LocalBus.stop(bus)
    bus.write(capture, messages(5))
    with pytest.raises(BusUnavailable):
        await bus.subscribe("group", [TOPIC], Database().ask)
    await bus.start()
    async with _lab(bus).reader(Database()) as reader:
        assert await _read_to(5, reader) == list(range(5))


async def test_a_row_without_a_value_is_a_tombstone(bus: EmbeddedLog) -> None:
    """The log before this one had such; a migration has brought them here."""
    capture = bus.database("capture")
    await bus.publish([Message("lead.contact", "k", b"x", {})])
    with capture.begin() as conn:
        conn.exec_driver_sql("UPDATE outbox SET value = NULL")
    await LocalBus.stop(bus)
    await bus.start()
    async with _lab(bus).reader(Database(), "lead.contact") as reader:
        await until(lambda: len(reader.database.applied) == 1, reader)
    assert reader.database.applied[0].value is None


def test_each_topic_is_one_partition_numbered_like_its_writer() -> None:
    """Positions are stored under these numbers: they must not change."""
    assert SERVICES == ("capture", "qualify", "routing", "feedback")
    assert {name: place_of(name).partition for name in TOPICS} == {
        name: SERVICES.index(topic.owner) for name, topic in TOPICS.items()
    }
