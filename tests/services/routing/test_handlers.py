"""What the handlers decide, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.routing.consumer import HANDLERS
from services.routing.domain.assignment import Assignment, State
from services.routing.domain.policy import STARTER, Compiled, PolicyStatus, Written
from services.routing.domain.reps import Rep, Status
from services.routing.handlers import answers, deadlines, policies, setting_up
from services.routing.handlers.answers import Answer
from services.routing.store.unit import Routing, Wakes
from shared.contracts.events import (
    EventData,
    LeadAssigned,
    LeadReassigned,
    LeadUnrouted,
    OutcomeRecorded,
)
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason, Stage
from tests.services.routing.desk import event, mql

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def rep(rep_id: str, capacity: int = 9, **more: Any) -> Rep:
    return Rep(rep_id, rep_id, None, 1, capacity, Status.AVAILABLE, "UTC", NOON, **more)


def unit_of(*reps: Rep, **policy: Any) -> Routing:
    """A transaction at noon with these reps and this policy."""
    unit = Routing(NOON)
    unit.reps.hold(reps)
    unit.policies.hold([Written(1, {**STARTER, **policy}, NOON, PolicyStatus.PUBLISHED)])
    return unit


def happen(unit: Routing, *datas: EventData) -> None:
    for data in datas:
        HANDLERS[type(data)](event(data), unit)


def run_out(unit: Routing) -> None:
    """Let the running deadlines pass and their attempts expire."""
    unit.now += timedelta(days=1)
    assert deadlines.expire_overdue(unit) > 0


def rest(unit: Routing) -> None:
    """Let a lead's rest pass, and look at it again."""
    unit.now += timedelta(days=1)
    deadlines.sweep_unrouted(unit)


def told(unit: Routing) -> list[str]:
    return [type(one.data).__name__ for one in unit.events]


def owner(unit: Routing, lead_id: str) -> Assignment:
    found = unit.owner(lead_id)
    assert found is not None
    return found


def test_an_mql_gets_an_owner_and_says_why() -> None:
    unit = unit_of(rep("ana"), rep("ben"), sla_minutes=30)
    lead = mql()
    happen(unit, lead, lead)
    (assigned,) = unit.assignments
    assert (assigned.rep_id, assigned.attempt, assigned.state) == ("ana", 1, State.ASSIGNED)
    assert assigned.due_at == NOON + timedelta(minutes=30)
    (why,) = unit.decisions
    assert (why.rep_id, why.attempt, why.left_out) == ("ana", 1, 0)
    assert [one.rep_id for one in why.candidates] == ["ana", "ben"]
    assert told(unit) == ["LeadAssigned"]
    ana = unit.reps.get("ana")
    assert ana is not None
    assert (ana.assigned, ana.last_turn) == (1, 1)


def test_a_lead_nobody_answers_has_so_many_rounds_then_waits_until_somebody_acts() -> None:
    unit = unit_of(rep("ana"), rep("ben"), max_attempts=2, max_rounds=2)
    lead = mql()
    happen(unit, lead)
    for offered in (2, 4):
        run_out(unit)
        run_out(unit)
        assert len(unit.attempts(lead.lead_id)) == offered
        rest(unit)
    reasons = [one.data.reason for one in unit.events if isinstance(one.data, LeadUnrouted)]
    assert reasons == ["ATTEMPTS_USED", "ROUNDS_USED"]
    waiting = unit.leads.get(lead.lead_id)
    assert waiting is not None
    assert (waiting.rounds, waiting.retry_at) == (2, None)
    decisions = len(list(unit.decisions))
    for _ in range(3):
        rest(unit)
    assert unit.owner(lead.lead_id) is None
    assert len(list(unit.decisions)) == decisions

    setting_up.change_rep(unit, "ana", {"capacity": 10})
    assert deadlines.sweep_unrouted(unit) == 1
    assert owner(unit, lead.lead_id).attempt == 5
    again = unit.leads.get(lead.lead_id)
    assert again is not None
    assert again.rounds == 1, "it has all its rounds again"


