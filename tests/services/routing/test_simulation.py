"""What another policy or team would have made of a past time, beside what came of it."""

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from services.routing.domain.policy import STARTER
from services.routing.handlers import answers
from services.routing.handlers.answers import Answer
from services.routing.simulation.__main__ import simulation
from services.routing.store.tables import assignments, decisions, leads, pools
from shared.access import Role
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason
from tests.services.routing.desk import Desk, mql
from tests.services.routing.test_replay import Day

START = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2100, 1, 1, tzinfo=UTC)
GERMAN = {"field": "country", "operator": "equals", "value": "DE"}


async def tried(
    desk: Desk, reps: dict[str, Any] | None = None, most: int = 1000, **changes: Any
) -> dict[str, Any]:
    """A simulation, without a process of its own."""
    request = {
        "document": {**STARTER, **changes},
        "reps": reps or {},
        "first": START.isoformat(),
        "last": END.isoformat(),
        "most": most,
    }
    return await desk.db.read(lambda conn: simulation(conn, request))


def per_rep(found: dict[str, Any], when: str = "after") -> dict[str, int]:
    return {one["rep_id"]: one[when] for one in found["per_rep"]}


async def answer(desk: Desk, *kinds: str) -> None:
    """Answer what waits, the first with the first kind and so on, over and over."""
    rows = sorted(await desk.open_rows(), key=lambda row: row.assignment_id)
    for number, row in enumerate(row for row in rows if row.state == "ASSIGNED"):
        given, kind = Answer(row.assignment_id), kinds[number % len(kinds)]
        if kind == "accept":
            await desk.transactions.run(lambda unit, a=given: answers.accept(unit, a))
        elif kind != "wait":
            why = RejectReason(kind)
            await desk.transactions.run(lambda unit, a=given, w=why: answers.reject(unit, a, w))


@pytest.mark.parametrize("seed", [3, 4])
async def test_the_same_policy_gives_everybody_what_they_had(desk: Desk, seed: int) -> None:
    """A busy time, without changes to reps and policy, comes out as in truth."""
    day = Day([desk], random.Random(seed), capacity=40)
    await day.opens()
    for _ in range(70):
        with suppress(Problem):
            await day.rng.choice((day._leads, day._answer, day._answer, day._move))(desk)
        await desk.rested()
        await desk.sweep()
    found = await tried(desk)
    assert found["leads"] > 40
    assert found["counts_known"] is True
    assert found["off"] == found["changed"]["count"] == 0
    assert found["breaches"]["attempts_after"] == found["breaches"]["attempts_before"] > 60
    assert found["breaches"]["after"] == found["breaches"]["before"]


async def test_a_time_that_begins_later_goes_by_the_counts_of_then(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 2, 9), ("cai", 1, 2))
    for _ in range(5):
        await desk.happen(mql(), mql())
        await answer(desk, "accept", "wait")
    rows = await desk.rows(select(decisions.c.decided_at).order_by(decisions.c.decided_at))
    later = rows[6].decided_at
    request = {
        "document": STARTER, "reps": {}, "first": later.isoformat(), "last": END.isoformat(),
        "most": 1000,
    }  # fmt: skip
    found = await desk.db.read(lambda conn: simulation(conn, request))
    assert found["leads"] == sum(row.decided_at >= later for row in rows)
    assert found["off"] == found["changed"]["count"] == 0


async def test_a_draft_and_a_changed_team(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 99), ("ben", 1, 99), ("cai", 1, 99))
    for number in range(12):
        await desk.happen(mql(f"lead-{number:02}", country="DE" if number % 2 else "FR"))
    before = [await desk.rows(select(table)) for table in (leads, assignments, decisions, pools)]
    german = [{"id": "german", "when": [GERMAN], "rep_ids": ["cai"]}]
    found = await tried(desk, rules=german)
    assert per_rep(found, "before") == {"ana": 4, "ben": 4, "cai": 4}
    assert per_rep(found) == {"ana": 3, "ben": 3, "cai": 6}
    owners = {row.lead_id: row.rep_id for row in await desk.open_rows()}
    items = found["changed"]["items"]
    assert found["changed"]["count"] == len(items) > 0
    assert all(one["from"] == owners[one["lead_id"]] != one["to"] for one in items)
    assert sum(one["leads"] for one in found["changed"]["pairs"]) == len(items)
    assert {one["to"] for one in items if int(one["lead_id"][-1]) % 2} <= {"cai"}

    gone = await tried(desk, {"cai": {"status": "gone"}})
    assert per_rep(gone) == {"ana": 6, "ben": 6, "cai": 0}
    heavy = await tried(desk, {"ana": {"weight": 2}})
    assert per_rep(heavy) == {"ana": 6, "ben": 3, "cai": 3}
    small = await tried(desk, {name: {"capacity": 2} for name in owners.values()})
    assert (small["waited"]["before"], small["waited"]["after"]) == ({}, {"NO_ROOM": 6})
    assert small["never"] == {"before": 0, "after": 6}
    nobody = await tried(desk, rules=german, fallback={"to": "nobody"})
    assert nobody["waited"]["after"] == {"NO_REP": 6}
    after = [await desk.rows(select(table)) for table in (leads, assignments, decisions, pools)]
    assert after == before


