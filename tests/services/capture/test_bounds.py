"""What a lead may gather is bounded, whatever is sent to a form."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from services.capture.store.catalogue import MAX_SEEN
from shared.contracts.events import ActivityRecorded, ContactUpdated, LeadCaptured
from tests.services.capture.conftest import LEADS, Capture

EMAIL = "ada@example.com"
MINUTE = timedelta(minutes=1)
MAX_EVENT = 256 * 1024
"""A quarter of what a broker usually takes in one message."""


def largest(events: list[Any]) -> int:
    return max(len(event.value()) for event in events)


async def test_two_dozen_posts_of_new_fields_make_no_event_that_the_broker_refuses(
    capture: Capture,
) -> None:
    """24 posts of one e-mail with 75 new undeclared fields each made an event over 1 MB, behind
    which the relay stood still."""
    for post in range(24):
        fields = {f"post {post} field {number}": "x" * 780 for number in range(75)}
        answer = await capture.post({"email": EMAIL, "fields": fields})
        assert answer.status_code == 202, answer.text
    events = await capture.events()
    assert largest(events) < MAX_EVENT
    contact = [event.data for event in events if isinstance(event.data, ContactUpdated)][-1]
    newest = [f"post 23 field {number}" for number in range(75)]
    assert set(newest) <= contact.fields.keys()  # the oldest give way, not the newest
    assert len(contact.fields) == 100
    assert all(name.startswith(("post 22", "post 23")) for name in contact.fields)
    lead = (await capture.client.get(f"{LEADS}/{contact.lead_id}")).json()
    assert lead["contact"]["fields"] == contact.fields
    assert lead["fields_dropped"] == 24 * 75 - 100


async def test_a_field_given_again_is_as_new_as_the_others(capture: Capture) -> None:
    answer = await capture.post({"email": EMAIL, "fields": {"first": 1, "z": 2}})
    many = {f"field {number:02}": "x" for number in range(98)}
    await capture.post({"email": EMAIL, "fields": many})
    await capture.post({"email": EMAIL, "fields": {"first": 3, "one more": 4}})
    lead = (await capture.client.get(f"{LEADS}/{answer.json()['lead_id']}")).json()
    assert lead["fields_dropped"] == 1
    assert lead["contact"]["fields"].keys() == {*many, "first", "one more"}
    assert lead["contact"]["fields"]["first"] == 3


@pytest.mark.parametrize("kind", ["personal", "fact"])
async def test_declared_fields_are_bounded_by_what_they_take(capture: Capture, kind: str) -> None:
    names = [f"declared {number:03}" for number in range(180)]
    declared = [{"name": name, "type": "text", "kind": kind} for name in names]
    await capture.client.put("/capture/v1/fields", json={"items": declared})
    await capture.post({"email": EMAIL, "fields": {"undeclared": "x"}})
    for start in range(0, len(names), 12):
        fields = dict.fromkeys(names[start : start + 12], "ü" * 2500)
        answer = await capture.post({"email": EMAIL, "fields": fields})
        assert answer.status_code == 202, answer.text
    events = await capture.events()
    assert largest(events) < MAX_EVENT
    lead = (await capture.client.get(f"{LEADS}/{answer.json()['lead_id']}")).json()
    kept = lead["contact"].get("fields", {}).keys() | {
        name.removeprefix("fields.") for name in lead["facts"] if name.startswith("fields.")
    }
    assert kept == set(names[-len(kept) :])  # the undeclared one went first, then the oldest
    assert len(kept) > 20
    assert lead["fields_dropped"] == len(names) + 1 - len(kept)
    # A fact that nothing was taken from is no news about the contact.
    told = [type(event.data) for event in events]
    assert told.count(ContactUpdated) == (2 if kind == "fact" else 16)
    assert told.count(LeadCaptured) == 1
    assert told.count(ActivityRecorded) == 15


async def test_one_submission_has_room_however_it_grows_as_json(capture: Capture) -> None:
    """64 KB of quotation marks in a form are 128 KB as JSON."""
    await capture.post({"email": EMAIL, "fields": {"old": "x" * 5000}})
    form = "email=ada%40example.com&" + "&".join(f"f{n}=" + '"' * 4900 for n in range(13))
    answer = await capture.client.post(
        LEADS, content=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 202, answer.text
    lead = (await capture.client.get(f"{LEADS}/{answer.json()['lead_id']}")).json()
    assert {f"f{n}" for n in range(13)} <= lead["contact"]["fields"].keys()
    assert len(orjson.dumps(lead["contact"])) < MAX_EVENT


async def test_a_lead_keeps_the_newest_consents(capture: Capture) -> None:
    for post in range(6):
        consent = [{"purpose": f"p{post}.{n}", "granted": True, "text": "t"} for n in range(10)]
        answer = await capture.post({"email": EMAIL, "consent": consent})
        capture.clock.advance(MINUTE)
    lead = (await capture.client.get(f"{LEADS}/{answer.json()['lead_id']}")).json()
    assert {one["purpose"] for one in lead["consent"]} == {
        f"p{post}.{n}" for post in range(1, 6) for n in range(10)
    }
    assert lead["consents_dropped"] == 10


async def test_names_that_one_batch_makes_up_do_not_fill_the_list(capture: Capture) -> None:
    for post in range(12):
        await capture.post({"email": EMAIL, "fields": {f"n {post} {n}": 1 for n in range(100)}})
    seen = (await capture.client.get("/capture/v1/fields")).json()["seen"]
    assert len(seen) == MAX_SEEN