def test_a_change_of_the_policy_offers_it_again_too() -> None:
    unit = unit_of(rep("ana"), max_rounds=1)
    lead = mql()
    happen(unit, lead)
    run_out(unit)
    rest(unit)
    assert unit.owner(lead.lead_id) is None
    policies.put_policy(unit, {**STARTER, "max_rounds": 2})
    assert deadlines.sweep_unrouted(unit) == 1
    assert owner(unit, lead.lead_id).rep_id == "ana"


def test_a_last_round_that_lacks_room_goes_on_and_ends() -> None:
    unit = unit_of(rep("ana", 1), rep("ben", 0), max_attempts=2, max_rounds=1)
    lead = mql()
    happen(unit, lead)
    run_out(unit)
    assert isinstance(unit.events[-1].data, LeadUnrouted)
    assert unit.events[-1].data.reason == "NO_ROOM"
    setting_up.change_rep(unit, "ben", {"capacity": 1})
    unit.leads.put(replace(unit.leads.get(lead.lead_id), rounds=1))  # type: ignore[type-var]
    deadlines.sweep_unrouted(unit)
    assert owner(unit, lead.lead_id).rep_id == "ben"
    run_out(unit)
    assert unit.events[-1].data.reason == "ROUNDS_USED"


def test_a_waiting_lead_looked_at_again_with_the_same_result_leaves_nothing_behind() -> None:
    unit = unit_of(
        rep("ana"), rep("ben", 0), rules=[{"id": "bens", "when": [], "rep_ids": ["ben"]}]
    )
    happen(unit, mql())
    assert told(unit) == ["LeadUnrouted"]
    for seconds in (1, 2, 60):
        unit.now += timedelta(seconds=seconds)
        assert deadlines.sweep_unrouted(unit) == 1
        assert deadlines.sweep_unrouted(unit) == 0, "it waits a little before the next look"
    assert len(list(unit.decisions)) == 1
    assert told(unit) == ["LeadUnrouted"]


def test_what_time_alone_cannot_help_is_not_looked_at_again() -> None:
    unit = unit_of()
    first = mql()
    happen(unit, first)
    lead = unit.leads.get(first.lead_id)
    assert lead is not None
    assert (lead.unrouted_reason, lead.retry_at) == ("NO_REP", None)
    setting_up.add_rep(unit, {**given("ana")})
    second = mql()
    happen(unit, second)
    found = owner(unit, second.lead_id)
    answers.reject(unit, Answer(found.assignment_id), RejectReason.WRONG_TERRITORY)
    rest(unit)
    lead = unit.leads.get(second.lead_id)
    assert lead is not None
    assert (lead.unrouted_reason, lead.retry_at) == ("ALL_HAD_IT", None)
    assert owner(unit, first.lead_id).rep_id == "ana", "who may have it came"


def given(rep_id: str) -> dict[str, Any]:
    return {
        "rep_id": rep_id, "name": rep_id, "email": None, "weight": 1, "capacity": 9,
        "status": Status.AVAILABLE, "time_zone": "UTC",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cycle", "accepted", "ends"),
    [(2, True, True), (1, True, False), (3, True, False), (0, True, True), (0, False, False)],
)
def test_an_outcome_ends_the_owner_of_its_cycle_whatever_the_clocks_say(
    cycle: int, accepted: bool, ends: bool
) -> None:
    unit = unit_of(rep("ana"))
    lead = mql(cycle=2)
    happen(unit, lead)
    if accepted:
        answers.accept(unit, Answer(owner(unit, lead.lead_id).assignment_id))
    outcome = OutcomeRecorded(
        lead_id=lead.lead_id,
        outcome_id=new_id(),
        cycle=cycle,
        stage=Stage.WON,
        occurred_at=NOON - timedelta(days=300),
    )
    for minutes in (-90, 90):  # the clock of the process that wrote it may be anywhere
        HANDLERS[OutcomeRecorded](event(outcome, NOON + timedelta(minutes=minutes)), unit)
    assert (unit.owner(lead.lead_id) is None) == ends


