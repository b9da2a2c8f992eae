"""Topics are read independently: whatever the order of arrival, the same truth."""

from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.feedback.consumer import HANDLERS
from services.feedback.store.leads import LeadRepository
from shared.contracts.envelope import Event
from shared.contracts.events import EventData
from shared.contracts.vocabulary import Stage
from shared.runtime.clock import FixedClock
from tests.services.feedback.lives import (
    START,
    Life,
    event_of,
    interleaved,
    open_feedback,
    random_life,
)


@dataclass
class Memory:
    """A unit of work that is never saved."""

    leads: LeadRepository = field(default_factory=lambda: LeadRepository(None))  # type: ignore[arg-type]
    emitted: list[EventData] = field(default_factory=list)

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]:
        self.emitted.append(data)
        return event_of(data, START)


async def told(events: list[Event[Any]]) -> Memory:
    memory = Memory()
    for event in events:
        await HANDLERS[type(event.data)](event, memory, FixedClock(START))  # type: ignore[arg-type]
    return memory


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
async def test_any_interleaving_gives_the_same_state_and_feedback(seed: int) -> None:
    random = Random(seed)
    life = random_life(random)
    true = await told(life.events)
    lead = true.leads.lead(life.lead_id)
    assert lead is not None
    assert lead.stage is life.stage
    other = await told(interleaved(random, life.streams()))
    assert other.leads.lead(life.lead_id) == lead
    assert other.emitted == true.emitted
    for cycle in range(1, life.cycle + 1):
        assert other.leads.mql(life.lead_id, cycle) == true.leads.mql(life.lead_id, cycle)


async def test_an_answer_waits_for_the_decision_it_judges() -> None:
    life = Life(criteria=("size", "title")).captured().qualified().assigned().accepted()
    captured, decision, handoff = life.streams()
    early = await told([*handoff, *captured])
    assert early.emitted == []
    lead = early.leads.lead(life.lead_id)
    assert lead is not None
    assert lead.stage is Stage.ACCEPTED
    whole = await told([*handoff, *captured, *decision])
    (feedback,) = whole.emitted
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
        stages = await feedback.reading.stages()
        leads = [
            await feedback.reading.history(lead_id)
            for lead_id in sorted({event.data.lead_id for event in events})
        ]
        metrics = await feedback.reading.metrics()
    by_lead: dict[str, list[Any]] = {}
    for event in log:
        by_lead.setdefault(event["subject"], []).append(event["data"])
    return {"leads": leads, "stages": stages, "feedback": by_lead, "metrics": metrics}


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
        history = await feedback.reading.history(life.lead_id)
    assert history is not None
    assert [step["stage"] for step in history["history"]] == [
        "INQUIRY",
        "MQL",
        "ASSIGNED",
        "ACCEPTED",
    ]
