"""Who is explored: a fixed share of those below the threshold, by the lead's id alone."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qualify.consumer import HANDLERS
from services.qualify.domain.exploration import in_sample
from services.qualify.handlers.definitions import create_definition, publish_definition
from services.qualify.store.unit import Qualify
from shared.contracts.definition import DefinitionBody
from shared.contracts.envelope import Event
from shared.contracts.events import LeadDisqualified, LeadNurtured, LeadQualified, LeadScored
from shared.contracts.ids import new_id
from shared.contracts.vocabulary import Stage
from tests.shared.scorecard.documents import small as definition

from .conftest import NOW, activity, captured
from .test_consume import rejected

CLERK = {"job_title": "Clerk"}
IN = next(name for name in map(str, range(10_000)) if in_sample(name, 0.02))
OUT = next(name for name in map(str, range(10_000)) if not in_sample(name, 0.02))


def unit_with(**changes):
    unit = Qualify(NOW)
    body = DefinitionBody.model_validate(definition(**changes))
    publish_definition(unit, create_definition(unit, body).version)
    unit.events.clear()
    return unit


def take(unit, *given):
    unit.events.clear()
    for data in given:
        HANDLERS[type(data)](Event.of(data, "capture", NOW), unit)
    return [event.data for event in unit.events]


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_the_share_is_near_the_rate(rate):
    ids = [new_id() for _ in range(10_000)]
    found = sum(in_sample(one, rate) for one in ids) / len(ids)
    assert abs(found - rate) < 4 * (rate * (1 - rate) / len(ids)) ** 0.5


@given(st.text(max_size=64), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_lead_is_always_in_or_out_and_a_larger_sample_holds_the_smaller(lead_id, one, other):
    assert in_sample(lead_id, one) is in_sample(lead_id, one)
    assert in_sample(lead_id, min(one, other)) <= in_sample(lead_id, max(one, other))
    assert not in_sample(lead_id, 0)


def test_one_of_the_sample_reaches_a_rep_marked():
    unit = unit_with(exploration_rate=0.02)
    first, second = take(unit, captured(IN, CLERK), captured(OUT, CLERK))
    assert isinstance(first, LeadQualified)
    assert (first.explored, first.exploration_rate, first.cycle) == (True, 0.02, 1)
    assert first.score < first.threshold
    assert isinstance(second, LeadNurtured)
    assert (second.explored, second.exploration_rate) == (False, 0.02)
    explored = next(one for one in unit.decisions if one.explored)
    assert (explored.lead_id, explored.verdict, explored.reason) == (IN, "MQL", "explored")


def test_a_rejection_nurtures_it_as_any_other_and_it_is_explored_once():
    unit = unit_with(exploration_rate=0.02)
    take(unit, captured(IN, CLERK))
    (back,) = take(unit, rejected(IN, "OUTSIDE_ICP"))
    assert isinstance(back, LeadNurtured)
    assert (back.reason, back.explored) == ("OUTSIDE_ICP", False)
    (again,) = take(unit, activity(IN, "page_viewed", CLERK))
    assert isinstance(again, LeadScored)
    assert not again.explored
    (better,) = take(unit, activity(IN, "page_viewed", {"job_title": "VP"}))
    assert isinstance(better, LeadQualified)
    assert (better.explored, better.cycle) == (False, 2)


def test_the_disqualified_and_those_above_the_threshold_are_not_explored():
    unit = unit_with(exploration_rate=0.5)
    out, above = take(
        unit, captured(IN, {**CLERK, "company": "Rival"}), captured(OUT, {"job_title": "VP"})
    )
    assert isinstance(out, LeadDisqualified)
    assert isinstance(above, LeadQualified)
    assert {out.explored, above.explored} == {False}
    (still,) = take(unit, activity(IN, "page_viewed", CLERK))
    assert isinstance(still, LeadScored)
    lead = unit.leads.get(IN)
    assert lead is not None
    assert lead.stage is Stage.DISQUALIFIED
    assert not any(one.explored for one in unit.decisions)


def test_a_document_without_the_key_explores_nobody():
    unit = unit_with()
    (version,) = unit.definitions.all()
    document = {k: v for k, v in version.document.items() if k != "exploration_rate"}
    then = Qualify(NOW + timedelta(days=1))
    object.__setattr__(version, "document", document)
    then.definitions.hold([version])
    told = take(then, *(captured(str(n), CLERK) for n in range(300)))
    assert {type(one) for one in told} == {LeadNurtured}
    assert {one.exploration_rate for one in told} == {0}
