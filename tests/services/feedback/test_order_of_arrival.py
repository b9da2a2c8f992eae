"""Topics are read independently: whatever the order of arrival, the same truth."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.feedback.consumer import HANDLERS
from services.feedback.store.unit import Feedback
from shared.contracts.envelope import Event
from shared.contracts.events import EventData, Qualification
from shared.contracts.vocabulary import Stage
from tests.services.feedback.lives import (
    START,
    Life,
    interleaved,
    open_feedback,
    random_life,
)


def told(events: list[Event[Any]]) -> Feedback:
    """A transaction in memory that has seen these events."""
    unit = Feedback(START)
    for event in events:
        HANDLERS[type(event.data)](event, unit)
    return unit


def emitted(unit: Feedback) -> list[EventData]:
    return [event.data for event in unit.events]


@settings(max_examples=400)
@given(st.integers(0, 2**32))
def test_any_interleaving_gives_the_same_state_and_feedback(seed: int) -> None:
    random = Random(seed)
    life = random_life(random)
    true = told(life.events)
    lead = true.leads.get(life.lead_id)
    assert lead is not None
    assert lead.stage is life.stage
    other = told(interleaved(random, life.streams()))
    assert other.leads.get(life.lead_id) == lead
    assert emitted(other) == emitted(true)
    for cycle in range(1, life.cycle + 1):
        assert other.mql(life.lead_id, cycle) == true.mql(life.lead_id, cycle)
    assert {one.cycle: one for one in other.samples} == {one.cycle: one for one in true.samples}
    assert {one.cycle for one in true.samples} == _cycles_to_learn_from(life)


def _cycles_to_learn_from(life: Life) -> set[int]:
    decided = any(isinstance(event.data, Qualification) for event in life.events)
    return set(range(1, life.cycle + 1)) or ({0} if decided else set())


def test_an_answer_waits_for_the_decision_it_judges() -> None:
    life = Life(criteria=("size", "title")).captured().qualified().assigned().accepted()
    captured, decision, handoff = life.streams()
    early = told([*handoff, *captured])
    assert early.events == []
    lead = early.leads.get(life.lead_id)
    assert lead is not None
    assert lead.stage is Stage.ACCEPTED
    whole = told([*handoff, *captured, *decision])
    (feedback,) = emitted(whole)
    assert feedback.model_dump(include={"score", "criteria", "source", "definition_version"}) == {  # type: ignore[attr-defined]
        "score": 20,
        "criteria": ["size", "title"],
        "source": "search",
        "definition_version": 1,
    }


async def _state(url: str, events: list[Event[Any]], batch: int) -> dict[str, Any]:
    async with open_feedback(url) as feedback:
        await feedback.read(events, batch)
        log = await feedback.log()
        stages = await feedback.stages()
        leads = [
            await feedback.history(lead_id)
            for lead_id in sorted({event.data.lead_id for event in events})
        ]
        metrics = await feedback.metrics()
        samples = await feedback.samples()
    by_lead: dict[str, list[Any]] = {}
    for event in log:
        by_lead.setdefault(event["subject"], []).append(event["data"])
    return {
        "leads": leads,
        "stages": stages,
        "feedback": by_lead,
        "metrics": metrics,
        "samples": samples,
    }


async def test_batches_equal_one_by_one_in_any_order(database_url: str, tmp_path: Any) -> None:
    """In batches on this database, and one by one in another order on a SQLite of its own."""
    random = Random(7)
    lives = [random_life(random) for _ in range(60)]
    streams = [stream for life in lives for stream in life.streams()]
    in_batches = await _state(database_url, interleaved(random, streams), 500)
    alone = await _state(f"sqlite:{tmp_path / 'alone'}", interleaved(random, streams), 1)
    assert in_batches == alone
    assert in_batches["stages"]["captured"] == len(lives)
    assert sum(in_batches["stages"]["stages"].values()) == len(lives)
    assert {row["lead_id"]: row["stage"] for row in in_batches["leads"]} == {
        life.lead_id: life.stage.value for life in lives
    }


async def test_read_twice_counts_once(database_url: str) -> None:
    life = Life().captured().qualified().assigned().accepted()
    async with open_feedback(database_url) as feedback:
        await feedback.read(life.events)
        await feedback.read(life.events)
        assert len(await feedback.log()) == 1
        history = await feedback.history(life.lead_id)
    assert history is not None
    assert [step["stage"] for step in history["history"]] == [
        "INQUIRY",
        "MQL",
        "ASSIGNED",
        "ACCEPTED",
    ]
