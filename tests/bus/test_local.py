"""What the local bus promises beyond the contract: its file."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.bus import local, local_log
from shared.bus.api import BusUnavailable, Message, TopicPartition
from shared.bus.local import LocalBus
from tests.bus.lab import TOPIC, Database, Lab, messages, until

DAY = 24 * 60 * 60 * 1000


@pytest_asyncio.fixture
async def bus(tmp_path: Path) -> AsyncIterator[LocalBus]:
    bus = LocalBus(tmp_path / "bus.db")
    await bus.start()
    await bus.create_topics()
    yield bus
    await bus.stop()


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published from now on is written 40 days ago."""
    monkeypatch.setattr(local, "_now_ms", lambda: time.time_ns() // 1_000_000 - 40 * DAY)


async def _read_all(bus: LocalBus, group: str, topic: str, count: int) -> Database:
    database = Database()
    async with Lab(bus, _no_other).reader(database, topic, group=group) as reader:
        await until(lambda: len(database.applied) == count, reader)
        await reader.subscription.commit(database.positions)
    return database


async def _no_other() -> LocalBus:
    raise AssertionError("not asked for")


def _stored(path: Path, topic: str) -> list[tuple[str, bytes | None]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(
            "SELECT key, value FROM messages JOIN topics ON id = topic_id WHERE name = ?"
            " ORDER BY partition, offset",
            (topic,),
        ).fetchall()


async def test_every_connection_is_durable(tmp_path: Path) -> None:
    log = local_log.LogFile(tmp_path / "bus.db")
    for connection in (log._writer, log._reader):
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        log._reader.execute("DELETE FROM messages")
    log.close()


async def test_one_process_has_the_file(bus: LocalBus, tmp_path: Path) -> None:
    second = LocalBus(tmp_path / "bus.db")
    with pytest.raises(BusUnavailable, match="another process"):
        await second.start()
    await bus.stop()
    await second.start()
    await second.stop()


def test_what_was_confirmed_outlives_a_crash(tmp_path: Path) -> None:
    program = """
import asyncio, os, pathlib, sys
from shared.bus.local import LocalBus
from tests.bus.lab import messages
async def main():
    bus = LocalBus(pathlib.Path(sys.argv[1]) / "bus.db")
    await bus.start()
    await bus.create_topics()
    await bus.publish(messages(200))
    print("confirmed", flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (-9, "confirmed\n")

    async def read() -> None:
        bus = LocalBus(tmp_path / "bus.db")
        await bus.start()
        database = await _read_all(bus, "g", TOPIC, 200)
        assert sorted(database.numbers) == list(range(200))
        await bus.stop()

    asyncio.run(read())


@pytest.mark.usefixtures("long_ago")
async def test_old_messages_go_once_every_group_has_read_them(
    bus: LocalBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = await bus.subscribe("slow", [TOPIC], Database().ask)
    await bus.publish(messages(60))
    await _read_all(bus, "fast", TOPIC, 60)
    monkeypatch.undo()
    assert await bus.maintain() == 0  # the slow group has not read them
    await slow.close()
    assert await bus.maintain() == 0  # nor does it have to be there
    await _read_all(bus, "slow", TOPIC, 60)
    assert await bus.maintain() == 60
    assert _stored(tmp_path / "bus.db", TOPIC) == []
    # Offsets go on where they were.
    await bus.publish(messages(10, keys=1))
    subscription = await bus.subscribe("slow", [TOPIC], Database().ask)
    assert (await subscription.poll(500, 5))[0].offset > 0
    await subscription.close()


async def test_young_messages_stay(bus: LocalBus, tmp_path: Path) -> None:
    await bus.publish(messages(10))
    await _read_all(bus, "g", TOPIC, 10)
    assert await bus.maintain() == 0
    assert len(_stored(tmp_path / "bus.db", TOPIC)) == 10


async def test_a_compacted_topic_keeps_the_last_of_each_key(bus: LocalBus, tmp_path: Path) -> None:
    def contact(key: str, value: bytes | None) -> Message:
        return Message("lead.contact", key, value, {})

    await bus.publish([contact(f"k{n % 4}", f"old {n}".encode()) for n in range(40)])
    await bus.publish([contact(f"k{n}", f"new {n}".encode()) for n in range(4)])
    assert await bus.maintain() == 40
    expected = [(f"k{n}", f"new {n}".encode()) for n in range(4)]
    assert sorted(_stored(tmp_path / "bus.db", "lead.contact")) == expected
    read: list[tuple[str, bytes | None]] = []
    subscription = await bus.subscribe("g", ["lead.contact"], Database().ask)
    async with asyncio.timeout(10):
        while len(read) < 4:
            read += [(m.key, m.value) for m in await subscription.poll(1, 1)]
    assert await subscription.lag() == 0
    assert sorted(read) == expected
    await subscription.close()


async def test_an_erased_key_leaves_no_bytes(bus: LocalBus, tmp_path: Path) -> None:
    secret = b"canary-0xC0FFEE" * 20
    await bus.publish([Message("lead.contact", "k", secret, {})])
    await bus.publish([Message("lead.contact", "k", None, {})])
    assert await bus.maintain() == 1
    for path in tmp_path.iterdir():
        assert b"canary" not in path.read_bytes(), path
    assert _stored(tmp_path / "bus.db", "lead.contact") == [("k", None)]


@pytest.mark.usefixtures("long_ago")
async def test_a_tombstone_goes_when_all_have_read_it(
    bus: LocalBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = await bus.subscribe("slow", ["lead.contact"], Database().ask)
    await bus.publish([Message("lead.contact", "k", None, {})])
    await _read_all(bus, "fast", "lead.contact", 1)
    monkeypatch.undo()
    assert await bus.maintain() == 0
    await slow.close()
    await _read_all(bus, "slow", "lead.contact", 1)
    assert await bus.maintain() == 1
    assert _stored(tmp_path / "bus.db", "lead.contact") == []


async def test_maintenance_runs_by_itself(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path / "bus.db", maintain_every=0.01)
    await bus.start()
    await bus.create_topics()
    for value in (b"old", b"new"):
        await bus.publish([Message("lead.contact", "k", value, {})])
    async with asyncio.timeout(10):
        while len(_stored(tmp_path / "bus.db", "lead.contact")) > 1:
            await asyncio.sleep(0.01)
    await bus.stop()


async def test_a_stopped_bus_is_unavailable(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path / "bus.db")
    with pytest.raises(BusUnavailable):
        await bus.publish(messages(1))
    await bus.start()
    await bus.create_topics()
    writing = asyncio.create_task(bus.publish(messages(100)))
    await asyncio.sleep(0)
    await bus.stop()  # finishes what is under way
    await writing
    with pytest.raises(BusUnavailable):
        await bus.check_topics([TOPIC])
    await bus.start()
    await _read_all(bus, "g", TOPIC, 100)
    await bus.stop()


async def test_a_message_that_cannot_be_written_harms_no_other(bus: LocalBus) -> None:
    bad = Message(TOPIC, "k", b"", {"h": object()})  # type: ignore[dict-item]
    results = await asyncio.gather(
        bus.publish(messages(10)), bus.publish([bad]), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], TypeError)
    await _read_all(bus, "g", TOPIC, 10)


async def test_a_write_that_fails_says_so_and_the_next_works(
    bus: LocalBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(local_log.LogFile, "append", full)
    with pytest.raises(BusUnavailable, match="disk is full"):
        await bus.publish(messages(5))
    monkeypatch.undo()
    await bus.publish(messages(5))
    await _read_all(bus, "g", TOPIC, 5)


async def test_a_partition_that_is_full_starves_none(bus: LocalBus) -> None:
    await bus.publish(messages(2000, keys=1))
    await bus.publish(messages(60, keys=60, start=5000))
    database = Database()
    async with Lab(bus, _no_other).reader(database) as reader:
        await until(lambda: len(database.applied) >= 400, reader, max_records=50)
    assert len(database.positions) == 6
    assert set(database.positions) == {TopicPartition(TOPIC, number) for number in range(6)}
