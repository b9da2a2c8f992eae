"""The migrations make the tables that the code knows, and lose nothing of those before."""

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from services.qualify.service import MIGRATIONS, NAME
from services.qualify.store.queries import lead_history
from services.qualify.store.tables import leads, metadata
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
