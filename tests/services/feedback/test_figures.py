"""Metrics, stages and events, against examples counted by hand."""

import asyncio
import threading
from datetime import timedelta

import pytest

from services.feedback.consumer import HANDLERS
from shared.access import Role
from shared.contracts.vocabulary import RejectReason
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import START, Feedback, Life, answer_life

REJECT = RejectReason


async def test_a_handful_of_leads_by_hand(feedback: Feedback) -> None:
    """START is a Monday, 09:00; the clock stands at Tuesday 09:00 and then at Thursday 12:00."""
    taken = Life(source="search").captured().qualified().assigned().acknowledged().accepted()
    turned_down = Life(source="search").captured().qualified().assigned()
    turned_down.rejected(REJECT.OUTSIDE_ICP).nurtured()
    misrouted = Life(source="fair").captured().qualified().assigned()
    misrouted.rejected(REJECT.WRONG_TERRITORY)
    late = Life(source="fair").captured().qualified().assigned(minutes=15)
    late.later(20).breached().assigned(minutes=15).later(60 * 80).accepted()
    fresh = Life(source=None, version=2, at=START + timedelta(days=3, hours=2))
    fresh.captured().qualified().assigned(minutes=600)
    inquiry = Life().captured()
    lives = (taken, turned_down, misrouted, late, fresh, inquiry)
    await feedback.read([event for life in lives for event in life.events])
    feedback.clock.advance(timedelta(days=2, hours=3))
    metrics = await feedback.metrics()

    funnel = {step["stage"]: step["leads"] for step in metrics["funnel"]}
    assert funnel == {
        "INQUIRY": 6,
        "MQL": 5,
        "ASSIGNED": 5,
        "ACCEPTED": 2,
        "SQL": 0,
        "OPPORTUNITY": 0,
        "WON": 0,
    }
    overall = metrics["acceptance"]["overall"]
    assert overall["assigned"] == 5
    # Assigned on Monday at 09:02, an acceptance counts until Thursday 09:02 (24 business hours):
    # all but `fresh` are due, `taken` was in time, `late` was not.
    assert _of(overall["within_24_business_hours"]) == (1, 4)
    assert _of(overall["without_procedural"]) == (1, 3)
    assert _of(overall["of_answered"]) == (2, 4)
    by_source = {row["source"]: row for row in metrics["acceptance"]["by_source"]}
    assert _of(by_source["search"]["of_answered"]) == (1, 2)
    assert _of(by_source["fair"]["within_24_business_hours"]) == (0, 2)
    assert by_source[None]["assigned"] == 1
    versions = [row["definition_version"] for row in metrics["acceptance"]["by_version"]]
    assert versions == [2, 1]
    # Attempts due: four first ones and the second of `late`; three of them were answered in time.
    assert _of(metrics["sla_attainment"]) == (3, 5)
    classes = {row["reason_class"]: row["count"] for row in metrics["reasons"]["by_class"]}
    assert classes == {"definitional": 1, "procedural": 1}
    assert {
        (row["source"], row["reason"], row["count"]) for row in metrics["reasons"]["by_source"]
    } == {("search", "OUTSIDE_ICP", 1), ("fair", "WRONG_TERRITORY", 1)}
    touch = metrics["time_to_first_touch"]
    # Touched after 3, 3 and 3 minutes and 80 h 25 min; `fresh` waits for an hour, censored.
    assert (touch["leads"], touch["censored"]) == (5, 1)
    assert touch["median_seconds"] == 180
    assert touch["p90_seconds"] == (80 * 60 + 25) * 60
    assert touch["processing"]["median_seconds"] == 120
    assert touch["rep"]["median_seconds"] == 60
    assert metrics["cohorts"] == [{"week": "2026-W45", "mqls": 5, "accepted": 2, "sqls": 0}]


def _of(rate: dict[str, float]) -> tuple[float, float]:
    return rate["count"], rate["of"]


async def test_mql_to_sql_counts_old_cohorts_only(callers: Callers) -> None:
    feedback = callers.feedback
    old = [answer_life("accepted", ("size",)) for _ in range(3)]
    await feedback.read([event for life in old for event in life.events])
    async with await callers.client(Role.SERVICE) as client:
        quick, slow, _ = old
        body = {"lead_id": quick.lead_id, "stage": "SQL"}
        assert (await client.post("/feedback/v1/outcomes", json=body)).status_code == 201
        feedback.clock.advance(timedelta(days=95))
        body = {"lead_id": slow.lead_id, "stage": "SQL"}
        assert (await client.post("/feedback/v1/outcomes", json=body)).status_code == 201
        young = answer_life("accepted", ("size",), at=feedback.clock.now() - timedelta(days=1))
        await feedback.read(young.events)
        metrics = (await client.get("/feedback/v1/metrics")).json()
    assert _of(metrics["mql_to_sql"]) == (1, 3)


async def test_nothing_yet(feedback: Feedback) -> None:
    metrics = await feedback.metrics()
    assert metrics["acceptance"]["overall"]["of_answered"]["rate"] is None
    assert metrics["acceptance"]["by_version"] == []
    assert metrics["time_to_first_touch"]["median_seconds"] is None
    stages = await feedback.stages()
    assert (stages["captured"], stages["stuck"]) == (0, [])


