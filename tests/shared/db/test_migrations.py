"""Migrations: on a fresh database, again, and by two processes at once."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect, text

from shared.bus.keys import partition_of
from shared.contracts import examples
from shared.contracts.envelope import Event, decode
from shared.contracts.events import LeadQualified
from shared.db import dead_letters as letters_table
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import drift, migrate, outbox_becomes_the_log
from shared.db.revisions import pending
from shared.db.tables import dead_letters
from shared.db.tables import outbox as outbox_table
from shared.db.types import stored_time
from tests.shared.toy.embedded import MIGRATIONS, EmbeddedLog
from tests.shared.toy.service import NOW, Log, Toy, captured, message, metadata, places

TABLES = {
    "alembic_version",
    "consumer_offsets",
    "dead_letters",
    "effects",
    "inbox",
    "outbox",
    "relay_lease",
}

ONE_PROCESS = """
import sys
from pathlib import Path
from shared.db.database import Database
from shared.db.migrations import migrate

db = Database.open(sys.argv[1], "qualify")
sys.stdin.readline()  # start together
migrate(db, Path(sys.argv[2]))
db.close()
"""


def _tables(db: Database) -> set[str]:
    with db.connect() as conn:
        return set(inspect(conn).get_table_names())


async def test_a_fresh_database_lacks_every_revision_and_then_none(database_url: str) -> None:
    db = Database.open(database_url, "qualify")
    assert pending(db, MIGRATIONS) == ["0001", "0002"]
    migrate(db, MIGRATIONS)
    assert pending(db, MIGRATIONS) == []
    assert _tables(db) == TABLES
    db.close()


async def test_migrating_again_changes_nothing(toy: Toy) -> None:
    before = _tables(toy.db)
    migrate(toy.db, MIGRATIONS)
    assert _tables(toy.db) == before


async def test_the_migrated_schema_is_the_one_in_the_code(toy: Toy) -> None:
    assert drift(toy.db, metadata) == []


async def test_drift_is_noticed(toy: Toy) -> None:
    with toy.db.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE effects DROP COLUMN extra")
        conn.exec_driver_sql("DROP TABLE relay_lease")
    found = str(drift(toy.db, metadata))
    assert "extra" in found
    assert "relay_lease" in found


async def test_half_a_migration_is_none(database_url: str, tmp_path: Path) -> None:
    """A revision that fails leaves the ones before it undone too: one transaction holds all."""
    folder = tmp_path / "migrations" / "versions"
    folder.mkdir(parents=True)
    for original in (MIGRATIONS / "versions").glob("*.py"):
        (folder / original.name).write_text(original.read_text())
    broken = folder / "0003_broken.py"
    broken.write_text(
        "from alembic import op\nrevision = '0003'\ndown_revision = '0002'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (n INTEGER)')\n    1 / 0\n"
    )
    db = Database.open(database_url, "qualify")
    with pytest.raises(ZeroDivisionError):
        migrate(db, folder.parent)
    assert _tables(db) == set()
    broken.unlink()
    migrate(db, folder.parent)
    assert _tables(db) == TABLES
    db.close()


async def test_processes_that_migrate_at_once_do_not_disturb_each_other(database_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            ONE_PROCESS,
            database_url,
            str(MIGRATIONS),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    results = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    for process, (_, errors) in zip(processes, results, strict=True):
        assert process.returncode == 0, errors.decode()
    db = Database.open(database_url, "qualify")
    assert pending(db, MIGRATIONS) == []
    assert drift(db, metadata) == []
    db.close()


async def test_services_in_one_database_keep_to_their_own_schemas(database_url: str) -> None:
    one, two = Database.open(database_url, "qualify"), Database.open(database_url, "routing")
    migrate(one, MIGRATIONS)
    assert _tables(two) == set()
    assert pending(two, MIGRATIONS) == ["0001", "0002"]
    migrate(two, MIGRATIONS)
    assert _tables(two) == TABLES
    one.close()
    two.close()


# From the schema before the outbox was the log, as its tables and the local bus made it.

BEFORE = (
    """CREATE TABLE outbox (seq {serial}, event_id VARCHAR(64) NOT NULL,
        topic VARCHAR(120) NOT NULL, key VARCHAR(120) NOT NULL, headers TEXT NOT NULL,
        value {bytes}, created_at {time} NOT NULL)""",
    """CREATE TABLE relay_lease (name VARCHAR(40) NOT NULL PRIMARY KEY,
        owner VARCHAR(64) NOT NULL, expires_at {time} NOT NULL)""",
    """CREATE TABLE inbox (consumer VARCHAR(80) NOT NULL, event_id VARCHAR(64) NOT NULL,
        PRIMARY KEY (consumer, event_id))""",
    """CREATE TABLE consumer_offsets (consumer VARCHAR(80) NOT NULL, topic VARCHAR(120) NOT NULL,
        partition INTEGER NOT NULL, position BIGINT NOT NULL,
        PRIMARY KEY (consumer, topic, partition))""",
    """CREATE TABLE dead_letters (id {serial}, consumer VARCHAR(80) NOT NULL,
        state VARCHAR(10) NOT NULL, key VARCHAR(120) NOT NULL, topic VARCHAR(120) NOT NULL,
        partition INTEGER NOT NULL, "offset" BIGINT NOT NULL, event_id VARCHAR(64),
        event_type VARCHAR(120), headers TEXT NOT NULL, value {bytes}, reason TEXT NOT NULL,
        failed_at {time} NOT NULL, UNIQUE (consumer, topic, partition, "offset"))""",
    "CREATE INDEX dead_letters_by_key ON dead_letters (consumer, key)",
    """CREATE TABLE effects (id {serial}, effect_id VARCHAR(64) NOT NULL,
        lead_id VARCHAR(64) NOT NULL, event_id VARCHAR(64) NOT NULL, number INTEGER NOT NULL)""",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('0001')",
)
KINDS = {
    "sqlite": {"serial": "INTEGER NOT NULL PRIMARY KEY", "bytes": "BLOB", "time": "DATETIME"},
    "postgresql": {"serial": "BIGSERIAL PRIMARY KEY", "bytes": "BYTEA", "time": "TIMESTAMPTZ"},
}
LOG_BEFORE = """
    CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
        partitions INTEGER NOT NULL, retention_ms INTEGER, compacted INTEGER NOT NULL);
    CREATE TABLE messages (topic_id INTEGER NOT NULL, partition INTEGER NOT NULL,
        offset INTEGER NOT NULL, key TEXT NOT NULL, value BLOB, headers BLOB NOT NULL,
        written_ms INTEGER NOT NULL, PRIMARY KEY (topic_id, partition, offset)) WITHOUT ROWID;
