"""Migrations: on a fresh database, again, and by two processes at once."""

import asyncio
import sys

from sqlalchemy import inspect

from shared.db.engine import Database
from shared.db.migrations import drift, migrate, pending
from tests.shared.toy.service import MIGRATIONS, Toy, metadata

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
import asyncio, sys
from pathlib import Path
from shared.db.engine import Database
from shared.db.migrations import migrate

async def main() -> None:
    db = Database.open(sys.argv[1], "qualify")
    sys.stdin.readline()  # start together
    await migrate(db, Path(sys.argv[2]))
    await db.close()

asyncio.run(main())
"""


async def _tables(db: Database) -> set[str]:
    async with db.read() as conn:
        return set(await conn.run_sync(lambda c: inspect(c).get_table_names()))


async def test_a_fresh_database_lacks_every_revision_and_then_none(database_url: str) -> None:
    db = Database.open(database_url, "qualify")
    assert await pending(db, MIGRATIONS) == ["0001", "0002"]
    await migrate(db, MIGRATIONS)
    assert await pending(db, MIGRATIONS) == []
    assert await _tables(db) == TABLES
    await db.close()


async def test_migrating_again_changes_nothing(toy: Toy) -> None:
    before = await _tables(toy.db)
    await migrate(toy.db, MIGRATIONS)
    assert await _tables(toy.db) == before


async def test_the_migrated_schema_is_the_one_in_the_code(toy: Toy) -> None:
    assert await drift(toy.db, metadata) == []


async def test_drift_is_noticed(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await conn.exec_driver_sql("ALTER TABLE effects DROP COLUMN extra")
        await conn.exec_driver_sql("DROP TABLE relay_lease")
    found = str(await drift(toy.db, metadata))
    assert "extra" in found
    assert "relay_lease" in found


async def test_half_a_migration_is_none(database_url: str, tmp_path: object) -> None:
    """A revision that fails leaves the ones before it undone too: one transaction holds all."""
    from pathlib import Path

    folder = Path(str(tmp_path)) / "migrations" / "versions"
    folder.mkdir(parents=True)
    for original in (MIGRATIONS / "versions").glob("*.py"):
        (folder / original.name).write_text(original.read_text())
    broken = folder / "0003_broken.py"
    broken.write_text(
        "from alembic import op\nrevision = '0003'\ndown_revision = '0002'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (n INTEGER)')\n    1 / 0\n"
    )
    db = Database.open(database_url, "qualify")
    try:
        await migrate(db, folder.parent)
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError("the broken revision went through")
    assert await _tables(db) == set()
    broken.unlink()
    await migrate(db, folder.parent)
    assert await _tables(db) == TABLES
    await db.close()


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
    assert await pending(db, MIGRATIONS) == []
    assert await drift(db, metadata) == []
    await db.close()


async def test_services_in_one_database_keep_to_their_own_schemas(database_url: str) -> None:
    one, two = Database.open(database_url, "qualify"), Database.open(database_url, "routing")
    await migrate(one, MIGRATIONS)
    assert await _tables(two) == set()
    assert await pending(two, MIGRATIONS) == ["0001", "0002"]
    await migrate(two, MIGRATIONS)
    assert await _tables(two) == TABLES
    await one.close()
    await two.close()