async def test_stuck_is_what_stays_where_it_should_not(feedback: Feedback) -> None:
    now = feedback.clock.now()
    stuck = Life(at=now - timedelta(minutes=6)).captured()
    fine = Life(at=now - timedelta(minutes=4)).captured()
    waiting = Life(at=now - timedelta(hours=2)).captured().qualified().assigned()
    nowhere = Life(at=now - timedelta(hours=2)).captured().qualified().unrouted()
    left_alone = Life(at=now - timedelta(hours=2)).captured().qualified().assigned().rejected()
    lives = (stuck, fine, waiting, nowhere, left_alone)
    await feedback.read([event for life in lives for event in life.events])
    stages = await feedback.stages()
    assert stages["captured"] == 5
    assert {name: n for name, n in stages["stages"].items() if n} == {
        "INQUIRY": 2,
        "ASSIGNED": 1,
        "UNROUTED": 1,
        "REJECTED": 1,
    }
    assert [row["lead_id"] for row in stages["stuck"]] == [left_alone.lead_id, stuck.lead_id]
    feedback.clock.advance(timedelta(days=2))
    assert nowhere.lead_id in {row["lead_id"] for row in (await feedback.stages())["stuck"]}


async def test_every_lead_has_one_stage(callers: Callers) -> None:
    lives = [answer_life("accepted", ("size",)) for _ in range(3)] + [Life().captured()]
    await callers.feedback.read([event for life in lives for event in life.events])
    async with await callers.client(Role.ADMIN) as client:
        first = (await client.get("/feedback/v1/leads", params={"limit": 3})).json()
        cursor = {"cursor": first["next_cursor"], "limit": 3}
        second = (await client.get("/feedback/v1/leads", params=cursor)).json()
    assert second["next_cursor"] is None
    stages = {lead["lead_id"]: lead["stage"] for lead in first["items"] + second["items"]}
    assert stages == {life.lead_id: life.stage.value for life in lives}


async def test_events_page_by_page(callers: Callers) -> None:
    lives = [answer_life("accepted", ("size",)) for _ in range(7)]
    await callers.feedback.read([event for life in lives for event in life.events])
    async with await callers.client(Role.MARKETER) as client:
        await client.post(
            "/feedback/v1/outcomes", json={"lead_id": lives[0].lead_id, "stage": "SQL"}
        )
        seen, cursor = [], None
        while True:
            params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/feedback/v1/events", params=params)).json()
            if page["next_cursor"] is None:
                break
            seen += page["items"]
            cursor = page["next_cursor"]
        assert [event["subject"] for event in seen] == [
            *(life.lead_id for life in lives),
            lives[0].lead_id,
        ]
        assert seen[0]["specversion"] == "1.0"
        assert seen[0]["data"]["answer"] == "accepted"
        only = {"type": "leadloop.outcome.recorded.v1"}
        outcomes = (await client.get("/feedback/v1/events", params=only)).json()["items"]
        assert [event["data"]["stage"] for event in outcomes] == ["SQL"]
        assert (await client.get("/feedback/v1/events?cursor=nonsense")).status_code == 400


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_reader_never_passes_an_event_that_is_still_to_come(feedback: Feedback) -> None:
    """Two transactions write to the log at once; the first to number its events commits last."""
    first, second = answer_life("accepted", ()), answer_life("accepted", ())
    numbered, commit = threading.Event(), threading.Event()

    def write(life: Life, wait: bool) -> None:
        with feedback.transactions.begin([life.lead_id]) as unit:
            for event in life.events:
                HANDLERS[type(event.data)](event, unit)
            unit.write()
            unit.write = lambda: None  # type: ignore[method-assign]
            numbered.set()
            if wait:
                assert commit.wait(30)

    slow = asyncio.create_task(asyncio.to_thread(write, first, wait=True))
    assert await asyncio.to_thread(numbered.wait, 30)
    quick = asyncio.create_task(asyncio.to_thread(write, second, wait=False))
    done, _ = await asyncio.wait([quick], timeout=0.3)
    assert not done  # it waits for its turn rather than becoming visible with the higher number
    assert await feedback.log() == []
    commit.set()
    await asyncio.gather(slow, quick)
    assert [event["subject"] for event in await feedback.log()] == [first.lead_id, second.lead_id]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_processes_on_one_lead_lose_nothing(feedback: Feedback) -> None:
    """Each reads other topics of the same new leads at the same time."""
    lives = [answer_life("accepted", ("size",)) for _ in range(40)]
    topics = zip(*(life.streams() for life in lives), strict=True)

    async def process(streams: tuple[list, ...]) -> None:
        for stream in streams:
            for event in stream:
                await feedback.transactions.run(
                    lambda unit, event=event: HANDLERS[type(event.data)](event, unit),
                    [event.data.lead_id],
                )

    await asyncio.gather(*(process(streams) for streams in topics))
    stages = await feedback.stages()
    assert (stages["captured"], stages["stages"]["ACCEPTED"]) == (40, 40)
    assert len(await feedback.log()) == 40
