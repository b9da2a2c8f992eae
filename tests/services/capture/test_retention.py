"""Bad submissions are forgotten along an index, a small transaction at a time."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from services.capture.settings import Settings
from services.capture.store.queries import forget_bad_submissions, keep_newest_bad_submissions
from services.capture.store.tables import bad_submissions
from shared.access import Access
from shared.db import statements
from shared.runtime.parts import Timer
from shared.runtime.retention import CHUNK, first_id_of
from tests.services.capture.conftest import NOW, Capture, running
from tests.shared.toy.waiting import until


def add(capture: Capture, count: int, *, days_ago: float, sender: str = "form") -> None:
    """As many bad submissions that came so long ago."""
    at = NOW - timedelta(days=days_ago)
    rows = [
        {
            "bad_submission_id": first_id_of(at)[:-6] + f"{sender[0].encode().hex()}{number:04x}",
            "received_at": at, "status": 422, "reason": "no", "errors": [], "content_type": "",
            "body": b"x", "source": f"{sender}:demo", "sender": sender,
        }
        for number in range(count)
    ]  # fmt: skip
    with capture.db.begin() as conn:
        conn.execute(insert(bad_submissions), rows)


def left(capture: Capture) -> dict[str, int]:
    column = bad_submissions.c.sender
    with capture.db.connect() as conn:
        return dict(conn.execute(select(column, func.count()).group_by(column)).all())  # type: ignore[arg-type]


async def test_the_old_go_in_small_transactions_and_the_young_stay(capture: Capture) -> None:
    add(capture, CHUNK + 20, days_ago=31)
    add(capture, 30, days_ago=29, sender="key")
    before = NOW - timedelta(days=Settings().bad_submission_days)
    gone = [
        await capture.db.write(lambda conn: forget_bad_submissions(conn, before)) for _ in range(3)
    ]
    assert gone == [CHUNK, 20, 0]
    assert left(capture) == {"key": 30}


async def test_the_newest_of_each_kind_of_sender_stay(capture: Capture) -> None:
    add(capture, CHUNK + 60, days_ago=2)
    add(capture, 10, days_ago=1)
    add(capture, 15, days_ago=3, sender="key")
    for _ in range(2):
        await capture.db.write(lambda conn: keep_newest_bad_submissions(conn, 20))
    assert left(capture) == {"form": 20, "key": 15}
    ids = [row["bad_submission_id"] for row in await capture.bad()]
    assert sum(one.startswith(first_id_of(NOW - timedelta(days=1))[:8]) for one in ids) == 10


async def test_the_timer_goes_on_until_all_is_forgotten(database_url: str, access: Access) -> None:
    async with running(database_url, access, bad_submissions=50) as capture:
        add(capture, 2 * CHUNK + 1, days_ago=400)
        add(capture, 70, days_ago=1)
        (timer,) = (part for part in capture.service.parts if "forget" in part.name)
        assert isinstance(timer, Timer)
        timer.soon()
        assert await until(lambda: left(capture) == {"form": 50})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_statement_walks_through_the_table(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQLite plans them; the texts are the same on PostgreSQL."""
    plans: list[str] = []
    execute = statements._execute

    def explained(conn: Any, sql: str, values: Any, *, many: bool) -> Any:
        plan = conn.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, values)
        plans.extend(row[3] for row in plan)
        return execute(conn, sql, values, many=many)

    monkeypatch.setattr(statements, "_execute", explained)
    with capture.db.begin() as conn:
        forget_bad_submissions(conn, NOW)
        keep_newest_bad_submissions(conn, 0)
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN bad_submissions")], plans


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("table", "order"),
    [
        ("submissions", "submission_id DESC"),
        ("activities", "occurred_at DESC, activity_id DESC"),
    ],
)
async def test_a_leads_history_is_read_in_the_order_of_an_index(
    capture: Capture, table: str, order: str
) -> None:
    with capture.db.connect() as conn:
        query = f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE lead_id = 'x' ORDER BY {order}"
        (plan,) = [row[3] for row in conn.execute(text(query))]  # a second step would sort
    assert "USING INDEX" in plan
