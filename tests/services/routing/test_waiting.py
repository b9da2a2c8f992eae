"""Leads that nobody has: what they wait for, and that they wait no longer than that."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from services.routing.domain.assignment import State
from services.routing.domain.lead import Lead
from services.routing.domain.reps import Leave
from services.routing.handlers import answers, deadlines, working
from services.routing.handlers.accounts import Wanted, put_accounts
from services.routing.handlers.answers import Answer
from services.routing.handlers.managing import Mover, move
from services.routing.handlers.working import Worker
from services.routing.store.unit import Routing
from shared.contracts.events import LeadQualified
from shared.contracts.vocabulary import RejectReason, Stage
from tests.services.routing.desk import mql
from tests.services.routing.test_handing_out import outcome
from tests.services.routing.test_handlers import NOON, happen, owner, rep, run_out, unit_of
from tests.services.routing.test_managing import change

ADMIN: Final = Worker("key_admin")
ONLY_ANA: Final = [
    {
        "id": "austria",
        "when": [{"field": "country", "operator": "equals", "value": "AT"}],
        "rep_ids": ["ana"],
    }
]


def waiting(unit: Routing, lead: LeadQualified) -> Lead:
    found = unit.leads.get(lead.lead_id)
    assert found is not None
    assert found.unrouted_at is not None
    return found


def test_who_had_it_and_is_full_now_is_waited_for() -> None:
    unit = unit_of(rep("ana", 1), rep("ben"), rules=ONLY_ANA)
    first, second = mql(country="AT"), mql(country="AT")
    happen(unit, first)
    run_out(unit)
    happen(unit, second)
    unit.now += timedelta(hours=2)
    assert deadlines.sweep_unrouted(unit) == 1
    again = waiting(unit, first).retry_at
    assert again is not None, "ana has room again at some time"
    assert again <= unit.now + timedelta(seconds=10)
    answers.accept(unit, Answer(owner(unit, second.lead_id).assignment_id))
    unit.now = again
    unit.pool().release("ana")
    deadlines.sweep_unrouted(unit)
    assert owner(unit, first.lead_id).rep_id == "ana"


def test_nobody_is_waited_for_longer_than_the_lead_has_to_rest() -> None:
    away = Leave(NOON.date(), NOON.date() + timedelta(days=14))
    unit = unit_of(rep("ana"), rep("ben", leave=(away,)))
    lead = mql()
    happen(unit, lead)
    run_out(unit)
    found = waiting(unit, lead)
    assert (found.unrouted_reason, found.retry_at) == ("OFF_WORK", unit.now + timedelta(hours=1))
    unit.now += timedelta(hours=1)
    deadlines.sweep_unrouted(unit)
    assert owner(unit, lead.lead_id).rep_id == "ana"


def test_a_manager_who_lets_the_rules_choose_gets_nobody_who_turned_it_down() -> None:
    unit = unit_of(rep("ana"))
    lead = mql()
    happen(unit, lead)
    mine = Answer(owner(unit, lead.lead_id).assignment_id)
    answers.reject(unit, mine, RejectReason.WRONG_TERRITORY)
    (stays,) = move(unit, [lead.lead_id], None, Mover("key_maria"))
    assert (stays.rep_id, bool(stays.why)) == (None, True)
    waiting(unit, lead)


def test_a_deal_ends_the_wait_of_a_lead_that_was_put_back() -> None:
    unit = unit_of(rep("ana"), rep("ben", 0))
    lead = mql()
    happen(unit, lead)
    mine = owner(unit, lead.lead_id).assignment_id
    answers.accept(unit, Answer(mine))
    assert working.put_back(unit, mine, ADMIN) is None
    happen(unit, outcome(lead.lead_id, Stage.SQL), outcome(lead.lead_id, Stage.WON, cycle=7))
    waiting(unit, lead)
    happen(unit, outcome(lead.lead_id, Stage.WON))
    found = unit.leads.get(lead.lead_id)
    assert found is not None
    assert (found.unrouted_at, found.unrouted_reason, found.retry_at) == (None, None, None)
    change(unit, "ben", capacity=5)
    deadlines.sweep_unrouted(unit)
    assert unit.owner(lead.lead_id) is None


def test_in_the_last_round_nobody_gets_it_twice() -> None:
    unit = unit_of(rep("ana"), rep("ben", 0), max_rounds=1)
    lead = mql()
    happen(unit, lead)
    run_out(unit)
    assert waiting(unit, lead).unrouted_reason == "NO_ROOM"
    unit.now += timedelta(days=1)
    deadlines.sweep_unrouted(unit)
    waiting(unit, lead)
    change(unit, "ben", capacity=1)
    unit.now += timedelta(days=1)
    deadlines.sweep_unrouted(unit)
    assert owner(unit, lead.lead_id).rep_id == "ben"


def test_a_lead_that_comes_again_makes_room_for_itself() -> None:
    unit = unit_of(rep("ana", open_limit=1))
    lead = mql()
    happen(unit, lead)
    answers.accept(unit, Answer(owner(unit, lead.lead_id).assignment_id))
    happen(unit, mql(lead.lead_id, cycle=2))
    assert owner(unit, lead.lead_id).state is State.ASSIGNED


def account_of(owner_id: str, *reps: Any, **policy: Any) -> Routing:
    unit = unit_of(*reps, **policy)
    put_accounts(unit, [Wanted("Acme", ["acme.example"], owner_id)])
    return unit


def test_whoever_gets_only_their_accounts_leads_is_waited_for() -> None:
    unit = account_of("zoe", replace(rep("zoe", 1), weight=0))
    first, second = (mql(company_domain="acme.example") for _ in range(2))
    happen(unit, first, second)
    assert owner(unit, first.lead_id).rep_id == "zoe"
    found = waiting(unit, second)
    assert (found.unrouted_reason, found.retry_at) == ("NO_ROOM", unit.now)
    answers.reject(unit, Answer(owner(unit, first.lead_id).assignment_id), RejectReason.SPAM)
    unit.pool().release("zoe")
    assert deadlines.sweep_unrouted(unit) == 1
    assert owner(unit, second.lead_id).rep_id == "zoe"


def test_an_accounts_owner_who_let_it_lapse_is_asked_again_after_the_rest() -> None:
    unit = account_of("zoe", replace(rep("zoe"), weight=0))
    lead = mql(company_domain="acme.example")
    happen(unit, lead)
    run_out(unit)
    found = waiting(unit, lead)
    assert (found.unrouted_reason, found.retry_at) == ("ALL_HAD_IT", unit.now + timedelta(hours=1))
    unit.now += timedelta(hours=1)
    deadlines.sweep_unrouted(unit)
    assert owner(unit, lead.lead_id).attempt == 2
