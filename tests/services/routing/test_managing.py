"""A manager's board, and leads that are moved by hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.routing.domain.assignment import State
from services.routing.domain.reps import Leave, Rep, Status, Team
from services.routing.handlers.managing import Mover, move
from services.routing.store.unit import Routing
from shared.access import Role
from shared.contracts.events import LeadReassigned
from shared.contracts.problems import Problem
from tests.services.routing.desk import Desk, mql, overlaps
from tests.services.routing.test_handlers import NOON, happen, owner, rep, told, unit_of

MARIA = Mover("key_maria", "maria")
ADMIN = Mover("key_admin")


def team() -> Routing:
    """Maria manages ana and ben; chloe is of another team."""
    unit = unit_of(
        rep("ana", team_id="dach"), rep("ben", 0, team_id="dach"), rep("chloe", 0, team_id="uk"),
        replace(rep("maria", 0), weight=0),
    )  # fmt: skip
    unit.teams.hold([Team("dach", "DACH", "maria", NOON), Team("uk", "UK", None, NOON)])
    return unit


def change(unit: Routing, rep_id: str, **changes: Any) -> None:
    """Change a rep behind the handlers' back."""
    found = unit.reps.get(rep_id)
    assert isinstance(found, Rep)
    unit.reps.put(replace(found, **changes))
    unit.pool().join(unit.standing(replace(found, **changes)))


def test_a_lead_moves_to_somebody_and_counts_for_no_attempt() -> None:
    unit = team()
    lead = mql()
    happen(unit, lead)
    (done,) = move(unit, [lead.lead_id], "ben", MARIA)
    assert (done.rep_id, done.why) == ("ben", "")
    now = owner(unit, lead.lead_id)
    assert (now.rep_id, now.attempt, now.cause, now.given_by) == ("ben", 2, "MOVED", "key_maria")
    moved = unit.events[-1].data
    assert isinstance(moved, LeadReassigned)
    assert (moved.previous_rep_id, moved.cause, moved.given_by) == ("ana", "MOVED", "key_maria")
    ana = unit.reps.get("ana")
    assert ana is not None
    assert ana.assigned == 0
    assert unit.pool().reps["ana"].waiting == 0


def test_by_the_rules_somebody_else_gets_it_or_it_waits() -> None:
    unit = team()
    first, second = mql(), mql()
    happen(unit, first, second)
    change(unit, "ben", capacity=1)
    done = move(unit, [first.lead_id, second.lead_id, first.lead_id], None, MARIA)
    assert [one.rep_id for one in done] == ["ben", None]
    assert told(unit)[-1] == "LeadUnrouted"
    change(unit, "chloe", capacity=5)
    (found,) = move(unit, [second.lead_id], None, ADMIN)
    assert found.rep_id == "chloe"


def test_what_somebody_works_on_moves_only_to_somebody() -> None:
    unit = team()
    lead = mql()
    happen(unit, lead)
    mine = owner(unit, lead.lead_id)
    unit.assignments.put(replace(mine, state=State.ACCEPTED, answered_at=NOON))
    (stays,) = move(unit, [lead.lead_id], None, MARIA)
    assert (stays.rep_id, stays.why) == ("ana", "somebody works on it: name who is to have it")
    (goes,) = move(unit, [lead.lead_id], "ben", MARIA)
    assert goes.rep_id == "ben"
    assert owner(unit, lead.lead_id).state is State.ASSIGNED


def test_each_that_can_not_move_says_why() -> None:
    unit = team()
    lead, elsewhere = mql(), mql()
    happen(unit, lead)
    move(unit, [lead.lead_id], "ana", ADMIN)
    change(unit, "ana", capacity=0)
    change(unit, "chloe", capacity=5)
    happen(unit, elsewhere)
    done = move(unit, [lead.lead_id, elsewhere.lead_id, "nothing"], "ana", MARIA)
    assert [one.why for one in done] == [
        "they have it already",
        "it is with a rep of another team",
        "no such lead has come to routing",
    ]


