"""Personal data: in ContactUpdated and in no other event; and no JSON brings the service down."""

import logging
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.access import Access
from shared.contracts.events import ContactUpdated
from tests.services.capture.conftest import LEADS, Capture, running

CANARIES = {
    "email": "canary-mail@example.com",
    "phone": "+442079460018",
    "first_name": "CanaryFirst",
    "last_name": "CanaryLast",
    "website": "https://canary-site.example/CanaryPath",
    "message": "CanaryMessage",
    "page_url": "https://example.com/p/canary-mail@example.com?name=CanaryQuery",
    "referrer": "https://CanaryUser:CanaryPass@example.org/?q=CanaryQuery",
    "utm_term": "canary-mail@example.com",
    "fields": {"undeclared": "CanaryField", "diary": "CanaryDiary"},
    "consent": {"purpose": "marketing", "granted": True, "text": "CanaryText"},
}
TRACES = ("canary", "442079460018", "79460018")


async def test_personal_data_travels_in_the_contact_alone(
    capture: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    diary = {"items": [{"name": "diary", "kind": "personal"}]}
    await capture.client.put("/capture/v1/fields", json=diary)
    await capture.post(CANARIES)
    await capture.post({**CANARIES, "message": "CanaryAgain"})
    await capture.client.post(
        "/capture/v1/activities", json={"email": CANARIES["email"], "kind": "page_viewed"}
    )
    odd = {"employees": "CanaryCount", "country": "CanaryLand"}
    refused = await capture.post({**CANARIES, **odd, "form_id": "../CanaryForm"})
    assert refused.status_code == 422
    assert "canary" not in refused.text.lower()
    events = await capture.events()
    assert len(events) == 5
    assert (await capture.post({**CANARIES, **odd})).status_code == 202
    events = await capture.events()
    for event in events:
        text = orjson.dumps(event.json()).decode().lower()
        has_traces = any(trace in text for trace in TRACES)
        assert has_traces == isinstance(event.data, ContactUpdated), text
    capture_logs = "\n".join(r.getMessage() for r in caplog.records if "sql" not in r.name).lower()
    assert not any(trace in capture_logs for trace in TRACES)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    ["email", "phone", "first_name", "country", "employees", "website", "message", "form_id",
     "page_url", "referrer", "utm_source", "consent", "fields", "x"]
)  # fmt: skip
leads = anything | st.dictionaries(names, anything | st.just("a@example.com"), max_size=6)


async def test_no_json_makes_the_service_fail(tmp_path: Path, access: Access) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    async with running(f"sqlite:{tmp_path}", access) as capture:

        async def post(body: bytes) -> int:
            answer = await capture.client.post(
                LEADS, content=body, headers={"Content-Type": "application/json"}
            )
            return answer.status_code

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(leads)
        def any_lead(lead: Any) -> None:
            # The same JSON as a lax encoder writes it: NaN, lone surrogates and all.
            import json

            body = json.dumps(lead).encode()
            future = asyncio.run_coroutine_threadsafe(post(body), loop)
            assert future.result(30) in (202, 400, 422)

        await asyncio.to_thread(any_lead)
