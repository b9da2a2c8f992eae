"""The smallest changes that would have qualified a lead: true, small, and in words."""

import time
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.qualify.domain.smallest_changes import qualifying
from services.qualify.seed import STARTER
from shared.scorecard.definition import compile_definition
from shared.scorecard.scoring import Activity, Inputs, evaluate
from tests.shared.scorecard.documents import small as definition

from .conftest import NOW, STUDENT, VP, captured
from .test_consume import rejected

STARTER_DEFINITION = compile_definition(1, STARTER.model_dump(mode="json"))


def chances(document, facts, **more):
    return qualifying(compile_definition(1, definition(**document)), Inputs(facts, **more), NOW)


def words(found):
    return [[one.words for one in chance.changes] for chance in found.sets]


def single(key, field, operator, value, points, **more):
    rule = {"field": field, "operator": operator, "value": value, "points": points}
    return {"id": key, "group": "fit", **rule, **more}


def test_one_change_is_told_before_two_and_no_more_than_it_takes():
    criteria = [
        single("mid", "employees", "at_least", 50, 15),
        single("large", "employees", "at_least", 500, 8),
        single("mail", "email_type", "equals", "business", 15),
    ]
    rules = {"criteria": criteria, "disqualifiers": []}
    found = chances({"threshold": 15, **rules}, {"employees": 12})
    assert words(found) == [
        ['email_type "business" instead of not known: +15'],
        ["employees at least 50 instead of 12: +15"],
    ]
    found = chances({"threshold": 38, **rules}, {"employees": 120})
    (chance,) = found.sets
    assert {one.words for one in chance.changes} == {
        "employees at least 500 instead of 120: +8",
        'email_type "business" instead of not known: +15',
    }
    assert chance.score == 38


def test_levels_trees_and_activities_are_reached_too():
    criteria = [
        {
            "id": "size",
            "group": "fit",
            "field": "employees",
            "levels": [
                {"operator": "is_missing", "points": -5},
                {"operator": "between", "value": [50, 499], "points": 12},
            ],
        },
        {
            "id": "core",
            "group": "fit",
            "when": {
                "all": [
                    {"field": "country", "operator": "in", "value": ["DE", "AT"]},
                    {"not": {"field": "industry", "operator": "eq", "value": "Retail"}},
                ]
            },
            "points": 10,
        },
        {
            "id": "mails",
            "group": "engagement",
            "activity": "email_clicked",
            "count": 2,
            "points": 5,
            "cap": 20,
        },
    ]
    facts = {"industry": "Retail", "country": "US"}
    found = chances({"threshold": 15, "criteria": criteria, "disqualifiers": []}, facts)
    assert words(found)[0] == ["email_clicked 4 times: +20"]
    found = chances({"threshold": 12, "criteria": criteria[:1], "disqualifiers": []}, facts)
    assert words(found) == [["employees 50 instead of not known: +17"]]
    found = chances({"threshold": 10, "criteria": [criteria[1]], "disqualifiers": []}, facts)
    assert words(found)[0] == [
        'country "DE" instead of "US": +0',
        'industry something else instead of "Retail": +10',
    ]


def test_a_disqualifier_has_to_go():
    found = chances({}, {"job_title": "VP", "company": "Rival"})
    (chance, *_) = found.sets
    (change,) = chance.changes
    assert (change.field, change.before, change.points) == ("company", "Rival", 0)
    found = chances({}, {"job_title": "Clerk", "company": "Rival"})
    assert {one.field for one in found.sets[0].changes} == {"company", "job_title"}


def test_it_says_when_nothing_can_and_when_nothing_must():
    criteria = [single("pattern", "job_title", "matches", "^v[a-z]$", 40)]
    found = chances({"criteria": criteria, "disqualifiers": []}, {"job_title": "Clerk"})
    assert (found.sets, found.note) == (
        (),
        "no changes of a few facts or activities reach the threshold",
    )
    found = chances({}, {"job_title": "VP"})
    assert (found.sets, found.note) == ((), "its score reaches the threshold as it is")


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "job_title": st.sampled_from(["VP", "Manager", "Student", "Clerk"]),
        "employees": st.integers(0, 2000),
        "country": st.sampled_from(["DE", "US", "BR"]),
        "email_type": st.sampled_from(["business", "free", "none"]),
        "has_phone": st.booleans(),
        "has_message": st.booleans(),
        "industry": st.sampled_from(["Gambling", "Retail"]),
    },
)
DONE = st.dictionaries(
    st.sampled_from(["webinar_attended", "email_clicked", "page_viewed"]),
    st.integers(0, 60).map(lambda days: Activity.first(NOW - timedelta(days=days))),
)


