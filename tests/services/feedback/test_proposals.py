"""From answers to a proposal to a new version."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from services.feedback.service import Weighing
from services.feedback.store import queries
from services.feedback.store.unit import Feedback as Unit
from shared.access import Role
from shared.contracts.vocabulary import RejectReason
from shared.db.database import Database
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import Feedback, answer_life, answers, published

URL = "/feedback/v1/proposals"


async def test_answers_become_a_proposal(feedback: Feedback) -> None:
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    assert await feedback.weigh()
    (proposal,) = await feedback.proposals()
    assert proposal["status"] == "open"
    assert proposal["base_version"] == 1
    # The lower end of the difference is 0.0524; of a threshold of 100 that is five whole points.
    assert proposal["changes"] == [
        {"criterion_id": "size", "points_before": 30, "points_after": 35}
    ]
    size, title = proposal["evidence"]["criteria"]
    assert (size["difference"], size["low"], size["high"]) == (0.2, 0.0524, 0.3339)
    assert size["text"].startswith("Accepted 80 % with, 60 % without")
    assert title["difference"] is None
    assert any("not a cause" in note for note in proposal["evidence"]["notes"])
    (event,) = await feedback.sent("definition.proposed")
    assert (event["proposal_id"], event["changes"]) == (
        proposal["proposal_id"],
        proposal["changes"],
    )


async def test_only_answers_about_the_definition_count(feedback: Feedback) -> None:
    noise = [
        answer_life(reason, ("size",))
        for reason in (RejectReason.SPAM, RejectReason.WRONG_TERRITORY, RejectReason.NO_CAPACITY)
        for _ in range(30)
    ]
    silent = [answer_life("accepted", ("size",)) for _ in range(10)]
    for life in silent:
        life.events.pop()  # assigned, and never answered
    other_version = answers((0, 50), (50, 0), version=2)
    events = [event for life in (*noise, *silent) for event in life.events]
    await feedback.read([published(), *answers((56, 14), (48, 32)), *events, *other_version])
    await feedback.weigh()
    (proposal,) = await feedback.proposals()
    assert proposal["evidence"]["answers"] == 150
    assert proposal["evidence"]["criteria"][0]["difference"] == 0.2


async def test_below_the_sample_there_is_no_proposal(feedback: Feedback) -> None:
    await feedback.read([published(), *answers((19, 0), (0, 100))])
    assert not await feedback.weigh()
    assert await feedback.proposals() == []
    evidence = await feedback.evidence()
    assert evidence is not None
    assert evidence.missing == 1
    await feedback.read(answers((1, 0), (0, 0)))
    assert await feedback.weigh()
    assert len(await feedback.proposals()) == 1


async def test_more_answers_refresh_what_is_open(feedback: Feedback) -> None:
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await feedback.weigh()
    assert not await feedback.weigh()
    (before,) = await feedback.proposals()
    await feedback.read(answers((4, 1), (3, 2)))
    assert await feedback.weigh()
    (after,) = await feedback.proposals()
    assert after["proposal_id"] == before["proposal_id"]
    assert (before["evidence"]["answers"], after["evidence"]["answers"]) == (150, 160)
    assert len(await feedback.sent("definition.proposed")) == 1


async def test_approve_publish_and_start_over(callers: Callers) -> None:
    feedback = callers.feedback
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await feedback.weigh()
    async with await callers.client(Role.MARKETER) as client:
        (proposal,) = (await client.get(URL)).json()["items"]
        one = f"{URL}/{proposal['proposal_id']}"
        approved = (await client.post(f"{one}/approve", json={"note": "agreed"})).json()
        assert (approved["status"], approved["note"]) == ("approved", "agreed")
        assert (await client.post(f"{one}/approve")).json()["status"] == "approved"
        assert [e["note"] for e in await feedback.sent("definition.proposed") if "note" in e] == [
            "agreed"
        ]
        conflict = await client.post(f"{one}/dismiss")
        assert (conflict.status_code, conflict.json()["state"]) == (409, "approved")
        assert not await feedback.weigh()
        await feedback.read([published(2, {"size": 35}, proposal["proposal_id"])])
        now = (await client.get(one)).json()
        assert (now["status"], now["published_version"]) == ("published", 2)
        assert not await feedback.weigh()  # the new version has no answers of its own yet
        assert (await client.post(f"{URL}/nothing/approve")).status_code == 404


async def test_dismissed_until_there_is_half_as_much_again(callers: Callers) -> None:
    feedback = callers.feedback
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await feedback.weigh()
    async with await callers.client(Role.ADMIN) as client:
        (proposal,) = (await client.get(URL)).json()["items"]
        one = f"{URL}/{proposal['proposal_id']}"
        assert (await client.post(f"{one}/dismiss")).json()["status"] == "dismissed"
        await feedback.read(answers((28, 7), (23, 16)))
        assert not await feedback.weigh()
        await feedback.read(answers((0, 0), (1, 0)))
        assert await feedback.weigh()
        statuses = [p["status"] for p in (await client.get(URL)).json()["items"]]
        assert statuses == ["open", "dismissed"]
        page = (await client.get(URL, params={"limit": 1})).json()
        assert len(page["items"]) == 1
        rest = (await client.get(URL, params={"cursor": page["next_cursor"]})).json()["items"]
        assert [p["status"] for p in rest] == ["dismissed"]
        only = (await client.get(URL, params={"status": "dismissed"})).json()["items"]
        assert [p["proposal_id"] for p in only] == [proposal["proposal_id"]]


async def test_another_version_supersedes(callers: Callers) -> None:
    feedback = callers.feedback
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await feedback.weigh()
    await feedback.read([published(2)])
    async with await callers.client(Role.MARKETER) as client:
        (proposal,) = (await client.get(URL)).json()["items"]
        assert proposal["status"] == "superseded"
        answer = await client.post(f"{URL}/{proposal['proposal_id']}/approve")
        assert (answer.status_code, answer.json()["state"]) == (409, "superseded")
    async with await callers.client(Role.SERVICE) as client:
        answer = await client.post(f"{URL}/{proposal['proposal_id']}/approve")
        assert answer.status_code == 403


async def test_evidence_that_fades_withdraws(feedback: Feedback) -> None:
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await feedback.weigh()
    await feedback.read(answers((10, 40), (30, 10)))
    assert await feedback.weigh()
    assert {p["status"] for p in await feedback.proposals()} >= {"withdrawn"}


async def test_the_timer_looks_only_when_there_is_something_new(feedback: Feedback) -> None:
    """On PostgreSQL another process may have written it: that shows within ten seconds."""
    weighing = Weighing(feedback.transactions, 20)
    looks = count_reads(feedback.db)
    await weighing.run()
    assert looks == ["evidence"]
    del looks[:]
    weighing._look_at = time.monotonic() + 60
    await weighing.run()
    assert looks == []
    feedback.transactions._make = partial(Unit, heard=weighing.heard)
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await weighing.run()
    await weighing.run()
    assert looks == ["evidence"]
    assert len(await feedback.proposals()) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_timer_sees_what_another_process_wrote(feedback: Feedback) -> None:
    weighing = Weighing(feedback.transactions, 20)
    await weighing.run()
    await weighing.run()
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await weighing.run()
    assert await feedback.proposals() == []
    weighing._look_at = 0
    await weighing.run()
    assert len(await feedback.proposals()) == 1


def count_reads(db: Database) -> list[str]:
    """Notes every look at the database from here on."""
    looks: list[str] = []
    read = db.read

    async def counted(work: Callable[[Connection], Any]) -> Any:
        looks.append("evidence" if work is not queries.progress else "progress")
        return await read(work)

    db.read = counted  # type: ignore[method-assign]
    return looks


async def test_two_who_answer_at_once_and_a_timer(callers: Callers) -> None:
    """One of them decides; the other is told."""
    feedback = callers.feedback
    await feedback.read([published(), *answers((56, 14), (48, 32))])
    await asyncio.gather(*(feedback.weigh() for _ in range(3)))
    (proposal,) = await feedback.proposals()
    one = f"{URL}/{proposal['proposal_id']}"
    async with await callers.client(Role.MARKETER) as client:
        results: list[httpx.Response] = await asyncio.gather(
            client.post(f"{one}/approve"), client.post(f"{one}/dismiss"), _weighed(feedback)
        )
        assert sorted(r.status_code for r in results[:2]) == [200, 409]
    (proposal,) = await feedback.proposals()
    assert proposal["status"] in ("approved", "dismissed")


async def _weighed(feedback: Feedback) -> httpx.Response:
    await feedback.weigh()
    return httpx.Response(200)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_definition_of_a_later_time_wins_in_any_order(feedback: Feedback) -> None:
    await feedback.read([published(2), published(1)])
    version = await feedback.ask(queries.version_in_force)
    assert version is not None
    assert version.version == 2
