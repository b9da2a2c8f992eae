"""POST /capture/v1/activities."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.access import Role
from tests.services.capture.conftest import NOW, Capture, Start

PATH = "/capture/v1/activities"


async def test_an_activity_of_a_known_lead_carries_its_facts(capture: Capture) -> None:
    lead_id = (await capture.post({"email": "ada@example.com", "company": "A"})).json()["lead_id"]
    for who in ({"lead_id": lead_id}, {"email": "ADA@example.com"}):
        answer = await capture.client.post(
            PATH, json={**who, "kind": "page_viewed", "occurred_at": "2020-01-01T00:00:00+01:00"}
        )
        assert answer.status_code == 202
        assert answer.json()["lead_id"] == lead_id
        activity = (await capture.events())[-1].data
        assert activity.kind == "page_viewed"
        assert activity.occurred_at.isoformat() == "2019-12-31T23:00:00+00:00"
        assert activity.facts["company"] == "A"
        assert activity.facts["touches"] == 1
    lead = (await capture.client.get(f"/capture/v1/leads/{lead_id}")).json()
    assert [a["kind"] for a in lead["activities"]] == ["page_viewed", "page_viewed"]


async def test_an_idempotency_key_records_it_once(capture: Capture) -> None:
    await capture.post({"email": "ada@example.com"})
    body = {"email": "ada@example.com", "kind": "email_clicked"}
    key = {"Idempotency-Key": "click-1"}
    first = await capture.client.post(PATH, json=body, headers=key)
    again = await capture.client.post(PATH, json=body, headers=key)
    assert first.json() == again.json()
    assert len(await capture.events()) == 3
    other = await capture.client.post(PATH, json={**body, "kind": "other"}, headers=key)
    assert other.status_code == 422


async def test_one_key_at_once_for_two_leads_records_one_activity(
    capture: Capture, start: Start
) -> None:
    """In two processes: the leads' locks don't keep these requests apart."""
    other, people = await start(), [f"p{n}@example.com" for n in range(8)]
    for email in people:
        await capture.post({"email": email})
    for attempt in range(5):
        answers = await asyncio.gather(
            *(
                process.client.post(
                    PATH,
                    json={"email": email, "kind": "page_viewed"},
                    headers={"Idempotency-Key": f"same-{attempt}", **capture.bearer(Role.ADMIN)},
                )
                for email, process in zip(people, [capture, other] * 4, strict=True)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [202] + [422] * 7


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "x"}, 422),
        ({"email": "nobody@example.com", "kind": "x"}, 404),
        ({"lead_id": "nobody", "kind": "x"}, 404),
        ({"email": "ada@example.com"}, 422),
        ({"email": "ada@example.com", "kind": "Not A Kind"}, 422),
        ({"email": "ada@example.com", "kind": "fields_read"}, 422),
        ({"email": "no address", "kind": "x"}, 422),
        ({"email": "ada@example.com", "kind": "x", "occurred_at": "yesterday"}, 422),
        ({"email": "ada@example.com", "kind": "x", "occurred_at": "2026-01-01T00:00:00"}, 422),
        (
            {"email": "ada@example.com", "kind": "x", "occurred_at": "0001-01-01T00:00:00+12:00"},
            422,
        ),
        (
            {"email": "ada@example.com", "kind": "x", "occurred_at": "9999-12-31T23:59:59-12:00"},
            422,
        ),
        (
            {
                "email": "ada@example.com",
                "kind": "x",
                "occurred_at": (NOW + timedelta(minutes=5)).isoformat(),
            },
            422,
        ),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_refused(capture: Capture, body: dict[str, Any], status: int) -> None:
    await capture.post({"email": "ada@example.com"})
    answer = await capture.client.post(PATH, json=body)
    assert answer.status_code == status, answer.text
    assert len(await capture.events()) == 2


async def test_a_form_key_records_no_activities(capture: Capture) -> None:
    answer = await capture.client.post(
        PATH, json={"email": "a@example.com", "kind": "x"}, headers=capture.bearer(Role.FORM)
    )
    assert answer.status_code == 403
