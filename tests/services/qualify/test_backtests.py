"""Back-tests, comparison, impact and warnings: asked over HTTP, computed in processes of their own,
and equal to what scikit-learn makes of the leads as the API shows them."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from services.qualify.analysis.labels import Told, group_of
from shared.access import Role
from shared.contracts.events import (
    LeadAccepted,
    LeadAssigned,
    LeadQualified,
    LeadRejected,
    SlaBreached,
)
from shared.contracts.vocabulary import REASON_CLASS, RejectReason
from shared.scorecard.definition import compile_definition
from shared.scorecard.scoring import Inputs, evaluate

from .conftest import NOW, Running, activity, captured

RATE = 0.25
TOGETHER = 10
"""Leads that come at the same moment."""
BASE: dict[str, Any] = {
    "name": "Base",
    "threshold": 20,
    "exploration_rate": RATE,
    "criteria": [
        {"id": "vp", "group": "fit", "field": "job_title", "operator": "matches_word",
         "value": ["vp"], "points": 20},
        {"id": "de", "group": "fit", "field": "country", "operator": "equals",
         "value": "DE", "points": 10},
    ],
}  # fmt: skip
DRAFT: dict[str, Any] = {
    "name": "Draft",
    "threshold": 25,
    "exploration_rate": RATE,
    "criteria": [
        *BASE["criteria"],
        {"id": "size", "group": "fit", "field": "employees", "levels": [
            {"operator": "is_missing", "points": -5},
            {"operator": "at_least", "value": 100, "points": 15},
        ]},
    ],
    "disqualifiers": [{"id": "out", "field": "industry", "operator": "equals", "value": "Tobacco"}],
    "grades": [{"grade": "A", "min_score": 25}],
}  # fmt: skip


async def publish(qualify: Running, document: dict[str, Any]) -> int:
    made = await qualify.client.post("/qualify/v1/definitions", json=document)
    assert made.status_code == 201, made.text
    version: int = made.json()["version"]
    done = await qualify.client.post(f"/qualify/v1/definitions/{version}/publish", json={})
    assert done.status_code == 200, done.text
    return version


async def given_leads(qualify: Running, count: int = 120) -> dict[str, str]:
    """Leads over four weeks, of which reps accept most VPs of large firms; what they said."""
    random = Random(5)
    said: dict[str, str] = {}
    for first in range(0, count, TOGETHER):
        at = NOW - timedelta(days=28) + timedelta(hours=4 * first)
        qualify.clock.advance(at - qualify.clock.now())
        came = {f"lead-{first + index:03d}": _somebody(random) for index in range(TOGETHER)}
        await qualify.take(*(captured(lead_id, facts, at=at) for lead_id, facts in came.items()))
        mqls = {one.lead_id for one in qualify.events() if isinstance(one, LeadQualified)}
        answers: list[Any] = []
        for lead_id, facts in came.items():
            said[lead_id] = "below"
            if lead_id in mqls:
                said[lead_id] = _answer(answers, lead_id, facts, at, random)
        await qualify.take(*answers)
    qualify.clock.advance(NOW - qualify.clock.now())
    qualify.events()
    return said


def _somebody(random: Random) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "company": f"Firm {random.randrange(1000)}",
        "job_title": random.choice(["VP Sales", "Assistant"]),
        "country": random.choice(["DE", "US", None]),
        "industry": random.choice(["Software", "Software", "Tobacco"]),
    }
    if random.random() < 0.8:
        facts["employees"] = random.choice([5, 50, 500, "1200"])
    return facts


def _answer(
    told: list[Any], lead_id: str, facts: dict[str, Any], now: datetime, random: Random
) -> str:
    given: dict[str, Any] = {
        "lead_id": lead_id, "assignment_id": f"a-{lead_id}", "rep_id": random.choice("xyz"),
        "attempt": 1, "cycle": 1, "definition_version": 1, "assigned_at": now, "due_at": now,
    }  # fmt: skip
    told.append(LeadAssigned(**given, policy_version=1))
    chance = random.random()
    if chance < 0.06:
        return "waiting"
    if chance < 0.12:
        told.append(SlaBreached(**given, breached_at=now))
        return "timed_out"
    large = str(facts.get("employees")) in ("500", "1200")
    if random.random() < (0.8 if large and facts["job_title"] == "VP Sales" else 0.3):
        told.append(LeadAccepted(**given, answered_at=now))
        return "good"
    reasons = [RejectReason.OUTSIDE_ICP, RejectReason.OUTSIDE_ICP, RejectReason.SPAM]
    reason = random.choice([*reasons, RejectReason.NO_CAPACITY])
    kind = REASON_CLASS[reason]
    told.append(LeadRejected(**given, answered_at=now, reason=reason, reason_class=kind))
    return "bad" if kind.value == "definitional" else kind.value


async def asked(qualify: Running, **request: Any) -> dict[str, Any]:
    answer = await qualify.client.post("/qualify/v1/backtests", json=request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_backtest_says_what_scikit_learn_says_of_the_same_leads(qualify: Running):
    version = await publish(qualify, BASE)
    said = await given_leads(qualify)
    found = await asked(qualify, definition=DRAFT, label="accepted", segment="country")

    shown = [await qualify.score(lead_id) for lead_id in said]
    first = [one["history"][-1] for one in shown]  # what was decided when it came
    compiled = {"candidate": compile_definition(0, DRAFT), "base": compile_definition(0, BASE)}
    labels = np.array([{"good": 1, "bad": 0}.get(one, -1) for one in said.values()])
    known = labels >= 0
    below = np.array([one["score"] < one["threshold"] for one in first])
    weights = np.where(below, 1 / RATE, 1.0)[known]
    chosen, ranks = {}, {}
    for name, definition in compiled.items():
        scores = [evaluate(definition, Inputs(one["facts"]), NOW) for one in shown]
        chosen[name] = np.array([one.verdict == "MQL" for one in scores])
        ranks[name] = np.array(
            [-1000 if one.verdict == "DISQUALIFIED" else one.score for one in scores]
        )
    assert found["leads"] == len(said)
    assert found["labelled"] == known.sum()
    counts = Counter(said.values())
    assert found["left_out"] == {
        name: count for name, count in counts.items() if name not in ("good", "bad")
    }
    assert found["weights"]["explored"] == (below & known).sum() > 0
    for name in compiled:
        side = found[name]
        assert side["mqls"] == chosen[name].sum()
        expected = {
            "precision": precision_score(labels[known], chosen[name][known], sample_weight=weights),
            "recall": recall_score(labels[known], chosen[name][known], sample_weight=weights),
            "auc": roc_auc_score(labels[known], ranks[name][known], sample_weight=weights),
        }
        for figure, value in expected.items():
            assert side[figure]["estimate"] == pytest.approx(value), (name, figure)
            assert side[figure]["low"] <= value + 1e-9 <= side[figure]["high"] + 2e-9
    difference = found["difference"]["auc"]
    assert difference["estimate"] == pytest.approx(
        found["candidate"]["auc"]["estimate"] - found["base"]["auc"]["estimate"]
    )
    assert difference["low"] < difference["estimate"] < difference["high"]
    assert found["candidate"]["version"] is None
    assert (found["base"]["version"], found["base"]["threshold"]) == (version, 20)

    flips = found["flips"]
    into = {i for i, c, b in zip(said, chosen["candidate"], chosen["base"], strict=True) if c > b}
    out = {i for i, c, b in zip(said, chosen["candidate"], chosen["base"], strict=True) if c < b}
    assert (flips["in"], flips["out"]) == (len(into), len(out))
    assert {one["lead_id"] for one in flips["leads"]} == into | out
    one = flips["leads"][0]
    assert (
        one["company"]
        == next(s for s in shown if s["lead_id"] == one["lead_id"])["facts"]["company"]
    )
    assert one["label"] == said[one["lead_id"]]
    assert sum(week["leads"] for week in found["weeks"]) == len(said)
    assert {part["name"] for part in found["segments"]} == {"DE", "US", "not known"}
    assert (
        sum(part["candidate"]["mqls"] for part in found["segments"]) == found["candidate"]["mqls"]
    )
    at = {point["threshold"]: point for point in found["curve"]}
    assert at[25]["mqls"] == found["candidate"]["mqls"]
    assert at[25]["precision"] == found["candidate"]["precision"]
    assert found["load"]["reps"] == 3
    weeks = 28 / 7
    assert found["load"]["per_rep_week_after"] == pytest.approx(
        found["candidate"]["mqls"] / 3 / weeks
    )


async def test_a_window_a_label_that_is_not_due_and_a_version_against_itself(qualify: Running):
    version = await publish(qualify, BASE)
    said = await given_leads(qualify, 60)
    since = (NOW - timedelta(days=28) + timedelta(hours=4 * 30)).isoformat()
    found = await asked(qualify, version=version, since=since)
    assert found["leads"] == 30
    assert found["flips"] == {"in": 0, "out": 0, "leads": []}
    assert found["difference"]["auc"]["estimate"] in (0, None)
    found = await asked(qualify, version=version, label="sql")
    accepted = Counter(said.values())["good"]
    assert found["left_out"]["not_due"] == accepted
    assert found["candidate"]["auc"]["estimate"] is None
    assert "the same" in found["candidate"]["auc"]["why"]
    found = await asked(qualify, version=version, until="2020-01-01T00:00:00Z")
    assert (found["leads"], found["curve"], found["weeks"]) == (0, [], [])


@pytest.mark.parametrize(
    ("told", "accepted", "sql", "won"),
    [
        ({}, "waiting", "waiting", "waiting"),
        ({"breached_at": NOW}, "timed_out", "timed_out", "timed_out"),
        ({"answer": "accepted", "breached_at": NOW}, "good", "not_due", "not_due"),
        ({"answer": "rejected", "reason_class": "definitional"}, "bad", "bad", "bad"),
        ({"answer": "rejected", "reason_class": "clerical"}, *["clerical"] * 3),
        ({"answer": "rejected", "reason_class": "procedural"}, *["procedural"] * 3),
        ({"answer": "accepted", "sql_at": NOW}, "good", "good", "not_due"),
        ({"answer": "accepted", "won_at": NOW}, "good", "good", "good"),
        ({"answer": "accepted", "sql_at": NOW, "lost_at": NOW}, "good", "good", "bad"),
        ({"answer": "accepted", "disqualified_at": NOW}, "good", "bad", "bad"),
        ({"answer": "accepted", "sql_at": NOW + timedelta(days=91)}, "good", "not_due", "not_due"),
    ],
)
def test_what_an_answer_says_of_a_lead(told, accepted, sql, won):
    made = Told(**{**dict.fromkeys(Told._fields), **told})
    later = NOW + timedelta(days=10)
    assert group_of("accepted", made, NOW, later) == accepted
    assert group_of("sql", made, NOW, later) == sql
    assert group_of("won", made, NOW, later) == won
    due = group_of("sql", made, NOW, NOW + timedelta(days=90))
    assert due == ("bad" if sql == "not_due" else sql)


@pytest.mark.parametrize(
    ("request_", "pointer", "words"),
    [
        ({}, "/version", "which version"),
        ({"version": 1, "definition": DRAFT}, "/version", "which version"),
        ({"version": 1, "segment": "countri"}, "/segment", "did you mean country"),
        ({"version": 1, "segment": "email"}, "/segment", "personal"),
        ({"version": 1, "until": "0001-01-02T00:00:00Z"}, "/until", "greater than"),
        ({"version": 1, "until": "9999-12-31T23:59:59-12:00"}, "/until", "less than"),
        ({"version": 1, "since": "2026-11-23T09:30:00Z"}, "/since", "before until"),
        ({"definition": {**DRAFT, "threshold": 900}}, "/definition/threshold", "nobody"),
        ({"version": 1, "label": "liked"}, "/label", ""),
    ],
)
async def test_what_cant_be_tried_is_refused_by_place(qualify: Running, request_, pointer, words):
    answer = await qualify.client.post("/qualify/v1/backtests", json=request_)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert words in answer.json()["errors"][0]["detail"]


async def test_only_who_writes_definitions_may_ask(qualify: Running):
    for role in (Role.REP, Role.SERVICE, Role.FORM):
        answer = await qualify.client.post(
            "/qualify/v1/backtests", json={"version": 1}, headers=qualify.bearer(role)
        )
        assert answer.status_code == 403
    answer = await qualify.client.post("/qualify/v1/backtests", json={"version": 99})
    assert answer.status_code == 404


async def test_two_at_a_time_the_third_comes_back_later(qualify: Running):
    asking = [qualify.client.post("/qualify/v1/backtests", json={"version": 1}) for _ in range(3)]
    answers = await asyncio.gather(*asking)
    assert sorted(one.status_code for one in answers) == [200, 200, 503]
    busy = next(one for one in answers if one.status_code == 503)
    assert int(busy.headers["retry-after"]) > 0


async def test_impact_counts_the_leads_that_would_move(qualify: Running):
    await publish(qualify, BASE)
    await given_leads(qualify, 60)
    version = (await qualify.client.post("/qualify/v1/definitions", json=DRAFT)).json()["version"]
    answer = await qualify.client.get(f"/qualify/v1/definitions/{version}/impact")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    shown = [await qualify.score(f"lead-{index:03d}") for index in range(60)]
    stages = Counter(one["stage"] for one in shown)
    nurtured = [one for one in shown if one["stage"] == "NURTURE"]
    definition = compile_definition(0, DRAFT)
    new = [one for one in nurtured if one["cycle"] == 0]  # reps have not turned them down
    assert 0 < len(new) < len(nurtured)
    verdicts = [evaluate(definition, Inputs(one["facts"]), NOW).verdict for one in new]
    assert found["leads"] == stages["NURTURE"] + stages["MQL"]
    assert found["to_mql"] == found["moved"] == verdicts.count("MQL") > 0
    by_stage = {one["stage"]: one for one in found["by_stage"]}
    assert by_stage["NURTURE"]["leads"] == len(nurtured)
    assert {"before": None, "after": "A"}.items() <= found["grades"][0].items()
    await publish(qualify, DRAFT)
    assert (await qualify.client.get("/qualify/v1/definitions/77/impact")).status_code == 404


async def test_the_challenger_and_what_its_promotion_needs(qualify: Running):
    assert (await qualify.client.get("/qualify/v1/challenger")).status_code == 404
    base = await publish(qualify, BASE)
    version = (await qualify.client.post("/qualify/v1/definitions", json=DRAFT)).json()["version"]
    qualify.clock.advance(timedelta(days=-29))
    begun = await qualify.client.post(f"/qualify/v1/definitions/{version}/challenge")
    assert begun.status_code == 200, begun.text
    said = await given_leads(qualify, 60)
    found = (await qualify.client.get("/qualify/v1/challenger")).json()
    assert (found["version"], found["published"]) == (version, base)
    compared = found["comparison"]
    assert compared["leads"] == 60
    assert compared["labelled"] == sum(one in ("good", "bad") for one in said.values())
    assert len(compared["auc_difference"]) == 3
    assert found["ready"] is False
    assert any("100 are needed" in one for one in found["missing"])


async def test_a_check_warns_of_what_last_months_leads_say(qualify: Running):
    await publish(qualify, BASE)
    for index in range(90):
        at = NOW - timedelta(days=28 - index * 0.3)
        facts = {"job_title": "CEO", "employees": 5 + index, "fields.budget": index}
        if at < NOW - timedelta(days=8):
            facts["industry"] = "Software"
        qualify.clock.advance(at - qualify.clock.now())
        came = captured(f"l-{index}", facts, at=at)
        await qualify.take(came, activity(f"l-{index}", "webinar", facts, at=at))
    qualify.clock.advance(NOW - qualify.clock.now())
    document = {
        "threshold": 5,
        "criteria": [
            {"id": "a", "group": "fit", "field": "job_title", "operator": "equals", "value": "ceo",
             "points": 5},
            {"id": "b", "group": "fit", "field": "job_title", "operator": "equals", "value": "cto",
             "points": 5},
            {"id": "c", "group": "fit", "field": "fields.budgt", "operator": "at_least", "value": 1,
             "points": 5},
            {"id": "d", "group": "fit", "field": "employees", "levels": [
                {"operator": "at_least", "value": 20, "points": 5},
                {"operator": "less_than", "value": 0, "points": 1}]},
            {"id": "e", "group": "fit", "field": "industry", "operator": "equals",
             "value": "software", "points": 5},
            {"id": "f", "group": "engagement", "activity": "webinr", "points": 5},
        ],
        "disqualifiers": [{"id": "x", "field": "job_title", "operator": "is_present"}],
    }  # fmt: skip
    answer = await qualify.client.post("/qualify/v1/definitions/check", json=document)
    assert answer.status_code == 200, answer.text
    assert answer.json()["valid"] is True
    said = {one["pointer"]: one["detail"] for one in answer.json()["warnings"]}
    assert "tells none from another" in said["/criteria/0"]
    assert "holds for none of the 90 leads" in said["/criteria/1"]
    assert "did you mean fields.budget?" in said["/criteria/2"]
    assert "none of the 90 leads" in said["/criteria/3/levels/1"]
    assert "has stopped arriving" in said["/criteria/4"]
    assert "did you mean activity.webinar?" in said["/criteria/5"]
    assert "disqualified each" in said["/disqualifiers/0"]
    assert "each of the 90 leads" in said["/threshold"]
    assert len(said) == 8
