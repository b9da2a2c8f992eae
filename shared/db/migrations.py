"""Each service's Alembic chain, run from code so that no service needs a configuration file."""

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from shared.db.engine import Database
from shared.db.tables import runtime_metadata


async def migrate(db: Database, folder: Path) -> None:
    """Bring the schema to the newest version, one process at a time. ``folder`` holds
    ``versions/``. Raises what the database raises."""
    async with db.write() as conn:
        if db.dialect == "postgresql":
            await conn.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:name))"),
                {"name": f"leadloop-migrate-{db.service}"},
            )
            await conn.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{db.service}"'))
        await conn.run_sync(_upgrade, folder)


async def pending(db: Database, folder: Path) -> list[str]:
    """The revisions that the database still lacks, oldest first."""
    async with db.read() as conn:
        heads = await conn.run_sync(lambda c: MigrationContext.configure(c).get_current_heads())
    script = _script(folder)
    current = set(heads)
    missing = [
        revision.revision
        for revision in script.walk_revisions()
        if revision.revision not in current
        and not any(r.revision in current for r in script.iterate_revisions("heads", None))
    ]
    return list(reversed(missing))


async def drift(db: Database, metadata: MetaData) -> list[Any]:
    """The differences between the migrated schema and the tables in the code: should be none."""
    async with db.read() as conn:
        return await conn.run_sync(
            lambda c: list(
                compare_metadata(
                    MigrationContext.configure(c, opts={"compare_type": False}), metadata
                )
            )
        )


def create_runtime_tables(op: Operations | Any) -> None:
    """For a service's first migration: outbox, lease, inbox, positions, dead letters."""
    runtime_metadata.create_all(op.get_bind())


def _script(folder: Path) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _upgrade(connection: Connection, folder: Path) -> None:
    script = _script(folder)
    config = Config()
    config.set_main_option("script_location", str(folder))

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=False)
        environment.run_migrations()
