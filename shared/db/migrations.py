"""Each service's Alembic chain, run from code so that no service needs a configuration file."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, text

from shared.contracts.topics import TOPICS
from shared.db.database import Database
from shared.db.revisions import pending
from shared.db.tables import runtime_metadata


def migrate(db: Database, folder: Path) -> None:
    """Bring the schema to the newest version, one process at a time. ``folder`` holds
    ``versions/``. Raises what the database raises."""
    if not pending(db, folder):
        return
    with db.begin() as conn:
        if db.dialect == "postgresql":
            conn.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:name))"),
                {"name": f"leadloop-migrate-{db.service}"},
            )
            conn.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{db.service}"'))
        _upgrade(conn, folder)


def drift(db: Database, metadata: MetaData) -> list[Any]:
    """The differences between the migrated schema and the tables in the code: should be none."""
    with db.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": False})
        return list(compare_metadata(context, metadata))


def create_runtime_tables(op: Operations | Any) -> None:
    """For a service's first migration: outbox, lease, inbox, positions, dead letters."""
    runtime_metadata.create_all(op.get_bind())


def outbox_becomes_the_log(op: Operations | Any, service: str) -> None:
    """From an outbox that only queued events to one that is the embedded log: one column for each
    attribute. What a log of its own (``bus.db``) still holds goes in front; its readers drop what
    they know by event id. Does nothing where the tables are new."""
    conn: Connection = op.get_bind()
    columns = {column["name"] for column in inspect(conn).get_columns("outbox")}
    if "headers" not in columns:
        return
    conn.execute(text("ALTER TABLE outbox RENAME TO outbox_before"))
    if conn.dialect.name == "postgresql":
        conn.execute(text("ALTER TABLE outbox_before DROP CONSTRAINT outbox_pkey"))
        conn.execute(text("ALTER SEQUENCE outbox_seq_seq RENAME TO outbox_before_seq"))
    runtime_metadata.tables["outbox"].create(conn)
    if conn.dialect.name == "sqlite":
        _take_over_the_log(conn, service)
        conn.execute(text("DELETE FROM consumer_offsets"))
    sqlite = conn.dialect.name == "sqlite"
    values = "CAST(value AS TEXT)" if sqlite else "convert_from(value, 'UTF8')"
    headers = "headers" if sqlite else "headers::json"
    compacted = ", ".join(f"'{topic.name}'" for topic in TOPICS.values() if topic.compacted)
    conn.execute(
        text(
            "INSERT INTO outbox (topic, key, event_id, event_type, event_time, traceparent, value, "  # noqa: S608
            f"compacted, created_at) SELECT topic, key, event_id, {headers}->>'ce_type', "
            f"{headers}->>'ce_time', {headers}->>'traceparent', {values}, "
            f"topic IN ({compacted}), created_at FROM outbox_before ORDER BY seq"
        )
    )
    conn.execute(text("DROP TABLE outbox_before"))
    _know_letters_by_event(conn)


def _know_letters_by_event(conn: Connection) -> None:
    """Two events that had the same place in two logs are two letters."""
    if conn.dialect.name == "postgresql":
        conn.execute(
            text(
                "ALTER TABLE dead_letters "
                "DROP CONSTRAINT dead_letters_consumer_topic_partition_offset_key, "
                'ADD UNIQUE (consumer, topic, partition, "offset", event_id)'
            )
        )
        return
    conn.execute(text("ALTER TABLE dead_letters RENAME TO letters_before"))
    conn.execute(text("DROP INDEX dead_letters_by_key"))
    runtime_metadata.tables["dead_letters"].create(conn)
    conn.execute(text("INSERT INTO dead_letters SELECT * FROM letters_before"))
    conn.execute(text("DROP TABLE letters_before"))


def _take_over_the_log(conn: Connection, service: str) -> None:
    file = Path(conn.execute(text("PRAGMA database_list")).first()[2]).with_name("bus.db")  # type: ignore[index]
    if not file.exists():
        return
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as log:
        rows = log.execute(
            "SELECT t.name, m.key, m.headers, m.value, m.written_ms FROM messages AS m "
            "JOIN topics AS t ON t.id = m.topic_id ORDER BY m.written_ms, m.offset"
        )
        for name, key, headers, value, written_ms in rows:
            topic = next((t for t in TOPICS.values() if name.endswith(t.name)), None)
            if topic is None or topic.owner != service:
                continue
            said = orjson.loads(headers)
            conn.execute(
                runtime_metadata.tables["outbox"].insert(),
                {
                    "topic": topic.name,
                    "key": key,
                    "event_id": said["ce_id"],
                    "event_type": said["ce_type"],
                    "event_time": said["ce_time"],
                    "traceparent": said["traceparent"],
                    "value": value.decode() if value is not None else None,
                    "compacted": topic.compacted,
                    "created_at": datetime.fromtimestamp(written_ms / 1000, UTC),
                },
            )


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
