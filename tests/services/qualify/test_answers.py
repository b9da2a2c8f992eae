"""What reps and deals said, whatever the order in which it is heard."""

import itertools
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.qualify.consumer import HANDLERS
from services.qualify.domain.answers import Answer
from services.qualify.store.aggregates import ANSWERS
from services.qualify.store.unit import Qualify
from shared.contracts.envelope import Event
from shared.contracts.events import (
    LeadAccepted,
    LeadAssigned,
    LeadReassigned,
    SlaBreached,
)
from shared.contracts.ids import new_id

from .conftest import NOW, VP, captured
from .test_consume import outcome, rejected

HOUR = timedelta(hours=1)


def about(attempt, rep="ada", cycle=1):
    return {
        "lead_id": "x",
        "assignment_id": new_id(),
        "rep_id": rep,
        "attempt": attempt,
        "cycle": cycle,
    }


def assigned(attempt, rep="ada", cycle=1):
    kind = LeadAssigned if attempt == 1 else LeadReassigned
    more = {} if attempt == 1 else {"previous_rep_id": "zoe", "cause": "REJECTED"}
    at = NOW + attempt * HOUR
    return kind(
        **about(attempt, rep, cycle),
        policy_version=1,
        definition_version=1,
        assigned_at=at,
        due_at=at + HOUR,
        **more,
    )


def accepted(attempt, rep="ada", cycle=1):
    at = NOW + attempt * HOUR
    return LeadAccepted(
        **about(attempt, rep, cycle),
        definition_version=1,
        assigned_at=at,
        due_at=at + HOUR,
        answered_at=at + HOUR / 2,
    )


def turned_down(reason, attempt, rep="ada", cycle=1):
    at = NOW + attempt * HOUR
    return rejected("x", reason, cycle).model_copy(
        update={"attempt": attempt, "rep_id": rep, "assigned_at": at, "answered_at": at}
    )


def breached(attempt):
    at = NOW + (attempt + 1) * HOUR
    return SlaBreached(**about(attempt), due_at=at, breached_at=at)


def heard(*told):
    unit = Qualify(NOW)
    for data in told:
        HANDLERS[type(data)](Event.of(data, "routing", NOW), unit)
    return {(one.lead_id, one.cycle): one for one in unit.answers}


STORY = [
    assigned(1),
    breached(1),
    assigned(2, "ben"),
    turned_down("NO_CAPACITY", 2, "ben"),
    assigned(3, "cy"),
    accepted(3, "cy"),
    outcome("x", "SQL", NOW + 9 * HOUR, cycle=1, amount=10),
    outcome("x", "OPPORTUNITY", NOW + 10 * HOUR, cycle=1, amount=50),
    outcome("x", "WON", NOW + 11 * HOUR, cycle=1),
]


def test_a_cycle_is_told_from_its_assignment_to_its_end():
    (found,) = heard(*STORY).values()
    assert found == Answer(
        "x",
        1,
        rep_id="cy",
        attempt=3,
        assigned_at=NOW + 3 * HOUR,
        answered_at=NOW + 3.5 * HOUR,
        answer="accepted",
        breached_at=NOW + 2 * HOUR,
        sql_at=NOW + 9 * HOUR,
        opportunity_at=NOW + 10 * HOUR,
        won_at=NOW + 11 * HOUR,
        amount=50,
    )


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=4))
def test_the_order_in_which_it_is_heard_does_not_matter_nor_do_repeats(story, again):
    assert heard(*story, *again) == heard(*STORY)


def test_what_a_rep_says_of_the_lead_stays_and_what_they_say_of_themselves_gives_way():
    first, second = turned_down("WRONG_TERRITORY", 1), turned_down("NOT_A_BUYER", 2, "ben")
    for story in itertools.permutations([assigned(1), first, assigned(2, "ben"), second]):
        (found,) = heard(*story).values()
        assert (found.answer, found.reason, found.rep_id) == ("rejected", "NOT_A_BUYER", "ben")
    (alone,) = heard(assigned(1), first).values()
    assert (alone.reason, alone.reason_class) == ("WRONG_TERRITORY", "procedural")
    (open_again,) = heard(assigned(1), first, assigned(2, "ben")).values()
    assert (open_again.answer, open_again.reason, open_again.rep_id) == (None, None, "ben")


def test_each_cycle_is_kept_by_itself():
    found = heard(turned_down("NOT_A_BUYER", 1), accepted(1, "ben", cycle=2))
    assert {key: one.answer for key, one in found.items()} == {
        ("x", 1): "rejected",
        ("x", 2): "accepted",
    }


async def test_answers_are_kept_with_what_they_are_about(qualify):
    await qualify.take(captured("x", VP), assigned(1), accepted(1))
    await qualify.take(outcome("x", "SQL", NOW + HOUR, amount=7.5), outcome("unknown", "SQL"))
    with qualify.db.connect() as conn:
        (found,) = ANSWERS.items(conn.execute(ANSWERS.query()))
    assert (found.answer, found.sql_at, found.amount) == ("accepted", NOW + HOUR, 7.5)
    await qualify.take(turned_down("NO_CAPACITY", 2, "ben"))
    with qualify.db.connect() as conn:
        (again,) = ANSWERS.items(conn.execute(ANSWERS.query()))
    assert again == replace(found)
