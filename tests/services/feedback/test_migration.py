"""An upgrade from before proposals held a document, with data in the old tables."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from services.feedback.service import MIGRATIONS, NAME
from services.feedback.store import queries
from services.feedback.store.tables import metadata
from shared.db.database import Database
from shared.db.migrations import drift, migrate
from shared.db.types import stored_time
from tests.services.feedback.lives import START, definition_of, found, open_feedback

CHANGES = [{"criterion_id": "size", "points_before": 30, "points_after": 35}]


def upgrade(conn: Connection, folder: Path, revision: str) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{NAME}"'))
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)

    def steps(known: Any, _context: Any) -> Any:
        return script._upgrade_revs(revision, known)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=conn, transactional_ddl=False)
        environment.run_migrations()


def old_rows(conn: Connection) -> None:
    at: Any = START if conn.dialect.name == "postgresql" else stored_time(START)
    document = definition_of({"size": 30, "title": 20})
    del document["exploration_rate"]
    conn.execute(
        text("INSERT INTO definitions VALUES (7, :document, :at, :retired)"),
        {
            "document": orjson.dumps({**document, "version": 7, "status": "published"}).decode(),
            "at": at,
            "retired": False,
        },
    )
    for number, status in enumerate(("open", "approved", "published", "dismissed")):
        conn.execute(
            text(
                "INSERT INTO proposals (proposal_id, status, base_version, changes, evidence, "
                "answers, made_from, proposed_at, evidence_at, resolved_at, note, "
                "published_version) VALUES (:id, :status, 7, :changes, '{}', 150, 140, "
                ":at, :at, :resolved, '', :version)"
            ),
            {
                "id": f"p{number}",
                "status": status,
                "changes": orjson.dumps(CHANGES).decode(),
                "at": at,
                "resolved": None if status == "open" else at,
                "version": 8 if status == "published" else None,
            },
        )


async def test_old_proposals_are_kept_and_none_is_open(database_url: str) -> None:
    db = Database.open(database_url, NAME)
    try:
        with db.begin() as conn:
            upgrade(conn, MIGRATIONS, "0002")
        with db.begin() as conn:
            old_rows(conn)
        migrate(db, MIGRATIONS)
        assert drift(db, metadata) == []
    finally:
        db.close()
    async with open_feedback(database_url) as feedback:
        proposals = {one["proposal_id"]: one for one in await feedback.proposals()}
        assert {key: one["status"] for key, one in proposals.items()} == {
            "p0": "superseded",
            "p1": "superseded",
            "p2": "published",
            "p3": "dismissed",
        }
        change = proposals["p0"]["changes"][0]
        assert (change["what"], change["before"], change["after"]) == (
            "Criterion size: points",
            "+30",
            "+35",
        )
        assert proposals["p0"]["definition"] is None
        assert proposals["p2"]["follow_up"]["too_early"]
        version = await feedback.ask(queries.version_in_force)
        assert version is not None
        assert version.version == 7
        feedback.clock.advance(timedelta(days=1))
        assert await feedback.look(found(version=7)) == "proposed"
        assert "Exploration" not in str((await feedback.proposals())[0]["changes"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_upgrading_twice_changes_nothing(database_url: str) -> None:
    async with open_feedback(database_url) as feedback:
        migrate(feedback.db, MIGRATIONS)
        assert drift(feedback.db, metadata) == []
