"""Two answers at one instant, an end that meets another, and clocks that are set back."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.routing.consumer import HANDLERS
from services.routing.handlers import answers, deadlines, setting_up, working
from services.routing.handlers.answers import Answer
from services.routing.handlers.working import Worker
from services.routing.store.unit import Routing
from shared.access import Role
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason, Stage
from shared.runtime.clock import FixedClock
from shared.runtime.unit import Transactions
from tests.services.routing.desk import Desk, event, mql, open_desk, overlaps
from tests.services.routing.life import MONDAY, times_are_in_order
from tests.services.routing.test_handing_out import outcome

ADMIN = Worker("key_admin")
AN_HOUR = timedelta(hours=1)


async def test_of_two_answers_at_one_instant_one_wins_and_the_other_is_told_who_has_it(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    await desk.add_reps(("ana", 1, 99))
    leads = [mql() for _ in range(10)]
    await desk.happen(*leads)
    # Another process, where several may share a database.
    several = desk.db.dialect == "postgresql"
    async with open_desk(database_url, tmp_path / "two") if several else nullcontext(desk) as other:
        ana, too = [await one.client(Role.REP, "ana") for one in (desk, other)]
        for row in await desk.open_rows():
            path = f"/routing/v1/assignments/{row.assignment_id}/"
            accepted, rejected = await asyncio.gather(
                ana.post(path + "accept", json={"attempt": 1}),
                too.post(path + "reject", json={"attempt": 1, "reason": "NOT_A_BUYER"}),
            )
            assert sorted([accepted.status_code, rejected.status_code]) == [200, 409]
            (now,) = await desk.history(row.lead_id)
            if accepted.status_code == 200:
                assert now.state == "ACCEPTED"
                assert rejected.json()["owner"] == "ana"
                assert "it is ACCEPTED with ana now" in rejected.json()["detail"]
            else:
                assert (now.state, now.reason) == ("REJECTED", "NOT_A_BUYER")
                assert accepted.json()["owner"] is None
                assert "nobody has it now" in accepted.json()["detail"]
            assert len(await desk.emitted(row.lead_id)) == 2


async def test_an_answer_and_a_hand_over_at_one_instant(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 99), ("ben", 1, 0))
    await desk.happen(*[mql() for _ in range(10)])
    ana = await desk.client(Role.REP, "ana")
    for row in await desk.open_rows():
        path = f"/routing/v1/assignments/{row.assignment_id}/"
        rejected, handed = await asyncio.gather(
            ana.post(path + "reject", json={"attempt": 1, "reason": "SPAM"}),
            ana.post(path + "hand-over", json={"attempt": 1, "rep_id": "ben"}),
        )
        assert sorted([rejected.status_code, handed.status_code]) == [200, 409]
        now = (await desk.history(row.lead_id))[-1]
        if handed.status_code == 200:
            assert rejected.json()["owner"] == "ben"
            assert "ben has it now" in rejected.json()["detail"]
        else:
            assert now.state == "REJECTED"
            assert "nobody has it now" in handed.json()["detail"]
    assert overlaps(await desk.rows_of_assignments()) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_deal_that_is_won_during_a_hand_over_is_not_given_away(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 0))
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.open_rows()
    answer = Answer(row.assignment_id)
    await desk.transactions.run(lambda unit: answers.accept(unit, answer))
    won, tries = outcome(lead.lead_id, Stage.WON), []

    def hand_over(unit: Routing) -> Any:
        tries.append(unit)
        if len(tries) == 1:  # another process reads the bus between our reading and our writing
            found = unit.assignments.fetch(row.assignment_id)
            assert found is not None
            closing = partial(HANDLERS[type(won)], event(won))
            desk.transactions.run_here(closing, [lead.lead_id])
        return working.hand_over(unit, row.assignment_id, "ben", ADMIN)

    with pytest.raises(Problem) as late:
        await desk.transactions.run(hand_over)
    assert (late.value.status, len(tries)) == (409, 2)
    (only,) = await desk.history(lead.lead_id)
    assert (only.state, only.closed_because) == ("ACCEPTED", "WON")


@pytest.fixture
def clock(desk: Desk) -> Iterator[FixedClock]:
    """The clock of the desk's transactions, on either database."""
    made = FixedClock(MONDAY)
    transactions: Transactions[Routing] = desk.transactions
    before, transactions.clock = transactions.clock, made
    yield made
    transactions.clock = before


