"""What it costs to hand out leads, and that nothing is lost when the tables change."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy import event as listening

from services.routing.domain.assignment import Assignment, State
from services.routing.handlers import answers
from services.routing.handlers.answers import Answer
from services.routing.service import MIGRATIONS, NAME
from services.routing.store.inbox import Tab, Wanted, card_of, counts_of, page_of
from services.routing.store.queries import lead_decisions, policy_in_force
from services.routing.store.tables import metadata
from services.routing.store.unit import Routing
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason
from shared.db.database import Database, database_now
from shared.db.migrations import drift, migrate
from tests.services.routing.desk import Desk, mql, person


@contextmanager
def statements_of(db: Database) -> Iterator[list[str]]:
    """What is asked of a database meanwhile."""
    asked: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *more: Any) -> None:
        asked.append(statement)

    engines = {db._writer, db._reader}
    for engine in engines:
        listening.listen(engine, "before_cursor_execute", note)
    yield asked
    for engine in engines:
        listening.remove(engine, "before_cursor_execute", note)


async def test_a_batch_asks_no_more_than_one_lead_does(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 500), ("ben", 2, 500))
    await desk.set_policy(rules=[{"id": "bens", "when": [], "rep_ids": ["ben"]}])
    counts = []
    for many in (1, 1, 60):
        leads = [mql() for _ in range(many)]
        with statements_of(desk.db) as asked:
            await desk.happen(*leads, *(person(one.lead_id) for one in leads))
        counts.append(len(asked))
        with statements_of(desk.db) as asked:
            await desk.happen(*(mql(one.lead_id, cycle=2) for one in leads))
        counts.append(len(asked))
    await desk.run_out()
    with statements_of(desk.db) as asked:
        assert await desk.expire() == 62
    _, _, once, again, batch, batch_again = counts
    assert batch == once
    assert batch_again == again
    assert len(asked) <= again + 2
    assert not any('FROM "policies"' in one for one in asked), "policies are compiled once"


async def test_an_answer_that_another_overtook_is_done_again_and_told_so(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    answer = Answer(row.assignment_id)

    def read(conn: Connection) -> Assignment | None:
        return Routing(datetime.now(UTC), conn).assignments.fetch(row.assignment_id)

    before = await desk.db.read(read)
    assert before is not None
    await desk.transactions.run(lambda unit: answers.accept(unit, answer))
    seen: list[State] = []

    def late(unit: Routing) -> None:
        if not seen:
            unit.assignments.hold([before])  # it was read before the other one was written
        found = unit.assignments.fetch(row.assignment_id)
        assert found is not None
        seen.append(found.state)
        answers.reject(unit, answer, RejectReason.SPAM)

    with pytest.raises(Problem) as told:
        await desk.transactions.run(late)
    assert (told.value.status, told.value.extra["state"]) == (409, "ACCEPTED")
    assert seen == [State.ASSIGNED, State.ACCEPTED]
    (row,) = await desk.history(lead.lead_id)
    assert (row.state, row.reason) == ("ACCEPTED", None)
    kinds = [type(one).__name__ for one in await desk.emitted(lead.lead_id)]
    assert kinds == ["LeadAssigned", "LeadAccepted"]


def test_leads_and_decisions_are_kept_by_the_upgrade(database_url: str, tmp_path: Path) -> None:
    first = tmp_path / "first" / "versions"
    first.mkdir(parents=True)
    shutil.copy(MIGRATIONS / "versions" / "0001_routing.py", first)
    db = Database.open(database_url, NAME)
    migrate(db, first.parent)
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    at = noon.isoformat() if db.dialect == "postgresql" else "2026-03-02 12:00:00.000000"
    candidate = (
        '[{"rep_id": "ana", "eligible": true, "why": "room for 3 more", "shortfall": 0.5, '
        '"weight": 1, "given": 2.0, "waiting": 0, "capacity": 3, "last_turn": 2}]'
    )
    with db.begin() as conn:
        for statement in (
            "INSERT INTO leads (lead_id, cycle, definition_version, score, threshold, facts, "
            "attribution, contributions, captured_at, qualified_at, attempt, round_base) "
            f"VALUES ('l1', 1, 1, 60, 50, '{{}}', '{{}}', '[]', '{at}', '{at}', 1, 0)",
            "INSERT INTO assignments (assignment_id, lead_id, cycle, rep_id, attempt, state, "
            "policy_version, definition_version, assigned_at, due_at, updated_at) "
            f"VALUES ('a1', 'l1', 1, 'ana', 1, 'ASSIGNED', 1, 1, '{at}', '{at}', '{at}')",
            "INSERT INTO decisions (decision_id, lead_id, cycle, attempt, policy_version, rep_id, "
            f"reason, candidates, decided_at) "
            f"VALUES ('d1', 'l1', 1, 1, 1, 'ana', 'why not', '{candidate}', '{at}')",
            "INSERT INTO policies (version, document, created_at) VALUES (1, "
            """'{"sla_minutes": 5, "accept_minutes": 9, "max_attempts": 2, "rules": []}', """
            f"'{at}')",
        ):
            conn.exec_driver_sql(statement)
    migrate(db, MIGRATIONS)
    assert drift(db, metadata) == []
    with db.connect() as conn:
        (row,) = page_of(conn, "ana", Tab.WAITING, Wanted(), noon, limit=5).rows
        card = card_of(conn, row)
        (why,) = lead_decisions(conn, "l1")
        assert policy_in_force(conn).whole["max_rounds"] == 3
    assert card.lead is not None
    assert (card.lead.rounds, card.assignment.due_at) == (0, noon)
    assert card.decision == why
    assert (why.candidates[0].rep_id, why.left_out) == ("ana", 0)
    db.close()


async def test_lists_and_inboxes_go_along_indexes(desk: Desk) -> None:
    """However many leads a rep has had, and whatever is looked for."""
    explain = "EXPLAIN " if desk.db.dialect == "postgresql" else "EXPLAIN QUERY PLAN "
    queries = {
        "SELECT due_at FROM assignments WHERE state IN ('ASSIGNED', 'ACKNOWLEDGED') "
        "ORDER BY due_at LIMIT 1": "assignments_waiting",
        "SELECT retry_at FROM leads WHERE unrouted_at IS NOT NULL AND retry_at IS NOT NULL "
        "ORDER BY retry_at LIMIT 1": "leads_unrouted",
        "SELECT * FROM assignments WHERE rep_id = 'ana' AND closed_at IS NULL "
        "AND state = 'ACCEPTED' ORDER BY answered_at DESC LIMIT 100": "assignments_open_of_rep",
    }

    def plan(conn: Any, query: str) -> str:
        if desk.db.dialect == "postgresql":
            conn.execute(text("SET LOCAL enable_seqscan = off"))
            conn.execute(text("SET LOCAL enable_sort = off"))
        return "\n".join(str(tuple(row)) for row in conn.exec_driver_sql(explain + query))

    for query, index in queries.items():
        assert index in await desk.db.write(lambda conn, query=query: plan(conn, query)), query


async def test_a_long_history_of_a_rep_is_no_burden_of_their_inbox(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 50))
    leads = [mql() for _ in range(30)]
    await desk.happen(*leads)
    rows = await desk.open_rows()
    for row in rows[:10]:
        await desk.transactions.run(
            lambda unit, row=row: answers.accept(unit, Answer(row.assignment_id))
        )

    def read(conn: Any) -> Any:
        now = database_now(conn)
        pages = [page_of(conn, "ana", tab, Wanted(), now, limit=5) for tab in Tab]
        cards = [card_of(conn, row) for page in pages for row in page.rows]
        return pages, cards, counts_of(conn, "ana", now)

    (waiting, mine, missed), cards, counts = await desk.db.read(read)
    assert [len(waiting.rows), len(mine.rows), len(missed.rows)] == [5, 5, 0]
    assert [waiting.found, mine.found, missed.found] == [20, 10, 0]
    assert (counts.waiting, counts.mine, counts.missed) == (20, 10, 0)
    dues = [row.assignment.due_at for row in waiting.rows]
    assert dues == sorted(dues)
    assert all(card.decision is not None for card in cards)
