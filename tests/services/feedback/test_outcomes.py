"""POST /feedback/v1/outcomes: what may be said of whom, and that repeating it changes nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.feedback.domain.outcomes import REASONS, may_become, reason_fault
from shared.access import Role
from shared.contracts.vocabulary import OUTCOME_STAGES, TRANSITIONS, Stage
from shared.runtime.parts import Timer
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import Life

URL = "/feedback/v1/outcomes"


async def accepted(callers: Callers, **values: Any) -> Life:
    life = Life(**values).captured().qualified().assigned("anna").accepted()
    await callers.feedback.read(life.events)
    return life


async def test_the_whole_way_to_won(callers: Callers) -> None:
    life = await accepted(callers)
    async with await callers.client(Role.SERVICE) as client:
        for stage in ("SQL", "OPPORTUNITY", "WON"):
            body = {"lead_id": life.lead_id, "stage": stage, "amount": 1200.5}
            answer = await client.post(URL, json=body)
            assert answer.status_code == 201, answer.text
            recorded = answer.json()
            assert recorded["stage"] == stage
            assert recorded["amount"] == 1200.5
            assert (recorded["definition_version"], recorded["source"]) == (1, "search")
            assert (recorded["status"], recorded["cycle"]) == ("recorded", 1)
            assert (await client.post(URL, json=body)).json() == recorded
        again = await client.post(URL, json={"lead_id": life.lead_id, "stage": "SQL"})
        assert again.status_code == 409
        assert again.json()["state"] == "WON"
        events = (await client.get("/feedback/v1/events")).json()["items"]
        assert [e["data"].get("stage") for e in events] == [None, "SQL", "OPPORTUNITY", "WON"]
        lead = (await client.get(f"/feedback/v1/leads/{life.lead_id}")).json()
        assert lead["stage"] == "WON"
        assert [step["stage"] for step in lead["history"]][-3:] == ["SQL", "OPPORTUNITY", "WON"]


async def test_outcomes_are_for_leads_that_sales_works_on(callers: Callers) -> None:
    nurtured = Life().captured().nurtured()
    gone = Life().captured().disqualified()
    rejected = Life().captured().qualified().assigned("anna").rejected()
    await callers.feedback.read([*nurtured.events, *gone.events, *rejected.events])
    async with await callers.client(Role.ADMIN) as client:
        for life in (nurtured, gone, rejected):
            body = {"lead_id": life.lead_id, "stage": "RECYCLED", "reason": "BAD_TIMING"}
            answer = await client.post(URL, json=body)
            assert (answer.status_code, answer.json()["state"]) == (409, life.stage.value)
        unknown = await client.post(URL, json={"lead_id": "nobody", "stage": "SQL"})
        assert unknown.status_code == 404


async def test_an_event_read_late_does_not_undo_an_outcome(callers: Callers) -> None:
    life = Life().captured().qualified().assigned("anna").acknowledged().accepted()
    scored = Life(lead_id=life.lead_id, cycle=1, at=life.at, stage=Stage.ACCEPTED).scored()
    await callers.feedback.read(life.events)
    async with await callers.client(Role.ADMIN) as client:
        await client.post(URL, json={"lead_id": life.lead_id, "stage": "SQL"})
        await callers.feedback.read(scored.events)
        lead = (await client.get(f"/feedback/v1/leads/{life.lead_id}")).json()
    assert lead["stage"] == "SQL"


async def test_recycled_leads_may_become_mqls_again(callers: Callers) -> None:
    life = await accepted(callers)
    before = len(life.events)
    async with await callers.client(Role.ADMIN) as client:
        body = {"lead_id": life.lead_id, "stage": "RECYCLED", "reason": "BAD_TIMING"}
        assert (await client.post(URL, json=body)).status_code == 201
        life.qualified().assigned("ben").accepted()
        await callers.feedback.read(life.events[before:])
        lead = (await client.get(f"/feedback/v1/leads/{life.lead_id}")).json()
        assert (lead["stage"], lead["cycle"], lead["rep_id"]) == ("ACCEPTED", 2, "ben")
        assert (await client.post(URL, json=body)).status_code == 201


async def test_idempotency_key(callers: Callers) -> None:
    life = await accepted(callers)
    async with await callers.client(Role.SERVICE) as client:
        body = {"lead_id": life.lead_id, "stage": "SQL"}
        first = await client.post(URL, json=body, headers={"Idempotency-Key": "a"})
        await client.post(URL, json={**body, "stage": "OPPORTUNITY"})
        again = await client.post(URL, json=body, headers={"Idempotency-Key": "a"})
        assert (again.status_code, again.json()) == (201, first.json())
        other = await client.post(URL, json={**body, "amount": 1}, headers={"Idempotency-Key": "a"})
        assert other.status_code == 422


async def test_one_key_for_two_leads_at_once(callers: Callers) -> None:
    lives = [await accepted(callers) for _ in range(6)]
    async with await callers.client(Role.SERVICE) as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    URL,
                    json={"lead_id": life.lead_id, "stage": "SQL"},
                    headers={"Idempotency-Key": "same"},
                )
                for life in lives
            )
        )
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422, 422, 422]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"stage": "RECYCLED"}, "/reason"),
        ({"stage": "RECYCLED", "reason": "NO_FIT"}, "/reason"),
        ({"stage": "DISQUALIFIED", "reason": "NO_BUDGET"}, "/reason"),
        ({"stage": "SQL", "reason": "NO_FIT"}, "/reason"),
        ({"stage": "SQL", "amount": -1}, "/amount"),
        ({"stage": "SQL", "occurred_at": "2026-11-04T10:00:00Z"}, "/occurred_at"),
        ({"stage": "SQL", "occurred_at": "yesterday"}, "/occurred_at"),
        ({"stage": "ACCEPTED"}, "/stage"),
        ({"stage": None}, "/stage"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_not_valid_names_its_field(
    callers: Callers, body: dict[str, Any], pointer: str
) -> None:
    life = await accepted(callers)
    async with await callers.client(Role.SERVICE) as client:
        answer = await client.post(URL, json={"lead_id": life.lead_id, **body})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
        if body.get("stage") == "RECYCLED":
            assert "NO_BUDGET" in answer.json()["allowed"]
        lead = (await client.get(f"/feedback/v1/leads/{life.lead_id}")).json()
        assert lead["stage"] == "ACCEPTED"


async def test_who_may(callers: Callers) -> None:
    life = await accepted(callers)
    body = {"lead_id": life.lead_id, "stage": "SQL"}
    async with await callers.client(Role.REP, "ben") as client:
        assert (await client.post(URL, json=body)).status_code == 403
        for path in ("events", "metrics", "stages", "proposals"):
            assert (await client.get(f"/feedback/v1/{path}")).status_code == 403
    async with await callers.client(Role.FORM) as client:
        assert (await client.post(URL, json=body)).status_code == 403
    async with await callers.client(Role.REP, "anna") as client:
        assert (await client.post(URL, json=body)).status_code == 201
        del client.headers["Authorization"]
        assert (await client.post(URL, json=body)).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"occurred_at": "1999-12-31T23:59:59Z"},
        {"amount": 1e300},
        {"note": "x", "lead_id": "\x00"},
    ],
    ids=["before all time", "long past", "more than there is", "nul"],
)
async def test_values_out_of_all_range_are_the_callers_mistake(
    callers: Callers, wrong: dict[str, Any]
) -> None:
    life = await accepted(callers)
    async with await callers.client(Role.SERVICE) as client:
        answer = await client.post(URL, json={"lead_id": life.lead_id, "stage": "SQL"} | wrong)
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


async def test_answers_of_long_ago_are_forgotten(callers: Callers) -> None:
    life, key = await accepted(callers), {"Idempotency-Key": "once"}
    (forget,) = [p for p in callers.service.parts if p.name == "feedback.forget"]
    assert isinstance(forget, Timer)
    body = {"lead_id": life.lead_id, "stage": "SQL"}
    async with await callers.client(Role.SERVICE) as client:
        assert (await client.post(URL, json=body, headers=key)).status_code == 201
        for days, status in ((29, 422), (2, 201)):
            callers.feedback.clock.advance(timedelta(days=days))
            await forget._run_once()
            other = await client.post(URL, json={**body, "amount": days}, headers=key)
            assert other.status_code == status, other.text


async def test_the_past_may_be_told(callers: Callers) -> None:
    life = await accepted(callers)
    at = callers.feedback.clock.now() - timedelta(hours=2)
    async with await callers.client(Role.SERVICE) as client:
        body = {"lead_id": life.lead_id, "stage": "SQL", "occurred_at": at.isoformat()}
        assert (await client.post(URL, json=body)).status_code == 201
        lead = (await client.get(f"/feedback/v1/leads/{life.lead_id}")).json()
    assert lead["since"] == at.isoformat().replace("+00:00", "Z")


def test_outcomes_go_only_where_transitions_go() -> None:
    for stage in Stage:
        for outcome in OUTCOME_STAGES:
            if may_become(stage, outcome):
                assert outcome in TRANSITIONS[stage]
    assert not may_become(Stage.INQUIRY, Stage.DISQUALIFIED)
    assert may_become(Stage.LOST, Stage.RECYCLED)


def test_reasons_are_words_of_a_list() -> None:
    for stage in OUTCOME_STAGES:
        for reason in REASONS.get(stage, ()):
            assert reason_fault(stage, reason) is None
        assert reason_fault(stage, "because") is not None
    assert reason_fault(Stage.LOST, None) is None