async def test_a_clock_that_is_set_back_loses_no_lead(desk: Desk, clock: FixedClock) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    leads = [mql() for _ in range(8)]
    await desk.happen(*leads)
    of = {one.lead_id: one.assignment_id for one in await desk.open_rows()}
    ids = [of[lead.lead_id] for lead in leads]
    clock.advance(-AN_HOUR)
    do = desk.transactions.run
    await do(lambda unit: answers.acknowledge(unit, Answer(ids[0])))
    await do(lambda unit: answers.accept(unit, Answer(ids[1])))
    await do(lambda unit: answers.reject(unit, Answer(ids[2]), RejectReason.NO_CAPACITY))
    await do(lambda unit: answers.reject(unit, Answer(ids[3]), RejectReason.SPAM))
    await do(lambda unit: working.put_back(unit, ids[4], ADMIN))
    to = {"ana": "ben", "ben": "ana"}
    owner = {one.assignment_id: one.rep_id for one in await desk.rows_of_assignments()}
    await do(lambda unit: working.hand_over(unit, ids[5], to[owner[ids[5]]], ADMIN))
    await desk.happen(mql(leads[6].lead_id, cycle=2))
    await do(lambda unit: setting_up.change_rep(unit, "ben", {"capacity": 8}))
    rows = await desk.rows_of_assignments()
    assert overlaps(rows) == []
    _in_order(rows)
    assert await desk.expire() == 0, "nobody's time is shorter for it"
    clock.advance(2 * AN_HOUR + timedelta(seconds=1))
    waiting = [one for one in rows if one.state in ("ASSIGNED", "ACKNOWLEDGED")]
    waiting = [one for one in waiting if one.closed_at is None and one.due_at <= clock.now()]
    assert len(waiting) == 5, "all but the one that was seen, and what was answered"
    assert await desk.expire() == 5
    clock.advance(-2 * AN_HOUR)
    assert await desk.expire() == 0
    assert await desk.transactions.run(deadlines.warn) == 0
    clock.advance(9 * AN_HOUR)
    assert await desk.expire() > 0
    clock.advance(24 * AN_HOUR)
    await desk.sweep()
    rows = await desk.rows_of_assignments()
    assert overlaps(rows) == []
    _in_order(rows)
    owned = {one.lead_id for one in rows if one.closed_at is None}
    assert owned == {lead.lead_id for lead in leads} - {leads[3].lead_id}, "one was spam"
    told = [one for one in await desk.emitted() if hasattr(one, "answered_at")]
    assert all(one.answered_at >= one.assigned_at for one in told)


def _in_order(rows: list[Any]) -> None:
    class After:
        attempts = {one.assignment_id: one for one in rows}  # noqa: RUF012

    times_are_in_order(After)  # type: ignore[arg-type]
    assert all(one.due_at > one.assigned_at for one in rows)


async def test_a_hand_over_to_somebody_on_leave_says_so(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 0))
    await desk.happen(mql())
    (row,) = await desk.open_rows()
    admin, ana = await desk.client(Role.ADMIN), await desk.client(Role.REP, "ana")
    leave = {"leave": [{"first": "2020-01-01", "last": "2099-12-31"}]}
    assert (await admin.patch("/routing/v1/reps/ben", json=leave)).status_code == 200
    path = f"/routing/v1/assignments/{row.assignment_id}/hand-over"
    refused = await ana.post(path, json={"rep_id": "ben"})
    assert refused.status_code == 422
    problem = refused.json()
    assert problem["detail"] == (
        "ben is on leave until 31 Dec 2099. Nothing was changed: choose somebody else."
    )
    assert problem["errors"][0]["pointer"] == "/rep_id"
    sent = {"lead_ids": [row.lead_id], "rep_id": "ben"}
    moved = await admin.post("/routing/v1/moves", json=sent)
    assert moved.status_code == 422
    assert "ben is on leave until" in moved.json()["detail"]
    (still,) = await desk.open_rows()
    assert still.rep_id == "ana"
