"""The migrations make the tables that the code knows, and lose nothing of those before."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from services.qualify.seed import STARTER
from services.qualify.service import MIGRATIONS, NAME
from services.qualify.store.queries import find_version, lead_history
from services.qualify.store.tables import definitions, leads, metadata
from shared.db.database import Database
from shared.db.migrations import drift, migrate
from shared.db.revisions import pending

from .conftest import NOW


async def test_the_migrated_schema_is_the_one_in_the_code(qualify):
    assert drift(qualify.db, metadata) == []
    assert pending(qualify.db, MIGRATIONS) == []
    migrate(qualify.db, MIGRATIONS)


def test_a_lead_remembers_its_newest_signals_after_the_upgrade(database_url: str, tmp_path: Path):
    first = tmp_path / "first" / "versions"
    first.mkdir(parents=True)
    shutil.copy(MIGRATIONS / "versions" / "0001_qualify.py", first)
    db = Database.open(database_url, NAME)
    migrate(db, first.parent)
    given: dict[str, Any] = {"stage": "MQL", "cycle": 1, "captured_at": NOW}
    given |= {"facts": {"employees": 5}, "attribution": {}, "activities": {}}
    signals = [{"lead": "busy", "signal": f"s{n:03}"} for n in range(70)]
    with db.begin() as conn:
        for name in ("busy", "new"):
            conn.execute(insert(leads).values(lead_id=name, **given))
        conn.execute(text("UPDATE leads SET facts_at = captured_at"))
        conn.execute(text("INSERT INTO signals VALUES (:lead, :signal)"), signals)
    migrate(db, MIGRATIONS)
    assert drift(db, metadata) == []
    with db.connect() as conn:
        busy, new = (lead_history(conn, name, 1) for name in ("busy", "new"))
    assert busy is not None
    assert new is not None
    assert busy.lead.signals == tuple(f"s{n:03}" for n in range(6, 70))
    assert busy.lead.facts == {"employees": 5}
    assert new.lead.signals == ()
    db.close()


def test_what_was_decided_before_challengers_stays_as_it_was(database_url: str, tmp_path: Path):
    older = tmp_path / "older" / "versions"
    older.mkdir(parents=True)
    for name in ("0001_qualify.py", "0002_log_and_signals.py"):
        shutil.copy(MIGRATIONS / "versions" / name, older)
    db = Database.open(database_url, NAME)
    migrate(db, older.parent)
    document = STARTER.model_dump(mode="json")
    del document["exploration_rate"], document["grade_matrix"]
    lead: dict[str, Any] = {"stage": "MQL", "cycle": 1, "captured_at": NOW}
    lead |= {"facts": {"employees": 5}, "attribution": {}, "activities": {}}
    decided = {
        **dict.fromkeys(("trigger", "verdict", "reason", "grade"), "x"),
        "definition_version": 1,
        "cycle": 1,
        "stage": "MQL",
        "moved": True,
        "score": 60,
        "threshold": 50,
        "contributions": "[]",
        "facts": "{}",
        "attribution": "{}",
        "activities": "{}",
        "at": "2026-11-23 09:30:00.000000",
    }
    with db.begin() as conn:
        for version, status in ((1, "retired"), (2, "published"), (3, "draft")):
            given = {"version": version, "status": status, "created_at": NOW}
            conn.execute(insert(definitions).values(document=document, **given))
        conn.execute(insert(leads).values(lead_id="x", **lead))
        conn.execute(
            text(
                "INSERT INTO decisions VALUES ('d1', 'x', :trigger, :definition_version, :cycle, "
                ":stage, :moved, :verdict, :reason, :score, :threshold, :grade, :contributions, "
                ":facts, :attribution, :activities, :at, :at)"
            ),
            decided,
        )
    migrate(db, MIGRATIONS)
    assert drift(db, metadata) == []
    with db.connect() as conn:
        version, history = find_version(conn, None), lead_history(conn, "x", 1)
    assert version is not None
    assert (version.version, version.document) == (2, document)
    assert (version.created_by, version.challenging_since) == (None, None)
    assert history is not None
    (decision,) = history.decisions
    assert (decision.score, decision.explored, decision.exploration_rate) == (60, False, 0.0)
    assert decision.shadow_version is None
    refused = (
        update(definitions).where(definitions.c.version == 2).values(document={}),
        update(definitions).where(definitions.c.version == 3).values(document={}, status="retired"),
        update(definitions).where(definitions.c.version == 3).values(created_by="somebody"),
        delete(definitions).where(definitions.c.version == 1),
        update(definitions).where(definitions.c.version < 3).values(status="challenger"),
    )
    for statement in refused:
        with pytest.raises(DBAPIError), db.begin() as conn:
            conn.execute(statement)
    with db.begin() as conn:
        conn.execute(update(definitions).where(definitions.c.version == 3).values(document={}))
        conn.execute(delete(definitions).where(definitions.c.version == 3))
        conn.execute(update(definitions).where(definitions.c.version == 2).values(status="retired"))
    db.close()
