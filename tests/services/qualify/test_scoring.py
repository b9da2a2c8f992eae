"""Scoring as a pure function."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qualify.domain.definition import (
    InvalidDefinition,
    compile_definition,
    unknown_fields,
)
from services.qualify.domain.lifecycle import Lead, after_outcome, after_score
from services.qualify.domain.scoring import Activity, Inputs, context_of, decayed, evaluate, missed
from services.qualify.domain.versions import differences, with_points
from shared.contracts.vocabulary import OUTCOME_STAGES, TRANSITIONS, Stage

from .conftest import definition

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FIELDS = ["job_title", "employees", "utm_source", "activity.webinar_attended", "activity.any"]

criteria = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "group": st.just("engagement"),
            "field": st.sampled_from(FIELDS),
            "operator": st.sampled_from(["is_present", "is_missing"]),
            "points": st.integers(-1000, 1000),
            "half_life_days": st.none() | st.floats(0.01, 3650),
        }
    ),
    min_size=1,
    max_size=12,
)
inputs = st.builds(
    Inputs,
    st.dictionaries(st.sampled_from(FIELDS[:2]), st.text(max_size=5) | st.integers()),
    st.dictionaries(st.just("utm_source"), st.none() | st.text(max_size=5)),
    st.dictionaries(
        st.sampled_from(["webinar_attended", "page_viewed"]),
        st.builds(
            Activity,
            st.integers(1, 99),
            st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
        ),
    ),
)


@given(criteria, inputs)
def test_contributions_sum_exactly_to_the_score_and_a_replay_says_the_same(listed, given_inputs):
    compiled = compile_definition(1, {"threshold": -100000, "criteria": listed})
    score = evaluate(compiled, given_inputs, NOW)
    assert score.score == sum(one.points for one in score.contributions)
    assert all(isinstance(one.points, int) for one in score.contributions)
    assert score.verdict == ("MQL" if score.score >= compiled.threshold else "NURTURE")
    assert evaluate(compiled, given_inputs, NOW) == score
    context = context_of(given_inputs, NOW)
    said = {one.id: one.condition.because(context) for one in compiled.criteria}
    assert all(one.because.startswith(said[one.criterion_id]) for one in score.contributions)
    gave = {one.criterion_id for one in score.contributions}
    rest = {one.criterion_id for one in missed(compiled, given_inputs, NOW)}
    assert gave | rest == {one["id"] for one in listed}
    assert not gave & rest


@given(st.integers(-1000, 1000), st.floats(0, 5000), st.floats(0, 5000), st.floats(0.01, 3650))
def test_points_only_fade(points, age, later, half_life):
    first, second = decayed(points, age, half_life), decayed(points, age + later, half_life)
    assert abs(second) <= abs(first) <= abs(points)
    assert decayed(points, 0, half_life) == points


@pytest.mark.parametrize(
    ("points", "age", "expected"), [(20, 10, 10), (20, 20, 5), (5, 10, 2), (3, 10, 2), (1, 10, 0)]
)
def test_a_half_life_halves_and_rounds_half_to_even(points, age, expected):
    assert decayed(points, age, 10) == expected


def test_faded_points_say_how_old_the_activity_is():
    compiled = compile_definition(1, definition())
    done = Inputs({}, {}, {"webinar_attended": Activity(1, NOW - timedelta(days=10))})
    (one,) = evaluate(compiled, done, NOW).contributions
    assert one.because == (
        "activity.webinar_attended 1 is at least 1; 10 days ago, so 10 of 20 points"
    )
    early = Inputs({}, {}, {"webinar_attended": Activity(1, NOW + timedelta(days=10))})
    assert evaluate(compiled, early, NOW).score == 20


def test_grades_and_disqualifiers():
    compiled = compile_definition(1, definition())
    webinar = {"webinar_attended": Activity(1, NOW)}
    best = evaluate(compiled, Inputs({"job_title": "VP"}, {}, webinar), NOW)
    assert (best.score, best.grade, best.verdict) == (50, "A", "MQL")
    none = evaluate(compiled, Inputs({}), NOW)
    assert (none.score, none.grade, none.verdict, none.reason) == (
        0,
        None,
        "NURTURE",
        "below_threshold",
    )
    rival = evaluate(compiled, Inputs({"company": "rival", "job_title": "VP"}), NOW)
    assert (rival.score, rival.verdict, rival.reason) == (30, "DISQUALIFIED", "rival")


def test_recency_is_a_field():
    document = definition(threshold=0)
    document["criteria"][1].update(
        field="activity.webinar_attended.days_ago", operator="at_most", value=7
    )
    compiled = compile_definition(1, document)
    for days, points in ((0, 20), (7, 20), (8, 0)):
        done = {"webinar_attended": Activity(3, NOW - timedelta(days=days))}
        score = evaluate(compiled, Inputs({}, {}, done), NOW)
        assert (score.score > 0) is (points > 0)


@given(
    st.sampled_from(Stage),
    st.sampled_from(["MQL", "NURTURE", "DISQUALIFIED"]),
    st.floats(0, 60),
    st.integers(0, 60),
)
def test_a_score_moves_a_lead_only_along_the_transitions(stage, verdict, cool_off, days):
    lead = Lead("x", NOW, stage=stage, stage_since=NOW, cycle=1)
    compiled = compile_definition(1, definition(cool_off_days=cool_off))
    score = evaluate(compiled, Inputs({}), NOW)
    score = type(score)(1, 30, 30, None, verdict, "", ())
    later = NOW + timedelta(days=days)
    after = after_score(lead, score, later, later, compiled.cool_off_days)
    assert after.stage is stage or after.stage in TRANSITIONS[stage]
    assert after.cycle == (2 if after.stage is Stage.MQL and stage is not Stage.MQL else 1)
    if stage is Stage.RECYCLED:
        assert (after.stage is Stage.MQL) is (verdict == "MQL" and days >= cool_off)


@given(st.lists(st.sampled_from(sorted(OUTCOME_STAGES)), max_size=8))
def test_outcomes_in_any_order_never_lead_back(stages):
    lead = Lead("x", NOW, stage=Stage.MQL, cycle=1)
    seen = []
    for stage in stages:
        after = after_outcome(lead, Stage(stage), NOW)
        if after.stage is not lead.stage:
            seen.append(after.stage)
        lead = after
    assert len(seen) == len(set(seen))
    assert lead.cycle == 1


def test_with_points_and_what_differs():
    before = definition()
    after = with_points(before, {"vp": 10})
    (one,) = differences(before, after)
    assert (one.what, one.before, one.after) == ("Criterion vp: points", "+30", "+10")
    assert differences(before, before) == []
    with pytest.raises(ValueError, match="nobody"):
        with_points(before, {"nobody": 1})


def test_differences_name_what_comes_goes_and_changes():
    before, after = definition(), definition(threshold=20, cool_off_days=1, grades=[])
    after["criteria"] = [
        {**before["criteria"][0], "value": [*"abcdefgh", "x"]},
        {**before["criteria"][0], "id": "new"},
    ]
    before["criteria"][0]["value"] = [*"abcdefgh", "y"]
    found = {one.what: (one.before, one.after) for one in differences(before, after)}
    assert found == {
        "Threshold": ("30", "20"),
        "Cool-off in days": ("5", "1"),
        "Criterion vp: condition": (
            "job_title contains a, b, c, d, e, f, g, h, y",
            "job_title contains a, b, c, d, e, f, g, h, x",
        ),
        "Criterion webinar": (
            "activity.webinar_attended is at least 1: +20 points (engagement, half after 10 days)",
            None,
        ),
        "Criterion new": (None, "job_title contains vp: +30 points (fit)"),
        "Grades": ("A from 40, B from 20", "none"),
    }


def test_fields_that_nobody_has_are_pointed_out():
    document = definition()
    document["criteria"][0]["field"] = "jobtitle"
    assert unknown_fields(document) == ["jobtitle"]
    assert unknown_fields(definition()) == []


def test_an_invalid_definition_says_everything():
    document = definition(threshold=99)
    document["criteria"][0]["operator"] = "?"
    with pytest.raises(InvalidDefinition) as caught:
        compile_definition(1, document)
    assert [one.pointer for one in caught.value.errors] == ["/criteria/0/operator", "/threshold"]
