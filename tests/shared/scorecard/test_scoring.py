"""Scoring as a pure function."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.definition import DefinitionBody
from shared.scorecard.definition import InvalidDefinition, compile_definition
from shared.scorecard.rules import MOMENTS
from shared.scorecard.scoring import Activity, Inputs, decayed, evaluate, missed

from .documents import NOW, documents, done, inputs, moments
from .documents import small as definition

DAY = timedelta(days=1)


@given(documents, inputs)
def test_contributions_sum_exactly_to_the_score_and_a_replay_says_the_same(document, given_inputs):
    compiled = compile_definition(1, document)
    score = evaluate(compiled, given_inputs, NOW)
    assert score.score == sum(one.points for one in score.contributions)
    assert all(isinstance(one.points, int) for one in score.contributions)
    assert score.verdict in ("MQL", "DISQUALIFIED")
    assert evaluate(compiled, given_inputs, NOW) == score
    gave = {one.criterion_id for one in score.contributions}
    rest = {one.criterion_id for one in missed(compiled, given_inputs, NOW)}
    assert gave | rest == {one["id"] for one in document["criteria"]}
    assert not gave & rest
    for one in compiled.criteria:
        earned = [made.points for made in score.contributions if made.criterion_id == one.id]
        assert one.rule.worst <= sum(earned) <= one.rule.best


@given(documents, inputs)
def test_a_document_says_the_same_once_it_was_kept(document, given_inputs):
    kept = DefinitionBody.model_validate(document).model_dump(mode="json")
    before, after = compile_definition(1, document), compile_definition(1, kept)
    assert evaluate(after, given_inputs, NOW) == evaluate(before, given_inputs, NOW)
    assert DefinitionBody.model_validate(kept).model_dump(mode="json") == kept


@given(documents, inputs, st.randoms())
def test_the_order_of_criteria_and_facts_is_no_matter(document, given_inputs, random: Random):
    shuffled = random.sample(document["criteria"], len(document["criteria"]))
    facts = dict(random.sample(list(given_inputs.facts.items()), len(given_inputs.facts)))
    here = evaluate(compile_definition(1, document), given_inputs, NOW)
    there = evaluate(
        compile_definition(1, {**document, "criteria": shuffled}),
        Inputs(facts, given_inputs.attribution, given_inputs.activities),
        NOW,
    )
    assert there.score == here.score
    assert there.verdict == here.verdict
    assert set(there.contributions) == set(here.contributions)


@given(st.lists(moments, min_size=1, max_size=40), st.randoms())
def test_activities_count_the_same_in_any_order(at, random: Random):
    assert done(random.sample(at, len(at))) == done(at)
    assert len(done(at).moments) <= MOMENTS


@given(
    st.lists(moments, min_size=1, max_size=6),
    st.integers(1, 100),
    st.floats(0.01, 3650),
    st.integers(0, 900),
    st.floats(0, 2000),
)
def test_engagement_only_fades(at, points, half_life, more, later):
    faded = {"id": "x", "group": "engagement", "activity": "any", "half_life_days": half_life}
    compiled = compile_definition(
        1, {"threshold": 0, "criteria": [{**faded, "points": points, "cap": points + more}]}
    )
    lead = Inputs({}, {}, {"page_viewed": done(at)})
    start = max(at)
    first = evaluate(compiled, lead, start).score
    second = evaluate(compiled, lead, start + timedelta(days=later)).score
    assert 0 <= second <= first <= points + more


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


def test_an_invalid_definition_says_everything():
    document = definition(threshold=99)
    document["criteria"][0]["operator"] = "?"
    with pytest.raises(InvalidDefinition) as caught:
        compile_definition(1, document)
    assert [one.pointer for one in caught.value.errors] == ["/criteria/0/operator"]


def test_levels_are_one_criterion_and_the_first_that_holds_counts():
    size = {
        "id": "size",
        "group": "fit",
        "field": "employees",
        "levels": [
            {"operator": "is_missing", "points": -5},
            {"operator": "lt", "value": 50, "points": 0},
            {"operator": "between", "value": [50, 499], "points": 12, "label": "mid-size"},
            {"operator": "gte", "value": 100, "points": 20},
        ],
        "otherwise": -1,
    }
    compiled = compile_definition(1, {"threshold": 20, "criteria": [size]})
    said = {
        employees: [
            (one.points, one.because)
            for one in evaluate(compiled, Inputs({"employees": employees}), NOW).contributions
        ]
        for employees in (None, 10, 120, 500, "many")
    }
    assert said == {
        None: [(-5, "employees is not known")],
        10: [],
        120: [(12, "employees 120 is between 50 and 499")],
        500: [(20, "employees 500 is at least 100")],
        "many": [(-1, "employees is in no other level")],
    }
    assert (compiled.best, compiled.criteria[0].rule.worst) == (20, -5)


@pytest.mark.parametrize(
    ("days", "points", "because"),
    [
        ([1], None, None),
        ([1, 40], None, None),
        ([0, 1], 10, "email_clicked 2 times, last today, so 10 of 20 points"),
        ([0, 1, 2, 3, 4], 20, "email_clicked 5 times, last today"),
        ([14, 14, 14], 8, "email_clicked 3 times, last 14 days ago, so 8 of 20 points"),
    ],
)
def test_engagement_counts_within_its_window_fades_and_has_a_cap(days, points, because):
    mails = {
        "id": "mails",
        "group": "engagement",
        "activity": "email_clicked",
        "count": 2,
        "window_days": 30,
        "half_life_days": 14,
        "points": 5,
        "cap": 20,
    }
    compiled = compile_definition(1, {"threshold": 20, "criteria": [mails]})
    lead = Inputs({}, {}, {"email_clicked": done([NOW - day * DAY for day in days])})
    score = evaluate(compiled, lead, NOW)
    found = [(one.points, one.because) for one in score.contributions]
    assert found == ([] if points is None else [(points, because)])


def test_a_matrix_grades_fit_and_engagement_apart():
    matrix = {
        "fit": [{"grade": "A", "min_points": 30}, {"grade": "B", "min_points": 0}],
        "engagement": [{"grade": "1", "min_points": 20}, {"grade": "2", "min_points": 0}],
    }
    compiled = compile_definition(1, definition(grades=[], grade_matrix=matrix))
    webinar = {"webinar_attended": Activity.first(NOW)}
    assert evaluate(compiled, Inputs({"job_title": "VP"}, {}, webinar), NOW).grade == "A1"
    assert evaluate(compiled, Inputs({"job_title": "VP"}), NOW).grade == "A2"
    assert evaluate(compiled, Inputs({}, {}, webinar), NOW).grade == "B1"


@pytest.mark.parametrize(
    ("criterion", "pointer"),
    [
        ({"points": 3}, "/field"),
        ({"field": "employees", "operator": "exists"}, "/points"),
        ({"field": "email", "operator": "exists", "points": 1}, "/field"),
        ({"when": {"any": [{"field": "phone", "operator": "exists"}]}, "points": 1}, "/when"),
        ({"when": {"all": []}, "points": 1}, "/when/all"),
        (
            {"when": {"not": {"field": "x", "operator": "eqals", "value": 1}}, "points": 1},
            "/when/not/operator",
        ),
        ({"when": {"all": []}, "levels": [], "points": 1}, "/levels"),
        (
            {"field": "x", "levels": [{"operator": "gt", "value": "y", "points": 1}]},
            "/levels/0/value",
        ),
        (
            {
                "field": "x",
                "levels": [{"operator": "gt", "value": 1, "points": 1}],
                "half_life_days": 3,
            },
            "/half_life_days",
        ),
        ({"activity": "a", "points": 9, "cap": 3}, "/cap"),
        ({"activity": "a", "points": 9, "cap": -30}, "/cap"),
        ({"activity": "a", "points": 1, "count": MOMENTS + 1, "window_days": 3}, "/count"),
        ({"activity": "a", "points": 1, "operator": "exists"}, "/operator"),
        ({"field": "x", "operator": "matches", "value": "(", "points": 1}, "/value"),
        ({"field": "x", "operator": "gt", "value": float("nan"), "points": 1}, "/value"),
    ],
)
def test_what_can_not_score_is_named_by_its_place(criterion, pointer):
    listed = [{"id": "x", "group": "engagement", **criterion}]
    with pytest.raises(InvalidDefinition) as caught:
        compile_definition(1, {"threshold": 0, "criteria": listed})
    assert [one.pointer for one in caught.value.errors] == [f"/criteria/0{pointer}"]