@pytest.mark.parametrize(
    ("rep_id", "changes", "status"),
    [
        ("ghost", None, 422),
        ("chloe", None, 403),
        ("ben", {"status": Status.PAUSED}, 422),
        ("ben", {"status": Status.GONE}, 422),
        ("ben", {"leave": (Leave(NOON.date(), NOON.date()),)}, 422),
    ],
)
def test_nobody_who_can_not_take_it_is_given_one(
    rep_id: str, changes: dict[str, Any] | None, status: int
) -> None:
    unit = team()
    lead = mql()
    happen(unit, lead)
    if changes:
        change(unit, rep_id, **changes)
    with pytest.raises(Problem) as refused:
        move(unit, [lead.lead_id], rep_id, MARIA)
    assert refused.value.status == status
    assert owner(unit, lead.lead_id).rep_id == "ana"


async def test_the_board_and_moving_by_api(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/reps", json={"rep_id": "maria", "name": "Maria", "weight": 0})
    body = {"name": "DACH", "manager_id": "maria"}
    team_id = (await admin.post("/routing/v1/teams", json=body)).json()["team_id"]
    await desk.add_reps(("ana", 1, 2), ("ben", 1, 0), ("chloe", 1, 1))
    for rep_id in ("ana", "ben"):
        await admin.patch(f"/routing/v1/reps/{rep_id}", json={"team_id": team_id})
    leads = [mql() for _ in range(5)]
    await desk.happen(*leads)
    manager = await desk.client(Role.MANAGER, "maria")
    board = (await manager.get("/routing/v1/board")).json()
    assert {row["rep_id"]: row["waiting"] for row in board["reps"]} == {
        "ana": 2, "ben": 0, "maria": 0,
    }  # fmt: skip
    assert {one["rep_id"] for one in board["due_next"]} == {"ana"}
    assert board["unrouted_count"] == 2
    assert {one["words"] for one in board["unrouted"]} == {
        "every rep who may have this lead is full"
    }
    assert len((await admin.get("/routing/v1/board")).json()["due_next"]) == 3
    lead_ids = [one["lead_id"] for one in board["due_next"]]
    nobody = [one["lead_id"] for one in board["unrouted"]]
    sent = {"lead_ids": [*lead_ids, *nobody], "rep_id": "ben"}
    done = (await manager.post("/routing/v1/moves", json=sent)).json()["items"]
    assert [one["moved"] for one in done] == [True] * 4
    board = (await manager.get("/routing/v1/board")).json()
    assert {row["rep_id"]: row["waiting"] for row in board["reps"]}["ben"] == 4
    assert board["unrouted_count"] == 0
    assert overlaps([*await desk.rows_of_assignments()]) == []
    rep_client = await desk.client(Role.REP, "ana")
    assert (await rep_client.get("/routing/v1/board")).status_code == 403
    assert (await rep_client.post("/routing/v1/moves", json=sent)).status_code == 403


async def test_the_board_tells_how_reps_did(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    leads = [mql() for _ in range(4)]
    await desk.happen(*leads)
    ana = await desk.client(Role.REP, "ana")
    open_ones = (await ana.get("/routing/v1/assignments")).json()["items"]
    path = "/routing/v1/assignments/{}/{}"
    for one in open_ones[:2]:
        await ana.post(path.format(one["assignment_id"], "accept"))
    reject = {"reason": "OUTSIDE_ICP"}
    await ana.post(path.format(open_ones[2]["assignment_id"], "reject"), json=reject)
    await desk.run_out()
    await desk.expire()
    admin = await desk.client(Role.ADMIN)
    (row,) = (await admin.get("/routing/v1/board")).json()["reps"]
    assert (row["attempts"], row["accepted"], row["breached"]) == (4, 2, 1)
    assert (row["working"], row["acceptance"]) == (2, 0.5)
    assert 0 <= row["seconds_to_answer"] < timedelta(minutes=1).total_seconds()