async def test_another_rep_answers_as_they_usually_do(desk: Desk) -> None:
    """Ana lets half of hers run out, Ben answers all: what goes to Ben runs out no more."""
    await desk.add_reps(("ana", 1, 99), ("ben", 1, 99))
    await desk.set_policy(max_attempts=1)
    await desk.happen(*(mql() for _ in range(20)))
    mine = [row for row in await desk.open_rows() if row.rep_id == "ben"]
    for row in mine:
        await desk.transactions.run(
            lambda unit, r=row: answers.accept(unit, Answer(r.assignment_id))
        )
    theirs = [row for row in await desk.open_rows() if row.rep_id == "ana"]
    for row in theirs[:5]:
        await desk.transactions.run(
            lambda unit, r=row: answers.accept(unit, Answer(r.assignment_id))
        )
    late = assignments.c.assignment_id.in_([row.assignment_id for row in theirs[5:]])
    past = datetime(2020, 1, 1, tzinfo=UTC)
    await desk.db.write(
        lambda conn: conn.execute(update(assignments).where(late).values(due_at=past))
    )
    assert await desk.expire() == 5
    same = await tried(desk, max_attempts=1)
    assert same["breaches"] == {
        "before": 5, "after": 5.0, "attempts_before": 20, "attempts_after": 20,
    }  # fmt: skip
    to_ben = await tried(desk, rules=[{"id": "b", "when": [], "rep_ids": ["ben"]}])
    assert to_ben["breaches"]["after"] == 0
    # Ana's own five run out as they did; of Ben's ten, half would.
    to_ana = await tried(desk, rules=[{"id": "a", "when": [], "rep_ids": ["ana"]}], max_attempts=1)
    assert to_ana["breaches"]["after"] == 5 + 10 * 0.5
    # Whoever has no attempts of that time answers as all do: a quarter ran out.
    await desk.add_reps(("new", 1, 99))
    to_new = await tried(desk, rules=[{"id": "n", "when": [], "rep_ids": ["new"]}])
    assert to_new["breaches"]["after"] == 20 * 0.25
    # With no time at all to answer, everything would.
    quick = await tried(desk, rules=[{"id": "b", "when": [], "rep_ids": ["ben"]}], sla_minutes=1e-7)
    assert quick["breaches"]["after"] == 20


async def test_only_the_newest_leads_are_played_and_it_says_so(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 99))
    for number in range(6):
        await desk.happen(mql(f"lead-{number}"))
    await desk.happen(mql("lead-5", cycle=2))
    found = await tried(desk, most=4)
    # The new cycle, the one it took the place of, and two more.
    assert (found["cut"], found["leads"], found["left_out"]) == (True, 3, 1)
    assert (await tried(desk))["cut"] is False
    request = {"document": STARTER, "reps": {}, "first": START.isoformat(), "most": 9}
    nothing = await desk.db.read(
        lambda conn: simulation(conn, {**request, "last": START.isoformat()})
    )
    assert (nothing["leads"], nothing["off"], nothing["per_rep"]) == (0, 0, [])


async def test_over_http_in_a_process_of_its_own(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 99), ("ben", 1, 99))
    admin = await desk.client(Role.ADMIN)
    await desk.happen(*(mql() for _ in range(6)))
    body = {"sla_minutes": 60, "accept_minutes": 240, "max_attempts": 3}
    rules = [{"id": "bens", "when": [], "rep_ids": ["ben"]}]
    await admin.post("/routing/v1/policies", json={**body, "rules": rules})
    now = datetime.now(UTC)
    window = {
        "from": (now - timedelta(hours=1)).isoformat(),
        "to": (now + timedelta(hours=1)).isoformat(),
    }
    path = "/routing/v1/simulations"
    draft, other = await asyncio.gather(
        admin.post(path, json={"policy_version": 1, **window}),
        admin.post(path, json={"reps": {"ana": {"weight": 2}}, **window}),
    )
    assert per_rep(draft.json()) == {"ana": 0, "ben": 6}
    assert per_rep(other.json()) == {"ana": 4, "ben": 2}
    assert draft.json()["per_rep"][0]["name"] == "ana"

    wrong = {"policy": {**body, "rules": [{"id": "x", "rep_ids": ["bne"]}]}, **window}
    refused = await admin.post(path, json=wrong)
    assert refused.json()["errors"][0]["pointer"] == "/policy/rules/0/rep_ids/0"
    backwards = {"from": window["to"], "to": window["from"], "reps": {"annn": {"weight": 1}}}
    refused = await admin.post(path, json=backwards)
    assert {one["pointer"] for one in refused.json()["errors"]} == {"/to", "/reps/annn"}
    assert (await admin.post(path, json={"policy_version": 9, **window})).status_code == 404
    marketer = await desk.client(Role.MARKETER)
    assert (await marketer.post(path, json=window)).status_code == 403
