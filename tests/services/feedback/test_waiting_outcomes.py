"""An outcome that overtakes its lead's acceptance: kept, and applied when that arrives."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.feedback.consumer import HANDLERS
from services.feedback.domain.outcomes import MOST_WAITING
from services.feedback.handlers.outcomes import Caller, RecordOutcome, record_outcome
from services.feedback.store.unit import Feedback
from shared.access import Role
from shared.contracts.events import EventData, OutcomeRecorded
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason, Stage
from shared.runtime.parts import Timer
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import START, Life

URL = "/feedback/v1/outcomes"
CRM = Caller("crm")
NOW = START + timedelta(days=1)


def read(unit: Feedback, *lives: Life) -> None:
    """The events of these lives from where the unit has not read them yet."""
    for life in lives:
        for event in life.events:
            HANDLERS[type(event.data)](event, unit)
        life.events.clear()


def outcomes(unit: Feedback) -> list[EventData]:
    return [event.data for event in unit.events if isinstance(event.data, OutcomeRecorded)]


def say(unit: Feedback, life: Life, stage: Stage, caller: Caller = CRM, **more: Any) -> str:
    """Record an outcome; ``waiting``, ``recorded`` or the number of the problem."""
    try:
        status = record_outcome(unit, RecordOutcome(life.lead_id, stage, **more), caller)["status"]
    except Problem as problem:
        return str(problem.status)
    return str(status)


def stage_of(unit: Feedback, life: Life) -> Stage:
    return unit.lead(life.lead_id).stage


@pytest.mark.parametrize("batch", [1, 500])
async def test_kept_and_applied_in_its_order(callers: Callers, batch: int) -> None:
    feedback = callers.feedback
    life = Life().captured().qualified().assigned("anna").acknowledged().accepted()
    said = []
    async with await callers.client(Role.SERVICE) as client:
        for stage, reading in (("SQL", 0), ("OPPORTUNITY", 1), ("WON", 3)):
            await feedback.read(life.events[:reading], batch)
            body = {"lead_id": life.lead_id, "stage": stage, "amount": 99.5}
            answer = await client.post(URL, json=body)
            assert (answer.status_code, answer.json()["status"]) == (202, "waiting"), answer.text
            said.append(answer.json())
            del life.events[:reading]
            lead = (await client.get(f"/feedback/v1/leads/{life.lead_id}")).json()
            assert lead["waiting_outcomes"] == said
            assert lead["stage"] in (None, "INQUIRY", "ACKNOWLEDGED")
        await feedback.read(life.events, batch)
        lead = (await client.get(f"/feedback/v1/leads/{life.lead_id}")).json()
        assert (lead["stage"], lead["waiting_outcomes"]) == ("WON", [])
        assert [step["stage"] for step in lead["history"]][-4:] == [
            *("ACCEPTED", "SQL", "OPPORTUNITY", "WON")
        ]
        again = await client.post(URL, json={"lead_id": life.lead_id, "stage": "WON"})
        assert (again.status_code, again.json()["outcome_id"]) == (201, said[-1]["outcome_id"])
    told = [event["data"] for event in await feedback.log() if "outcome_id" in event["data"]]
    assert [one["outcome_id"] for one in told] == [one["outcome_id"] for one in said]
    assert {(one["cycle"], one["amount"], one["source"]) for one in told} == {(1, 99.5, "search")}


async def test_the_same_again_is_the_same(callers: Callers) -> None:
    life = Life().captured().qualified().assigned("anna").accepted()
    body, key = {"lead_id": life.lead_id, "stage": "SQL"}, {"Idempotency-Key": "k"}
    async with await callers.client(Role.SERVICE) as client:
        first = await client.post(URL, json=body, headers=key)
        assert first.status_code == 202
        assert (await client.post(URL, json=body)).json() == first.json()
        assert (await client.post(URL, json={**body, "amount": 1}, headers=key)).status_code == 422
        await callers.feedback.read(life.events)
        late = await client.post(URL, json=body, headers=key)
        assert (late.status_code, late.json()) == (202, first.json())
        recorded = await client.post(URL, json=body)
        assert recorded.status_code == 201
        assert recorded.json()["outcome_id"] == first.json()["outcome_id"]
    assert len([e for e in await callers.feedback.log() if "outcome_id" in e["data"]]) == 1


async def test_at_the_same_time_as_the_acceptance(callers: Callers) -> None:
    """Whoever comes first: nothing waits on for an acceptance that was read."""
    lives = [Life().captured().qualified().assigned("anna") for _ in range(20)]
    await callers.feedback.read([event for life in lives for event in life.events])
    acceptances = [life.accepted().events[-1] for life in lives]
    async with await callers.client(Role.SERVICE) as client:
        bodies = [{"lead_id": life.lead_id, "stage": "SQL"} for life in lives]
        *answers, _ = await asyncio.gather(
            *(client.post(URL, json=body) for body in bodies),
            callers.feedback.read(acceptances, batch=1),
        )
    assert {answer.status_code for answer in answers} <= {201, 202}
    assert (await callers.feedback.stages())["stages"]["SQL"] == len(lives)


async def test_what_never_came_to_anything_is_forgotten(callers: Callers) -> None:
    life = Life()
    (forget,) = [p for p in callers.service.parts if p.name == "feedback.forget"]
    assert isinstance(forget, Timer)
    async with await callers.client(Role.SERVICE) as client:
        body = {"lead_id": life.lead_id, "stage": "SQL"}
        assert (await client.post(URL, json=body)).status_code == 202
        for days, status in ((29, 200), (2, 404)):
            callers.feedback.clock.advance(timedelta(days=days))
            while await forget._run_once():
                pass
            answer = await client.get(f"/feedback/v1/leads/{life.lead_id}")
            assert answer.status_code == status


def test_only_what_can_follow_waits() -> None:
    unit, life = Feedback(NOW), Life()
    assert say(unit, life, Stage.OPPORTUNITY) == "409"  # it comes after SQL
    assert say(unit, life, Stage.SQL) == "waiting"
    assert say(unit, life, Stage.WON) == "409"
    assert say(unit, life, Stage.RECYCLED) == "422"  # a reason is needed, as ever
    assert say(unit, life, Stage.OPPORTUNITY) == "waiting"
    read(unit, life.captured().qualified().unrouted())
    assert say(unit, life, Stage.SQL) == "409"
    assert say(unit, life, Stage.WON) == "waiting"
    read(unit, life.assigned("anna").accepted())
    assert stage_of(unit, life) is Stage.WON
    assert [data.stage for data in outcomes(unit)] == ["SQL", "OPPORTUNITY", "WON"]  # type: ignore[attr-defined]


def test_nothing_waits_for_a_lead_that_was_sent_back() -> None:
    for life in (
        Life().captured().nurtured(),
        Life().captured().disqualified(),
        Life().captured().qualified().assigned().rejected(),
    ):
        unit = Feedback(NOW)
        read(unit, life)
        assert say(unit, life, Stage.SQL) == "409"
        assert unit.waiting(life.lead_id) == []


def test_it_waits_until_somebody_accepts() -> None:
    """The rep before said no; the one who said yes had told of the outcome already."""
    unit, life = Feedback(NOW), Life()
    assert say(unit, life, Stage.SQL, Caller("k", "ben")) == "waiting"
    read(unit, life.captured().qualified().assigned("anna"))
    read(unit, life.rejected(RejectReason.WRONG_TERRITORY))
    assert outcomes(unit) == []
    read(unit, life.assigned("ben").accepted())
    assert stage_of(unit, life) is Stage.SQL


def test_an_acceptance_of_long_ago_applies_nothing() -> None:
    """The lead is in another cycle by now: the outcome waits for the acceptance of this one."""
    unit, life = Feedback(NOW), Life().captured().qualified().assigned("anna").accepted()
    early = life.events.pop()
    life.stage = Stage.RECYCLED
    read(unit, life.qualified())
    assert say(unit, life, Stage.SQL) == "waiting"
    HANDLERS[type(early.data)](early, unit)
    assert (stage_of(unit, life), outcomes(unit)) == (Stage.MQL, [])
    read(unit, life.assigned("ben").accepted())
    (outcome,) = outcomes(unit)
    assert (stage_of(unit, life), outcome.cycle) == (Stage.SQL, 2)  # type: ignore[attr-defined]


def test_a_rep_speaks_of_their_own_leads_only() -> None:
    unit, life = Feedback(NOW), Life().captured().qualified().assigned("anna")
    read(unit, life)
    assert say(unit, life, Stage.DISQUALIFIED, Caller("k", "ben"), reason="NO_FIT") == "waiting"
    assert say(unit, life, Stage.SQL, Caller("l", "anna")) == "waiting"  # it does not follow ben's
    assert say(unit, life, Stage.OPPORTUNITY) == "waiting"
    read(unit, life.accepted())
    assert [data.stage for data in outcomes(unit)] == ["SQL", "OPPORTUNITY"]  # type: ignore[attr-defined]
    assert unit.waiting(life.lead_id) == []
    assert say(unit, life, Stage.WON, Caller("k", "ben")) == "403"


def test_a_rep_without_a_name_may_say_nothing() -> None:
    unit, life = Feedback(NOW), Life()
    assert say(unit, life, Stage.SQL, Caller("k", "")) == "403"
    assert unit.waiting(life.lead_id) == []


def test_no_more_than_so_many() -> None:
    unit, life = Feedback(NOW), Life()
    for number in range(MOST_WAITING):
        assert say(unit, life, Stage.SQL, Caller("k", f"rep-{number}")) == "waiting"
    assert say(unit, life, Stage.SQL, Caller("k", "one more")) == "409"


def test_what_is_no_id_of_ours_is_unknown() -> None:
    for lead_id in ("nobody", Life().lead_id.upper(), Life().lead_id + "0"):
        with pytest.raises(Problem) as found:
            record_outcome(Feedback(NOW), RecordOutcome(lead_id, Stage.SQL), CRM)
        assert found.value.status == 404
