"""Leads that are handed over, put back and noted on; and managers who answer for a rep."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.routing.domain.assignment import State
from services.routing.domain.reps import Leave, Status, Team
from services.routing.handlers import answers, working
from services.routing.handlers.working import Worker
from services.routing.store.unit import Routing
from shared.access import Role
from shared.contracts.events import LeadReassigned, OutcomeRecorded
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from tests.services.routing.desk import Desk, mql, overlaps
from tests.services.routing.test_handlers import NOON, happen, owner, rep, told, unit_of
from tests.services.routing.test_managing import change

ANA = Worker("key_ana", "ana")


def accepted(unit: Routing) -> str:
    """A lead that ana works on; its id."""
    lead = mql()
    happen(unit, lead)
    mine = owner(unit, lead.lead_id)
    assert mine.rep_id == "ana"
    answers.accept(unit, answers.Answer(mine.assignment_id))
    return lead.lead_id


def given(unit: Routing, lead_id: str) -> str:
    return owner(unit, lead_id).assignment_id


def test_a_colleague_gets_it_with_a_clock_of_their_own() -> None:
    unit = unit_of(rep("ana"), rep("ben", 0))
    lead_id = accepted(unit)
    done = working.hand_over(unit, given(unit, lead_id), "ben", ANA, "Speaks Portuguese.")
    assert (done.rep_id, done.attempt, done.state) == ("ben", 2, State.ASSIGNED)
    assert (done.cause, done.given_by) == ("HANDED_OVER", "key_ana")
    assert done.due_at > unit.now
    event = unit.events[-1].data
    assert isinstance(event, LeadReassigned)
    assert (event.previous_rep_id, event.cause) == ("ana", "HANDED_OVER")
    assert "Portuguese" not in repr(event), "a note stays in routing"
    (note,) = unit.notes
    assert (note.rep_id, note.written_by, note.text) == ("ana", "key_ana", "Speaks Portuguese.")
    (decision,) = (one for one in unit.decisions if one.rep_id == "ben")
    assert decision.reason == "handed over by ana"
    with pytest.raises(Problem) as late:
        working.hand_over(
            unit, next(a for a in unit.assignments if a.rep_id == "ana").assignment_id, "ben", ANA
        )
    assert late.value.status == 409
    assert "ben has it now" in late.value.detail
    assert late.value.extra["owner"] == "ben"


@pytest.mark.parametrize(
    ("to", "changes", "words"),
    [
        ("ana", {}, "theirs already"),
        ("ghost", {}, "no rep"),
        ("ben", {"status": Status.PAUSED}, "ben is paused"),
        ("ben", {"status": Status.GONE}, "ben is gone"),
        ("ben", {"leave": (Leave(NOON.date(), NOON.date()),)}, "ben is on leave"),
    ],
)
def test_a_colleague_who_can_not_take_it(to: str, changes: dict[str, Any], words: str) -> None:
    unit = unit_of(rep("ana"), rep("ben", 0))
    lead_id = accepted(unit)
    if changes:
        change(unit, to, **changes)
    with pytest.raises(Problem) as refused:
        working.hand_over(unit, given(unit, lead_id), to, ANA)
    assert (refused.value.status, words in refused.value.detail) == (422, True)
    assert owner(unit, lead_id).rep_id == "ana"


def test_what_is_put_back_goes_by_the_rules_to_somebody_else() -> None:
    unit = unit_of(rep("ana"), rep("ben", 0), max_attempts=1)
    lead_id = accepted(unit)
    change(unit, "ben", capacity=3)
    done = working.put_back(unit, given(unit, lead_id), ANA, "On holiday soon.")
    assert done is not None
    assert (done.rep_id, done.cause) == ("ben", "PUT_BACK")
    ben = Worker("key_ben", "ben")
    assert working.put_back(unit, done.assignment_id, ben) is None
    assert told(unit)[-1] == "LeadUnrouted"


@pytest.mark.parametrize(
    ("worker", "status"),
    [
        (Worker("k", "ben"), 403),
        (Worker("k", manager_id="other"), 403),
        (Worker("k", manager_id="maria"), None),
        (Worker("k"), None),
    ],
)
@pytest.mark.parametrize(
    "do",
    [
        lambda unit, lead_id, who: working.hand_over(unit, given(unit, lead_id), "ben", who),
        lambda unit, lead_id, who: working.put_back(unit, given(unit, lead_id), who),
        lambda unit, lead_id, who: working.add_note(unit, lead_id, who, "Called."),
    ],
    ids=["hand over", "put back", "note"],
)
def test_who_may_do_it(
    do: Callable[[Routing, str, Worker], Any], worker: Worker, status: int | None
) -> None:
    unit = unit_of(rep("ana", team_id="dach"), rep("ben", 0), replace(rep("maria"), weight=0))
    unit.teams.hold([Team("dach", "DACH", "maria", NOON)])
    lead_id = accepted(unit)
    if status is None:
        do(unit, lead_id, worker)
        return
    with pytest.raises(Problem) as refused:
        do(unit, lead_id, worker)
    assert refused.value.status == status


def test_a_deal_ends_the_ownership_of_whoever_it_was_handed_to() -> None:
    unit = unit_of(rep("ana"), rep("ben", 0))
    lead_id = accepted(unit)
    working.hand_over(unit, given(unit, lead_id), "ben", ANA)
    won = OutcomeRecorded(
        lead_id=lead_id, outcome_id=new_id(), cycle=1, stage=Stage.WON, occurred_at=NOON
    )
    happen(unit, won)
    assert unit.owner(lead_id) is None


async def test_by_api_with_managers_who_answer_for_an_absent_rep(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/reps", json={"rep_id": "maria", "name": "Maria", "weight": 0})
    body = {"name": "DACH", "manager_id": "maria"}
    team_id = (await admin.post("/routing/v1/teams", json=body)).json()["team_id"]
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 0), ("zoe", 1, 0))
    await admin.patch("/routing/v1/reps/ana", json={"team_id": team_id})
    first, second = mql(), mql()
    await desk.happen(first, second)
    ana, ben = await desk.client(Role.REP, "ana"), await desk.client(Role.REP, "ben")
    maria = await desk.client(Role.MANAGER, "maria")
    mine = (await maria.get("/routing/v1/assignments")).json()["items"]
    assert {one["rep_id"] for one in mine} == {"ana"}
    by_lead = {one["lead_id"]: f"/routing/v1/assignments/{one['assignment_id']}" for one in mine}
    assert (await maria.post(f"{by_lead[first.lead_id]}/accept")).json()["state"] == "ACCEPTED"
    other = await desk.client(Role.MANAGER, "zoe")
    assert (await other.post(f"{by_lead[second.lead_id]}/accept")).status_code == 403
    assert (await other.get(by_lead[second.lead_id])).status_code == 403
    notes = f"/routing/v1/leads/{first.lead_id}/notes"
    assert (await ana.post(notes, json={"text": " Called; likes it. "})).status_code == 201
    assert (await ben.get(notes)).status_code == 403
    handed = await ana.post(
        f"{by_lead[first.lead_id]}/hand-over", json={"rep_id": "ben", "note": "Yours."}
    )
    assert handed.json()["rep_id"] == "ben"
    texts = [one["text"] for one in (await ben.get(notes)).json()["items"]]
    assert texts == ["Yours.", "Called; likes it."]
    again = await ana.post(f"{by_lead[first.lead_id]}/hand-over", json={"rep_id": "ben"})
    assert (again.status_code, again.json()["owner"]) == (409, "ben")
    back = await ana.post(f"{by_lead[second.lead_id]}/put-back")
    assert back.json() == {"assignment": None}
    assert (await ana.post(notes, json={"text": " "})).status_code == 422
    assert overlaps(await desk.rows_of_assignments()) == []
