"""What learning reads: inputs as they were before the hand-off, and labels as they are today."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.feedback.domain.samples import Group, Label
from services.feedback.handlers.outcomes import Caller, RecordOutcome, record_outcome
from services.feedback.store import samples
from shared.contracts.events.qualification import ActivityCount
from shared.contracts.vocabulary import RejectReason, Stage
from tests.services.feedback.lives import START, Feedback, Life, answer_life


async def outcome(feedback: Feedback, life: Life, stage: Stage, **values: Any) -> None:
    said = RecordOutcome(life.lead_id, stage, **values)
    await feedback.transactions.run(
        lambda unit: record_outcome(unit, said, Caller("test")), [life.lead_id]
    )


async def counts(feedback: Feedback, label: Label = Label.ACCEPTED) -> dict[str, int]:
    found = await feedback.ask(samples.count_groups, label, feedback.clock.now())
    return {group.value: leads for group, leads in found.items() if leads}


async def test_inputs_are_those_of_the_decision(feedback: Feedback) -> None:
    life = Life(facts={"employees": 10}).captured().nurtured()
    await feedback.read(life.events)
    read = await feedback.samples()
    assert read[life.lead_id, False].facts == {"employees": 10}
    life.facts = {"employees": 120, "country": "DE", "tags": ["a", "b"], "vip": True}
    life.scored().qualified().assigned("anna").accepted()
    life.facts = {"employees": 120, "meeting_held": True}
    life.scored()
    await feedback.read(life.events[2:])
    read = await feedback.samples()
    (sample,) = read.values()
    assert sample.mql
    assert sample.facts == {"employees": 120, "country": "DE", "tags": ["a", "b"], "vip": True}
    assert sample.attribution == {"utm_source": "search", "utm_campaign": "autumn"}
    assert (sample.label, sample.rep_id, sample.weight) == (1, "anna", 1.0)
    assert sample.at == START + timedelta(minutes=3)


async def test_activities_keep_their_moments(feedback: Feedback) -> None:
    moments = [datetime(2026, 10, day, 8, 30, tzinfo=UTC) for day in (1, 5)]
    told = ActivityCount(count=7, last_at=moments[-1], recent=moments)
    life = Life().captured().qualified()
    event = life.events[-1]
    data = event.data.model_copy(update={"activities": {"page_viewed": told}})
    life.events[-1] = type(event)(
        event.id, event.type, event.source, event.time, event.subject, event.traceparent, data
    )
    await feedback.read(life.events)
    (sample,) = (await feedback.samples()).values()
    one = sample.activities["page_viewed"]
    assert (one.count, one.last_at, one.recent) == (7, moments[-1], tuple(moments))


async def test_only_the_newest_time_as_mql_is_learned_from(feedback: Feedback) -> None:
    life = Life(facts={"employees": 1}).captured().qualified().assigned("anna").rejected()
    life.nurtured()
    life.facts = {"employees": 2}
    life.qualified().assigned("ben").accepted()
    await feedback.read(life.events)
    (sample,) = (await feedback.samples()).values()
    assert (sample.facts["employees"], sample.label, sample.rep_id) == (2, 1, "ben")
    assert await counts(feedback) == {"good": 1}


async def test_an_explored_lead_stands_for_many(feedback: Feedback) -> None:
    life = Life(explored=True).captured().qualified().assigned().rejected()
    await feedback.read(life.events)
    (sample,) = (await feedback.samples()).values()
    assert (sample.weight, sample.label) == (pytest.approx(50), 0)


async def test_what_is_no_answer_is_left_out_by_name(feedback: Feedback) -> None:
    late = Life().captured().qualified().assigned().later(20).breached().unrouted()
    lives = [
        answer_life("accepted", ("size",)),
        answer_life(RejectReason.OUTSIDE_ICP, ("size",)),
        answer_life(RejectReason.WRONG_TERRITORY, ("size",)),
        answer_life(RejectReason.SPAM, ("size",)),
        Life().captured().qualified().assigned(),
        late,
        Life().captured().nurtured(),
        Life().captured().disqualified(),
    ]
    await feedback.read([event for life in lives for event in life.events])
    assert await counts(feedback) == {
        "good": 1,
        "bad": 1,
        "procedural": 1,
        "clerical": 1,
        "waiting": 1,
        "timed_out": 1,
        "below": 2,
    }
    labels = {key[0]: one.label for key, one in (await feedback.samples()).items()}
    assert [labels[life.lead_id] for life in lives] == [1, 0] + [None] * 6


async def test_a_later_rep_s_answer_takes_the_place_of_a_procedural_one(feedback: Feedback) -> None:
    life = Life().captured().qualified().assigned("anna").rejected(RejectReason.WRONG_TERRITORY)
    life.assigned("ben").rejected()
    await feedback.read(life.events)
    (sample,) = (await feedback.samples()).values()
    assert (sample.label, sample.rep_id) == (0, "ben")


async def test_sql_and_won_as_they_come_due(feedback: Feedback) -> None:
    """Nothing is counted against a lead before its time is over, unless it has ended."""
    names = ("sql", "won", "late", "lost", "ended", "silent")
    lives = {name: answer_life("accepted", ("size",)) for name in names}
    bad = answer_life(RejectReason.NOT_A_BUYER, ("size",))
    await feedback.read([event for life in (*lives.values(), bad) for event in life.events])
    feedback.clock.advance(timedelta(days=200))
    day = timedelta(days=1)
    sql = {"sql": 89, "won": 3, "late": 95, "lost": 4}
    for name, days in sql.items():
        at = START + days * day
        await outcome(feedback, lives[name], Stage.SQL, occurred_at=at)
    for name, end in (("won", Stage.WON), ("lost", Stage.LOST)):
        await outcome(feedback, lives[name], Stage.OPPORTUNITY, occurred_at=START + 9 * day)
        await outcome(feedback, lives[name], end, occurred_at=START + 20 * day)
    gone = {"reason": "NO_NEED", "occurred_at": START + 5 * day}
    await outcome(feedback, lives["ended"], Stage.DISQUALIFIED, **gone)

    async def labels(label: Label, days: float) -> dict[str, int | None]:
        feedback.clock._now = START + timedelta(days=days)
        read = await feedback.samples(label)
        return {name: read[life.lead_id, True].label for name, life in lives.items()}

    by_day = {
        2: dict.fromkeys(names),
        10: {"sql": None, "won": 1, "late": None, "lost": 1, "ended": 0, "silent": None},
        91: {"sql": 1, "won": 1, "late": 0, "lost": 1, "ended": 0, "silent": 0},
        199: {"sql": 1, "won": 1, "late": 0, "lost": 1, "ended": 0, "silent": 0},
    }
    assert {days: await labels(Label.SQL, days) for days in by_day} == by_day
    won = {"sql": None, "won": 1, "late": None, "lost": 0, "ended": 0, "silent": None}
    assert await labels(Label.WON, 199) == won
    assert await labels(Label.WON, 10) == {**won, "won": None, "lost": None}
    assert await labels(Label.ACCEPTED, 199) == dict.fromkeys(names, 1)
    read = await feedback.samples(Label.WON)
    assert read[bad.lead_id, True].label == 0
    assert read[lives["won"].lead_id, True].answered_at == START + 20 * day
    assert await counts(feedback, Label.WON) == {"good": 1, "bad": 3, "not_due": 3}
    assert await counts(feedback, Label.SQL) == {"good": 3, "bad": 4}


async def test_counts_by_version_leave_explored_leads_out(feedback: Feedback) -> None:
    lives = [
        answer_life("accepted", ("size",), version=2),
        answer_life("accepted", ("size",), version=2, explored=True),
        answer_life("accepted", ("size",), version=1),
        answer_life(RejectReason.SPAM, ("size",), version=2),
        answer_life("accepted", ("size",), version=2, at=START - timedelta(days=1)),
    ]
    await feedback.read([event for life in lives for event in life.events])
    since = {1: START, 2: START, 3: START}
    found = await feedback.ask(samples.judged, Label.ACCEPTED, feedback.clock.now(), since)
    assert found == {1: {Group.GOOD: 1}, 2: {Group.GOOD: 1, Group.CLERICAL: 1}, 3: {}}


async def test_facts_of_any_shape_come_back_as_they_were(feedback: Feedback) -> None:
    facts = {"n": 1.5, "big": 10**15, "no": None, "text": "Ünï\u2028'\"", "list": ["x"], "": "e"}
    life = Life(facts=facts).captured().qualified()
    await feedback.read(life.events)
    (sample,) = (await feedback.samples()).values()
    assert json.dumps(sample.facts, sort_keys=True) == json.dumps(facts, sort_keys=True)