"""


def _qualified(number: int) -> Event[Any]:
    data = LeadQualified.model_validate(
        {**examples.document(LeadQualified.type)["data"], "lead_id": f"lead-{number % 3}"}
    )
    return Event.of(data, "qualify", NOW + timedelta(seconds=number))


def _before(db: Database, waiting: list[Event[Any]]) -> None:
    """The old schema with events in its outbox, a position, and a letter with its parked one."""
    with db.begin() as conn:
        if db.dialect == "postgresql":
            conn.exec_driver_sql("CREATE SCHEMA qualify")
        for sql in BEFORE:
            conn.exec_driver_sql(sql.format(**KINDS[db.dialect]))
        for event in waiting:
            row = {
                "event_id": event.id,
                "topic": event.data.topic,
                "key": event.data.key(),
                "headers": orjson.dumps(event.headers()).decode(),
                "value": event.value(),
                "created_at": NOW if db.dialect == "postgresql" else stored_time(NOW),
            }
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            conn.execute(text(f"INSERT INTO outbox ({names}) VALUES ({values})"), row)
        conn.execute(
            text("INSERT INTO consumer_offsets VALUES ('qualify', 'lead.captured', 0, 17)")
        )
        bad = Log().deliver(captured("lead", 1), captured("lead", 2))
        rows = [
            letters_table._row("qualify", m, state, "because", NOW)
            for m, state in zip(bad, ("dead", "parked"), strict=True)
        ]
        conn.execute(dead_letters.insert(), rows)


def _bus_before(folder: Path, logged: list[tuple[str, Event[Any], int]]) -> None:
    """``bus.db`` with these events: prefix of the topic, event, when it was written."""
    with closing(sqlite3.connect(folder / "bus.db")) as log, log:
        log.executescript(LOG_BEFORE)
        topics: dict[str, int] = {}
        for offset, (prefix, event, written) in enumerate(logged):
            name = f"{prefix}{event.data.topic}"
            topics.setdefault(name, len(topics) + 1)
            log.execute(
                "INSERT OR IGNORE INTO topics VALUES (?, ?, 6, NULL, 0)", (topics[name], name)
            )
            log.execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    topics[name],
                    partition_of(event.data.key().encode(), 6),
                    offset,
                    event.data.key(),
                    event.value(),
                    orjson.dumps(event.headers()),
                    written,
                ),
            )


def _read(db: Database) -> list[Event[Any]]:
    with db.connect() as conn:
        rows = outbox.take(conn, 1000)
    return [decode(row.headers("qualify"), row.bytes() or b"") for row in rows]


async def test_an_outbox_with_events_becomes_the_log(database_url: str) -> None:
    db = Database.open(database_url, "qualify")
    waiting = [_qualified(n) for n in range(7)]
    _before(db, waiting)
    migrate(db, MIGRATIONS)
    assert drift(db, metadata) == []
    assert _tables(db) == TABLES
    assert _read(db) == waiting
    with db.begin() as conn:
        later = _qualified(8)
        outbox.add(conn, "qualify", [later], NOW)
        stored = conn.execute(outbox_table.select().order_by(outbox_table.c.seq)).all()
    assert _read(db) == [*waiting, later]
    assert {row.created_at for row in stored} == {NOW}
    with db.connect() as conn:
        kept = letters_table.listed(conn)
        assert [(one.state, one.reason) for one in kept] == [
            ("dead", "because"),
            ("parked", "because"),
        ]
        assert letters_table.blocked(conn, "qualify", ["lead", "other"]) == {"lead"}
    db.close()


async def test_letters_of_two_logs_with_one_place_are_two(database_url: str) -> None:
    """Places are given out anew by a log that begins anew: a letter must not vanish for that."""
    db = Database.open(database_url, "qualify")
    _before(db, [])
    migrate(db, MIGRATIONS)
    (again,) = Log().deliver(captured("lead", 3))  # the place that the old letter has
    with db.begin() as conn:
        letters_table.park(conn, "qualify", [again], NOW)
        letters_table.park(conn, "qualify", [again], NOW)
        letters_table.park(conn, "qualify", [], NOW)
        kept = letters_table.of_key(conn, "qualify", "lead")
    assert [one.offset for one in kept] == [0, 1, 0]
    assert kept[2].event_id == again.headers["ce_id"]
    db.close()


async def test_the_old_log_goes_in_front_and_only_what_this_service_wrote(tmp_path: Path) -> None:
    db = Database.open(f"sqlite:{tmp_path}", "qualify")
    waiting, logged = [_qualified(n) for n in range(3)], [_qualified(n) for n in range(10, 18)]
    _before(db, waiting)
    foreign = captured("lead", 1)
    with_time = [("pre.", event, 1_000_000 + n // 3) for n, event in enumerate(logged)]
    _bus_before(tmp_path, [*with_time[:4], ("pre.", foreign, 1_000_001), *with_time[4:]])
    migrate(db, MIGRATIONS)
    found = _read(db)
    assert [one.id for one in found[8:]] == [one.id for one in waiting]
    assert {one.id for one in found[:8]} == {one.id for one in logged}
    for number in range(3):
        of_key = [one.id for one in found[:8] if one.data.key() == f"lead-{number}"]
        assert of_key == [one.id for one in logged if one.data.key() == f"lead-{number}"]
    assert sorted(found, key=lambda one: one.id) == sorted(
        [*waiting, *logged], key=lambda one: one.id
    )
    with db.connect() as conn:
        # Positions were places in the old log: everything is read again, repeats are dropped.
        assert conn.exec_driver_sql("SELECT count(*) FROM consumer_offsets").scalar_one() == 0
        row = conn.execute(outbox_table.select().where(outbox_table.c.seq == 1)).one()
        assert row.created_at == datetime.fromtimestamp(1000, UTC)
        kinds = conn.exec_driver_sql("SELECT DISTINCT typeof(value) FROM outbox").scalars().all()
        assert kinds == ["text"]
    db.close()


async def test_what_was_read_before_has_no_second_effect_and_nothing_is_missed(
    tmp_path: Path,
) -> None:
    """A reader that was half through the old log goes on in the new one."""
    events = [captured(f"lead-{n % 4}", n) for n in range(20)]
    capture = Database.open(f"sqlite:{tmp_path}", "capture")
    with capture.begin() as conn:
        for sql in BEFORE:
            conn.exec_driver_sql(sql.format(**KINDS["sqlite"]))
    _bus_before(tmp_path, [("", event, 1_000 + n) for n, event in enumerate(events)])
    reader = Database.open(f"sqlite:{tmp_path}", "qualify")
    migrate(reader, MIGRATIONS)
    toy = Toy(reader)
    half = Log().deliver(*events[:11])
    consumer = toy.consumer()
    await consumer._load(places(half))
    await consumer.process(half)
    with reader.begin() as conn:
        conn.exec_driver_sql("DELETE FROM consumer_offsets")  # as its own migration does
    with capture.begin() as conn:
        outbox_becomes_the_log(Operations(MigrationContext.configure(conn)), "capture")
    bus = EmbeddedLog(tmp_path, capture, reader)
    await bus.start()
    following = toy.consumer(bus)
    await following.step()
    await bus.publish([message(captured("lead-0", 20))])
    await following.step()
    await following.close()
    await bus.stop()
    for number in range(4):
        expected = list(range(number, 21, 4))
        assert await toy.numbers(f"lead-{number}") == expected
    capture.close()
    reader.close()
