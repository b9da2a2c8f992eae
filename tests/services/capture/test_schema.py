"""The migrations make the tables that the code uses, and lose nothing of those before."""

import shutil
from pathlib import Path

from sqlalchemy import insert, select, text

from services.capture.service import MIGRATIONS, NAME
from services.capture.store.queries import lead_with_touches
from services.capture.store.tables import bad_submissions, leads, metadata
from shared.db.database import Database
from shared.db.migrations import drift, migrate
from shared.db.revisions import pending
from tests.services.capture.conftest import NOW, Capture


async def test_migrations_and_tables_agree(capture: Capture) -> None:
    assert drift(capture.db, metadata) == []
    assert pending(capture.db, MIGRATIONS) == []


def test_leads_and_bad_submissions_come_through_the_upgrade(
    database_url: str, tmp_path: Path
) -> None:
    before = tmp_path / "before" / "versions"
    before.mkdir(parents=True)
    for name in ("0001_capture.py", "0002_bad_submissions_by_source.py"):
        shutil.copy(MIGRATIONS / "versions" / name, before)
    db = Database.open(database_url, NAME)
    migrate(db, before.parent)
    lead_id = "0199f2a4-6f1e-7c55-9d0b-7a1c5a9e4d21"
    row = {"attribution": {}, "consent": {}, "touches": 3, "captured_at": NOW, "updated_at": NOW}
    contact = {"email": "ada@example.com", "fields": {"shoe": 43, "hat": "red"}}
    facts = {"company": "A", "fields.budget": 5}
    bad = {"received_at": NOW, "status": 422, "reason": "no", "errors": [], "content_type": "",
           "body": b"x"}  # fmt: skip
    with db.begin() as conn:
        conn.execute(
            insert(leads).values(
                lead_id=lead_id, identity="email:ada@example.com", contact=contact, facts=facts,
                **row,
            )
        )  # fmt: skip
        conn.execute(
            insert(leads).values(lead_id="2", identity="phone:+49", contact={}, facts={}, **row)
        )
        for number, source in enumerate(("form:demo", "key:key_1")):
            values = {**bad, "bad_submission_id": str(number), "source": source}
            names = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            conn.execute(
                text(f"INSERT INTO bad_submissions ({names}) VALUES ({marks})"),
                {**values, "errors": "[]", "received_at": "2026-11-23 09:30:00.000000"},
            )
    migrate(db, MIGRATIONS)
    assert drift(db, metadata) == []
    with db.connect() as conn:
        found = lead_with_touches(conn, lead_id)
        order = dict(conn.execute(select(leads.c.identity, leads.c.field_order)).all())
        senders = conn.execute(
            select(bad_submissions.c.sender).order_by(bad_submissions.c.bad_submission_id)
        )
        assert list(senders.scalars()) == ["form", "key"]
    assert found is not None
    assert found["contact"] == contact
    assert found["facts"]["fields.budget"] == 5
    assert found["fields_dropped"] == found["consents_dropped"] == 0
    assert sorted(order["email:ada@example.com"]) == ["budget", "hat", "shoe"]
    assert order["phone:+49"] == []
    db.close()
