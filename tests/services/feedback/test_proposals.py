"""The life of a proposal: what a look makes of it, what people do, and a way out of every state."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.feedback.domain.proposals import Status
from services.feedback.store import queries
from shared.access import Role
from shared.contracts.events import DefinitionChallenging, DefinitionRetired, ProposalRefused
from tests.services.feedback.conftest import Callers
from tests.services.feedback.lives import (
    START,
    Feedback,
    definition_of,
    event_of,
    found,
    published,
    suggestion,
)

URL = "/feedback/v1/proposals"
AT = START + timedelta(hours=20)


@pytest_asyncio.fixture
async def client(callers: Callers) -> AsyncIterator[httpx.AsyncClient]:
    await callers.feedback.read([published()])
    async with await callers.client(Role.MARKETER) as made:
        yield made


async def proposed(feedback: Feedback, **values: Any) -> str:
    """The address of an open proposal."""
    assert await feedback.look(found(**values)) == "proposed"
    return f"{URL}/{(await feedback.proposals())[0]['proposal_id']}"


def challenging(version: int, proposal_id: str) -> Any:
    definition = published(version).data.definition
    data = DefinitionChallenging(
        definition=definition, proposal_id=proposal_id, challenging_since=AT
    )
    return event_of(data, AT)


def retired(version: int) -> Any:
    return event_of(DefinitionRetired(version=version, retired_at=AT), AT)


def refused(proposal_id: str) -> Any:
    data = ProposalRefused(proposal_id=proposal_id, reason="there is a challenger", refused_at=AT)
    return event_of(data, AT)


async def test_a_look_makes_a_proposal(callers: Callers, client: httpx.AsyncClient) -> None:
    one = await proposed(callers.feedback)
    proposal = (await client.get(one)).json()
    assert proposal["status"] == "open"
    assert proposal["base_version"] == 1
    assert proposal["definition"] == definition_of({"size": 40, "title": 20})
    assert proposal["changes"][0]["what"] == "Criterion size: points"
    assert proposal["evidence"]["after"]["precision"]["estimate"] == 0.7
    assert proposal["follow_up"] is None
    (event,) = await callers.feedback.sent("definition.proposed")
    assert event["definition"] == proposal["definition"]
    assert event["proposal_id"] == proposal["proposal_id"]


async def test_a_new_look_refreshes_replaces_or_withdraws(feedback: Feedback) -> None:
    await feedback.read([published()])
    await proposed(feedback)
    assert await feedback.look(found(answers=190, suggestion=suggestion(leads=9))) == "refreshed"
    (one,) = await feedback.proposals()
    assert (one["answers"], one["evidence"]["leads"]) == (190, 9)
    other = found(suggestion=suggestion({"size": 10, "title": 50}))
    assert await feedback.look(other) == "proposed"
    assert [p["status"] for p in await feedback.proposals()] == ["open", "superseded"]
    early = found(suggestion=None, missing="Too early.", looked=False)
    assert await feedback.look(early) == "nothing"
    unsure = found(suggestion=None, missing="It may be chance.", still_better=True)
    assert await feedback.look(unsure) == "nothing", "a stricter look takes nothing back"
    gone = found(suggestion=None, missing="Nothing does better.")
    assert await feedback.look(gone) == "withdrawn"
    newest = (await feedback.proposals())[0]
    assert (newest["status"], newest["note"]) == ("withdrawn", "Nothing does better.")
    assert len(await feedback.sent("definition.proposed")) == 2


async def test_edit(callers: Callers, client: httpx.AsyncClient) -> None:
    one = await proposed(callers.feedback)
    document = definition_of({"size": 40, "country": 25})
    edited = (await client.put(one, json={"definition": document})).json()
    assert edited["definition"] == document
    assert edited["edited_by"] is not None
    assert {c["what"]: c["why"] for c in edited["changes"]} == {
        "Criterion size: points": "accepted more often",
        "Criterion title": "",
        "Criterion country": "",
    }
    assert await callers.feedback.look(found(suggestion=None, missing="none")) == "nothing"
    assert (await client.get(one)).json()["status"] == "open"
    await client.post(f"{one}/approve")
    (_, event) = await callers.feedback.sent("definition.proposed")
    assert event["definition"] == document
    assert (await client.put(one, json={"definition": document})).status_code == 409


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"threshold": 999}, "/definition/threshold"),
        ({"threshold": "much"}, "/definition/threshold"),
        ({"criteria": []}, "/definition/criteria"),
        ({"treshold": 40}, "/definition/treshold"),
        (
            {
                "criteria": [
                    {
                        "id": "mail",
                        "group": "fit",
                        "field": "email",
                        "operator": "is_present",
                        "points": 50,
                    }
                ]
            },
            "/definition/criteria/0/field",
        ),
        (definition_of({"size": 30, "title": 20}), "/definition"),
    ],
    ids=["out of reach", "no number", "empty", "misspelt", "personal", "unchanged"],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_edit_that_can_not_score_is_refused_with_pointers(
    callers: Callers, client: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    one = await proposed(callers.feedback)
    body = {"definition": {**definition_of({"size": 40, "title": 20}), **change}}
    answer = await client.put(one, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(one)).json()["edited_at"] is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_approval_is_validated_before_it_is_answered(
    callers: Callers, client: httpx.AsyncClient
) -> None:
    broken = suggestion()
    document = {**broken.definition, "threshold": 999}
    one = await proposed(
        callers.feedback, suggestion=type(broken)(document, broken.changes, broken.evidence)
    )
    answer = await client.post(f"{one}/approve")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (
        422,
        "/definition/threshold",
    )
    assert (await client.get(one)).json()["status"] == "open"
    assert len(await callers.feedback.sent("definition.proposed")) == 1


async def test_approve_and_publish(callers: Callers, client: httpx.AsyncClient) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    proposal_id = one.rpartition("/")[2]
    approved = (await client.post(f"{one}/approve", json={"note": "agreed"})).json()
    assert (approved["status"], approved["note"]) == ("approved", "agreed")
    assert (await client.post(f"{one}/approve")).json()["status"] == "approved"
    (_, event) = await feedback.sent("definition.proposed")
    assert (event["note"], event["publish_as"]) == ("agreed", "published")
    assert event["approved_by"]
    other = await client.post(f"{one}/approve", json={"publish_as": "challenger"})
    assert (other.status_code, other.json()["state"]) == (409, "approved")
    assert (await client.post(f"{one}/dismiss", json={"note": "no"})).status_code == 409
    await feedback.read([published(2, {"size": 40, "title": 20}, proposal_id), retired(1)])
    now = (await client.get(one)).json()
    assert (now["status"], now["published_version"]) == ("published", 2)
    assert now["published_at"] == "2026-11-02T11:00:00Z"
    assert (await client.post(f"{URL}/nothing/approve")).status_code == 404


async def test_a_refused_approval_is_open_again(
    callers: Callers, client: httpx.AsyncClient
) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    await client.post(f"{one}/approve")
    await feedback.read([refused(one.rpartition("/")[2])])
    now = (await client.get(one)).json()
    assert (now["status"], now["refusal"]) == ("open", "there is a challenger")
    assert (await client.post(f"{one}/approve")).json()["refusal"] is None
    await feedback.read([refused(one.rpartition("/")[2])])
    dismissed = (await client.post(f"{one}/dismiss", json={"note": "no"})).json()
    assert (dismissed["status"], dismissed["note"]) == ("dismissed", "no")
    await feedback.read([refused(one.rpartition("/")[2])])
    assert (await client.get(one)).json()["status"] == "dismissed"


async def test_an_approval_that_led_to_nothing_may_be_taken_back(
    callers: Callers, client: httpx.AsyncClient
) -> None:
    """An event that became a dead letter at qualify must not end learning."""
    one = await proposed(callers.feedback)
    await client.post(f"{one}/approve")
    assert (await client.post(f"{one}/dismiss", json={"note": "no"})).status_code == 409
    callers.feedback.clock.advance(timedelta(minutes=11))
    assert (await client.post(f"{one}/dismiss", json={"note": "no"})).json()[
        "status"
    ] == "dismissed"
    other = found(suggestion=suggestion({"size": 10, "title": 50}))
    assert await callers.feedback.look(other) == "proposed"


async def test_as_challenger_promoted(callers: Callers, client: httpx.AsyncClient) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    proposal_id = one.rpartition("/")[2]
    await client.post(f"{one}/approve", json={"publish_as": "challenger"})
    await feedback.read([challenging(2, proposal_id)])
    now = (await client.get(one)).json()
    assert (now["status"], now["published_version"]) == ("challenger", 2)
    assert now["published_at"] is None
    in_force = await feedback.ask(queries.version_in_force)
    assert in_force is not None
    assert in_force.version == 1
    assert await feedback.look(found()) == "nothing"  # the same is being tried
    await feedback.read([published(2)])  # promoted: the event may not name the proposal
    assert (await client.get(one)).json()["status"] == "published"


async def test_as_challenger_dropped(callers: Callers, client: httpx.AsyncClient) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    await client.post(f"{one}/approve", json={"publish_as": "challenger"})
    await feedback.read([challenging(2, one.rpartition("/")[2]), retired(2)])
    assert (await client.get(one)).json()["status"] == "dropped"
    assert await feedback.look(found(answers=224)) == "nothing"
    assert await feedback.look(found(answers=225)) == "proposed"


async def test_dismissed_until_there_is_half_as_much_again(
    callers: Callers, client: httpx.AsyncClient
) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    assert (await client.post(f"{one}/dismiss", json={"note": "no"})).json()[
        "status"
    ] == "dismissed"
    assert (await client.post(f"{one}/dismiss", json={"note": "no"})).json()[
        "status"
    ] == "dismissed"
    assert await feedback.look(found(answers=224)) == "nothing"
    louder = found(answers=224, suggestion=suggestion({"size": 45, "title": 20}))
    assert await feedback.look(louder) == "nothing"
    status = (await client.get("/feedback/v1/learning")).json()
    assert "it comes back with 225" in status["last_look"]["why"]
    opposite = found(answers=200, suggestion=suggestion({"size": 10, "title": 20}))
    assert await feedback.look(opposite) == "proposed"
    assert await feedback.look(found(answers=225)) == "proposed"
    statuses = [p["status"] for p in (await client.get(URL)).json()["items"]]
    assert statuses == ["open", "superseded", "dismissed"]
    page = (await client.get(URL, params={"limit": 1})).json()
    rest = (await client.get(URL, params={"cursor": page["next_cursor"]})).json()["items"]
    assert [p["status"] for p in rest] == ["superseded", "dismissed"]
    only = (await client.get(URL, params={"status": "dismissed"})).json()["items"]
    assert [f"{URL}/{p['proposal_id']}" for p in only] == [one]


@pytest.mark.parametrize("approved", [False, True])
async def test_another_version_supersedes(
    callers: Callers, client: httpx.AsyncClient, approved: bool
) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    if approved:
        await client.post(f"{one}/approve")
    await feedback.read([published(2)])
    answer = await client.post(f"{one}/approve")
    assert (answer.status_code, answer.json()["state"]) == (409, "superseded")
    assert await feedback.look(found(version=2)) == "proposed"
    if approved:  # qualify did make it after all
        await feedback.read([published(3, proposal_id=one.rpartition("/")[2])])
        assert (await client.get(one)).json()["status"] == "published"
    async with await callers.client(Role.SERVICE) as service:
        assert (await service.post(f"{one}/approve")).status_code == 403


async def test_a_rollback_brings_the_proposal_back_that_nobody_answered(
    callers: Callers, client: httpx.AsyncClient
) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    await feedback.read([published(2)])
    assert (await client.get(one)).json()["status"] == "superseded"
    back = published(1).data.model_copy(update={"published_at": AT})
    await feedback.read([event_of(back, AT)])
    now = (await client.get(one)).json()
    assert (now["status"], now["resolved_at"]) == ("open", None)
    await client.post(f"{one}/dismiss", json={"note": "no"})
    later = AT + timedelta(hours=1)
    for version, at in ((2, later), (1, later + timedelta(hours=1))):
        again = published(version).data.model_copy(update={"published_at": at})
        await feedback.read([event_of(again, at)])
    assert (await client.get(one)).json()["status"] == "dismissed"


async def test_who_answers_a_document_that_has_changed_is_told_so(
    callers: Callers, client: httpx.AsyncClient
) -> None:
    one = await proposed(callers.feedback)
    read = (await client.get(one)).headers["etag"]
    document = {**definition_of({"size": 40, "country": 25}), "note": "Learned: AUC 0.8"}
    sent = {"definition": document}
    edited = await client.put(one, json=sent, headers={"If-Match": read})
    assert edited.status_code == 200
    assert edited.headers["etag"] != read
    assert edited.json()["definition"]["note"] == "Learned: AUC 0.8"
    late = {"headers": {"If-Match": read}}
    for answer in (
        await client.put(one, json=sent, **late),
        await client.post(f"{one}/approve", json={}, **late),
        await client.post(f"{one}/dismiss", json={"note": "no"}, **late),
    ):
        assert (answer.status_code, answer.json()["etag"]) == (412, edited.headers["etag"])
    assert (await client.get(one)).json()["status"] == "open"
    sent["definition"]["threshold"] = 30
    again = await client.put(one, json=sent, headers={"If-Match": edited.headers["etag"]})
    assert again.json()["definition"]["note"] == (
        "Learned: AUC 0.8 Edited by hand since: these figures are those of the document before."
    )
    now = again.headers["etag"]
    done = await client.post(f"{one}/dismiss", json={"note": "no"}, headers={"If-Match": now})
    assert done.json()["status"] == "dismissed"


async def test_a_dismissal_needs_a_reason(callers: Callers, client: httpx.AsyncClient) -> None:
    one = await proposed(callers.feedback)
    for body in (None, {}, {"note": "  "}):
        answer = await client.post(f"{one}/dismiss", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/note"
    assert (await client.get(one)).json()["status"] == "open"


async def test_after_a_rollback_learning_goes_on(
    callers: Callers, client: httpx.AsyncClient
) -> None:
    feedback, one = callers.feedback, await proposed(callers.feedback)
    await client.post(f"{one}/approve")
    await feedback.read([published(2, {"size": 40, "title": 20}, one.rpartition("/")[2])])
    again = published(1)
    back = again.data.model_copy(update={"published_at": AT})
    await feedback.read([event_of(back, AT)])
    in_force = await feedback.ask(queries.version_in_force)
    assert in_force is not None
    assert in_force.version == 1
    # What was taken back is not proposed again at once; something else is, or more evidence.
    assert await feedback.look(found(answers=200)) == "nothing"
    assert await feedback.look(found(answers=300)) == "proposed"
    assert (await client.get(one)).json()["status"] == "published"


async def test_a_look_at_a_version_that_is_gone_proposes_nothing(feedback: Feedback) -> None:
    await feedback.read([published(), published(2)])
    assert await feedback.look(found(version=1)) == "outdated"
    assert await feedback.proposals() == []
    schedule = await feedback.ask(queries.schedule)
    assert schedule.asked_at is not None


async def test_two_who_answer_at_once(callers: Callers, client: httpx.AsyncClient) -> None:
    """One of them decides; the other is told."""
    one = await proposed(callers.feedback)
    results = await asyncio.gather(
        client.post(f"{one}/approve"), client.post(f"{one}/dismiss", json={"note": "no"})
    )
    assert sorted(answer.status_code for answer in results) == [200, 409]
    assert (await client.get(one)).json()["status"] in ("approved", "dismissed")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_definition_of_a_later_time_wins_in_any_order(feedback: Feedback) -> None:
    await feedback.read([published(2), published(1)])
    version = await feedback.ask(queries.version_in_force)
    assert version is not None
    assert version.version == 2


def test_every_state_has_a_name_here() -> None:
    """A new state needs a test of its way out."""
    assert {status.value for status in Status} == {
        *("open", "approved", "challenger", "published"),
        *("dropped", "dismissed", "superseded", "withdrawn"),
    }