@settings(max_examples=60)
@given(FACTS, DONE)
def test_whatever_is_told_would_have_qualified_the_lead(facts, done):
    inputs = Inputs(facts, {}, done)
    now = evaluate(STARTER_DEFINITION, inputs, NOW)
    found = qualifying(STARTER_DEFINITION, inputs, NOW)
    assert bool(found.sets) is (now.verdict != "MQL")
    assert len(found.sets) <= 3
    for chance in found.sets:
        assert chance.score >= STARTER_DEFINITION.threshold
        assert now.score + sum(one.points for one in chance.changes) == chance.score
        changed = {one.field: one.after for one in chance.changes if "activity." not in one.field}
        activities = dict(done)
        for one in chance.changes:
            if one.field.startswith("activity."):
                kind = one.field.removeprefix("activity.")
                before = activities[kind].count if kind in activities else 0
                for _ in range(int(one.after) - before):
                    known = activities.get(kind)
                    activities[kind] = known.and_at(NOW) if known else Activity.first(NOW)
        again = evaluate(STARTER_DEFINITION, Inputs({**facts, **changed}, {}, activities), NOW)
        assert (again.verdict, again.score) == ("MQL", chance.score)
    fields = [{one.field for one in chance.changes} for chance in found.sets]
    assert not any(a < b for a in fields for b in fields)


def test_one_fact_that_fulfils_many_conditions_is_one_change():
    either = {"any": [{"field": f"fields.x{k}", "operator": "eq", "value": "a"} for k in range(5)]}
    tree = {"id": "tree", "group": "fit", "when": {"all": [either, either]}, "points": 40}
    found = chances({"criteria": [tree], "disqualifiers": []}, {})
    assert {len(chance.changes) for chance in found.sets} == {1}


def test_trees_within_trees_do_not_hold_the_page_up():
    def tree(n):
        parts = [
            {
                "any": [
                    {"field": f"fields.x{k}", "operator": "in", "value": ["a", "b"]}
                    for k in range(m, m + 8)
                ]
            }
            for m in range(n, n + 8)
        ]
        return {"id": f"t{n}", "group": "fit", "points": 5, "when": {"all": parts}}

    begun = time.monotonic()
    chances({"threshold": 25, "criteria": [tree(n) for n in range(30)], "disqualifiers": []}, {})
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("number", [40, 200])
def test_a_large_definition_does_not_hold_the_page_up(number):
    criteria = [
        single(f"c{n}", f"fields.f{n}", "in", [f"a{n}", f"b{n}"], n % 7 + 1) for n in range(number)
    ]
    begun = time.monotonic()
    chances({"threshold": 25, "criteria": criteria, "disqualifiers": []}, {"employees": 1})
    assert time.monotonic() - begun < 3


async def test_the_score_says_what_was_missed_and_what_would_have_done(qualify):
    await qualify.take(captured("student", STUDENT), captured("vp", VP))
    found = await qualify.score("student")
    missing = {one["criterion_id"]: one for one in found["missed"]}
    assert missing["mid_size"] == {
        "criterion_id": "mid_size",
        "because": "employees is not known",
        "points": 15,
    }
    assert found["would_qualify"]
    for chance in found["would_qualify"]:
        assert chance["score"] >= found["threshold"]
        assert set(chance["changes"][0]) == {"field", "from", "to", "points", "words"}
    assert (await qualify.score("vp"))["would_qualify"] == []
    await qualify.take(rejected("vp", "NOT_A_BUYER"))
    turned_down = await qualify.score("vp")
    assert turned_down["would_qualify_note"] == "a rep turned it down: NOT_A_BUYER"
