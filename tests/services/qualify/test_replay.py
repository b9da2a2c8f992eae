"""Stored decisions come out the same from their stored inputs; what was changed is named."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from services.qualify.consumer import HANDLERS
from services.qualify.domain.replay import Mismatch, is_evaluation, mismatches
from services.qualify.handlers.definitions import (
    challenge,
    create_definition,
    publish_definition,
)
from services.qualify.handlers.rescoring import continue_rescore
from services.qualify.store.tables import decisions
from services.qualify.store.unit import Qualify
from shared.access import Role
from shared.contracts.definition import DefinitionBody
from shared.contracts.envelope import Event
from shared.scorecard.definition import compile_definition
from tests.shared.scorecard.documents import small as definition

from .conftest import NOW, STUDENT, VP, activity, captured
from .test_consume import outcome, rejected

DAY = timedelta(days=1)
URL = "/qualify/v1/replays"
TITLES = st.sampled_from([{"job_title": "VP"}, {"job_title": "Clerk"}, {"company": "Rival"}, {}])
STEPS = st.one_of(
    st.tuples(st.just("capture"), TITLES),
    st.tuples(st.sampled_from(["webinar_attended", "page_viewed", "rescored"]), TITLES),
    st.tuples(st.just("reject"), st.sampled_from(["OUTSIDE_ICP", "NO_CAPACITY", "SPAM"])),
    st.tuples(st.just("outcome"), st.sampled_from(["SQL", "RECYCLED", "WON"])),
    st.tuples(st.sampled_from(["publish", "challenge"]), st.integers(1, 3)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)


def told(what, how, lead_id, now):
    if what == "capture":
        return captured(lead_id, how, now)
    if what == "reject":
        return rejected(lead_id, how)
    if what == "outcome":
        return outcome(lead_id, how, now)
    return activity(lead_id, what, how, now - DAY)


def play(steps):
    """A history in memory, with three versions, one of which explores half of all leads."""
    unit = Qualify(NOW)
    for threshold, rate in ((30, 0.5), (40, 0.0), (20, 0.02)):
        body = definition(threshold=threshold, exploration_rate=rate)
        create_definition(unit, DefinitionBody.model_validate(body))
    publish_definition(unit, 1)
    for number, (what, how) in enumerate(steps):
        lead_id = f"lead{number % 3}"
        if what == "publish":
            publish_definition(unit, how, override="it is time")
        elif what == "challenge":
            if unit.published().version != how:
                challenge(unit, how)
        elif what == "rescored":
            continue_rescore(unit, 2)
        elif what == "wait":
            unit.now += how * DAY
        else:
            made = told(what, how, lead_id, unit.now)
            HANDLERS[type(made)](Event.of(made, "test", unit.now), unit)
    return unit


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_every_decision_comes_out_the_same(steps):
    unit = play(steps)
    compiled = {
        one.version: compile_definition(one.version, one.document) for one in unit.definitions.all()
    }
    for decision in filter(is_evaluation, unit.decisions):
        assert mismatches(decision, compiled.get) == []
        assert decision.score == sum(one.points for one in decision.contributions)


def test_each_thing_that_is_stored_otherwise_has_a_name():
    unit = play([("capture", {"job_title": "VP"})])
    (decision,) = unit.decisions
    (version, *_) = unit.definitions.all()
    compiled = {1: compile_definition(1, version.document)}
    (points,) = decision.contributions
    for change, named in (
        ({"score": 31}, ["sum of contributions", "score"]),
        ({"grade": "C"}, ["grade"]),
        ({"threshold": 31}, ["threshold"]),
        ({"verdict": "NURTURE"}, ["verdict"]),
        ({"reason": "mood"}, ["reason"]),
        ({"explored": True}, ["explored"]),
        ({"exploration_rate": 0.1}, ["exploration rate"]),
        ({"contributions": ()}, ["sum of contributions", "points of vp"]),
        ({"contributions": (replace(points, because="why not"),)}, ["explanation of vp"]),
        ({"facts": {}}, ["score", "grade", "verdict", "reason", "points of vp"]),
        ({"definition_version": 9}, ["definition"]),
        ({"shadow_version": 9}, ["challenger"]),
        ({"shadow_version": 1, "shadow_score": 7}, ["challenger's score"]),
    ):
        found = mismatches(replace(decision, **change), compiled.get)
        if "facts" not in change:
            assert [one.what for one in found] == named
        assert {one.what for one in found} >= set(named) - {"explored"}
    assert mismatches(replace(decision, threshold=31), compiled.get)[0] == Mismatch(
        "threshold", 31, 30
    )


async def replay(qualify, **params):
    answer = await qualify.client.get(URL, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def given_decisions(qualify):
    for day in range(4):
        await qualify.take(
            captured(f"vp{day}", VP), captured(f"s{day}", STUDENT), activity("s0", "visit", STUDENT)
        )
        qualify.clock.advance(DAY)
    await qualify.take(rejected("vp0", "NOT_A_BUYER"))


async def test_a_window_is_replayed_page_by_page(qualify):
    await given_decisions(qualify)
    seen, cursor = [], None
    while True:
        page = await replay(qualify, limit=5, **({"cursor": cursor} if cursor else {}))
        seen.append((page["total"], page["replayed"], page["skipped"]))
        assert page["items"] == []
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [(13, 5, 0), (None, 5, 0), (None, 2, 1)]
    second = {"since": (NOW + DAY).isoformat(), "until": (NOW + 2 * DAY).isoformat()}
    page = await replay(qualify, **second)
    assert (page["total"], page["replayed"], page["next_cursor"]) == (3, 3, None)
    for bad in ({"cursor": "!"}, {"cursor": "bm93"}):
        assert (await qualify.client.get(URL, params=bad)).status_code == 400
    wrong = {"since": second["until"], "until": second["since"]}
    assert (await qualify.client.get(URL, params=wrong)).status_code == 422
    rep = await qualify.client.get(URL, headers=qualify.bearer(Role.REP))
    assert rep.status_code == 403


async def test_points_that_were_changed_by_hand_are_named(qualify):
    await given_decisions(qualify)
    with qualify.db.begin() as conn:
        sqlite = qualify.db.dialect == "sqlite"
        on = "" if sqlite else " ON decisions"
        conn.execute(text(f"DROP TRIGGER decisions_stay{on}"))
        stored = [{"criterion_id": "senior_title", "points": 99, "because": "I say so", "full": 99}]
        conn.execute(
            update(decisions)
            .where(decisions.c.lead_id == "vp2", decisions.c.trigger == "captured")
            .values(contributions=stored)
        )
    (found,) = (await replay(qualify))["items"]
    assert (found["lead_id"], found["definition_version"]) == ("vp2", 1)
    named = {one["what"]: (one["stored"], one["replayed"]) for one in found["differences"]}
    assert named["points of senior_title"] == (99, 25)
    assert named["points of mid_size"] == (None, 15)
    assert "sum of contributions" in named


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_replaying_changes_nothing(qualify):
    await given_decisions(qualify)
    before = await qualify.score("s0")
    qualify.events()
    await replay(qualify)
    assert await qualify.score("s0") == before
    assert qualify.events() == []