def test_a_new_cycle_gives_the_room_back_that_the_old_one_took() -> None:
    unit = unit_of(rep("ana", 1))
    lead = mql()
    happen(unit, lead, mql(lead.lead_id, cycle=2))
    before, after = sorted(unit.attempts(lead.lead_id), key=lambda one: one.cycle)
    assert (before.state, before.closed_because) == (State.EXPIRED, "NEW_CYCLE")
    assert (after.state, after.rep_id) == (State.ASSIGNED, "ana")


def test_answers_and_what_comes_too_late() -> None:
    unit = unit_of(rep("ana"), rep("ben"))
    lead = mql()
    happen(unit, lead)
    first = owner(unit, lead.lead_id)
    answer = Answer(first.assignment_id, "ana", 1)
    assert answers.acknowledge(unit, answer).due_at == NOON + timedelta(minutes=240)
    assert answers.acknowledge(unit, answer).state is State.ACKNOWLEDGED
    for wrong, status in (
        (Answer("nope"), 404),
        (Answer(first.assignment_id, "ben"), 403),
        (Answer(first.assignment_id, "ana", 2), 409),
    ):
        with pytest.raises(Problem) as refused:
            answers.accept(unit, wrong)
        assert refused.value.status == status
    answers.reject(unit, answer, RejectReason.WRONG_PRODUCT)
    second = owner(unit, lead.lead_id)
    assert (second.rep_id, second.attempt) == ("ben", 2)
    assert isinstance(unit.events[-1].data, LeadReassigned)
    with pytest.raises(Problem) as late:
        answers.accept(unit, answer)
    assert late.value.status == 409
    assert late.value.extra["state"] == "REJECTED"
    waiting = {one.rep_id: one.waiting for one in unit.pool().reps.values()}
    assert waiting == {"ana": 0, "ben": 1}


def test_a_policy_is_compiled_once_and_an_old_one_has_three_rounds() -> None:
    compiled = Compiled()
    old = {name: value for name, value in STARTER.items() if name != "max_rounds"}
    policies = []
    for _ in range(2):
        unit = Routing(NOON, compiled=compiled)
        unit.policies.hold([Written(7, old, NOON, PolicyStatus.PUBLISHED)])
        policies.append(unit.policy())
    assert policies[0] is policies[1]
    assert (policies[0].version, policies[0].max_rounds) == (7, 3)


@pytest.fixture
def woken() -> list[tuple[str, float]]:
    return []


def test_who_is_woken_by_what(woken: list[tuple[str, float]]) -> None:
    wakes = Wakes(
        changed=lambda changes: woken.append(("changed", 0)),
        due=lambda seconds: woken.append(("due", seconds)),
        retry=lambda seconds: woken.append(("retry", seconds)),
    )

    def committed(unit: Routing) -> list[tuple[str, float]]:
        woken.clear()
        unit.write()
        unit.committed()
        return sorted(woken)

    unit = Routing(NOON, wakes=wakes)
    unit.reps.hold([rep("ana", 1)])
    first, second = mql(), mql()
    happen(unit, first, second)
    assert committed(unit) == [("changed", 0), ("due", 2700), ("retry", 0)]
    later = Routing(NOON, wakes=wakes)
    later.assignments.hold(unit.assignments)
    (found,) = later.assignments
    answers.accept(later, Answer(found.assignment_id))
    assert committed(later) == [("changed", 0), ("retry", 0)]
    assert committed(Routing(NOON, wakes=wakes)) == []


def test_only_who_has_room_is_given_more() -> None:
    unit = unit_of(rep("ana", 2), rep("ben", 1))
    happen(unit, *(mql() for _ in range(5)))
    given_out = [one.data for one in unit.events if isinstance(one.data, LeadAssigned)]
    assert sorted(one.rep_id for one in given_out) == ["ana", "ana", "ben"]
