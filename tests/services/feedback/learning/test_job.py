"""The learner as the service runs it: a process that is asked by JSON."""

from pathlib import Path

from services.feedback.service import MIGRATIONS
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.jobs import run_job
from tests.services.feedback.learning.worlds import STARTER


async def test_a_look_at_an_empty_database(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}"
    db = Database.open(url, "feedback")
    migrate(db, MIGRATIONS)
    db.close()
    request = {
        "database": url,
        "now": "2026-03-01T12:00:00+00:00",
        "base": STARTER,
        "settings": {"label": "accepted", "target": {}, "never": [], "min_answers": 100},
        "looks": {},
    }
    found = await run_job("services.feedback.learning", request, timeout=60)
    assert (found["kind"], found["reason"], found["looked"]) == ("nothing", "no_answers", False)
    assert found["looks"]["taken"] == []
