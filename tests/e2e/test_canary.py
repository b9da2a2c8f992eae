"""Personal data stays where the design puts it: in ``lead.contact``, and in no log."""

import asyncio
import json
import sqlite3
import uuid
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from shared.contracts.topics import SERVICES, TOPICS
from tests.e2e.conftest import Product, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CONTACT = "lead.contact"


async def _kafka_messages(bootstrap: str) -> dict[str, list[bytes]]:
    """Everything on the broker, by topic: keys, values and headers as they lie there."""
    found: dict[str, list[bytes]] = defaultdict(list)
    consumer = AIOKafkaConsumer(
        *TOPICS, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    headers = b"".join(key.encode() + value for key, value in record.headers)
                    found[place.topic].append((record.key or b"") + (record.value or b"") + headers)
    finally:
        await consumer.stop()
    return found


def _local_messages(data: Path) -> dict[str, list[bytes]]:
    """Everything in the outboxes, which are the embedded log."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for service in SERVICES:
        with closing(sqlite3.connect(f"file:{data / service}.db?mode=ro", uri=True)) as conn:
            conn.execute("PRAGMA query_only=ON")
            for topic, *rest in conn.execute(
                "SELECT topic, key, event_id, event_type, traceparent, value FROM outbox"
            ):
                found[topic].append("".join(text or "" for text in rest).encode())
    return found


def topics_of(product: Product) -> dict[str, list[bytes]]:
    broker = product.environment["LEADLOOP_BROKER_URL"]
    if broker.startswith("kafka://"):
        return asyncio.run(_kafka_messages(broker.removeprefix("kafka://")))
    return _local_messages(Path(product.environment["LEADLOOP_DATA"]))


def logs_of(product: Product) -> str:
    return "".join(log.read_text(errors="replace") for log in product.logs)


def test_personal_data_is_in_lead_contact_alone(product: Product) -> None:
    mark = uuid.uuid4().hex[:10]
    canaries = {
        "email": f"canary-mail-{mark}@birdcage-works.example",
        "first_name": f"CanaryFirst{mark}",
        "last_name": f"CanaryLast{mark}",
        "message": f"canary-message-{mark}",
        "phone": "+49 30 55512345",
        "website": f"https://canary-site-{mark}.example/",
    }
    form = {
        **canaries,
        "company": "Birdcage Works",
        "job_title": "VP Sales",
        "employees": 200,
        "country": "DE",
        "page_url": f"https://shop.example/contact?mail=canary-query-{mark}#canary-part-{mark}",
        "referrer": f"https://search.example/?q=canary-referrer-{mark}",
        "consent": {"purpose": "sales", "granted": True, "text": f"canary-consent-{mark}"},
        "fields": {"shoe_size": f"canary-field-{mark}"},
    }
    lead_id = product.post("/capture/v1/leads", form)["lead_id"]
    product.post("/capture/v1/leads", form)
    bad = {**form, "email": f"canary-bad-{mark}@@nowhere", "employees": "many"}
    assert product.call("POST", "/capture/v1/leads", json=bad).status_code == 422
    product.call("POST", "/capture/v1/leads", content=f'{{"email": "canary-cut-{mark}')

    def owner() -> dict[str, str] | None:
        items = product.get(f"/routing/v1/assignments?lead_id={lead_id}")["items"]
        return items[0] if items else None

    path = f"/routing/v1/assignments/{eventually(owner, 'an owner')['assignment_id']}"
    note = {"reason": "OUTSIDE_ICP", "note": f"canary-note-{mark}"}
    product.post(f"{path}/reject", note)

    def stage() -> str | None:
        found: str | None = product.call("GET", f"/feedback/v1/leads/{lead_id}").json().get("stage")
        return found

    eventually(lambda: stage() == "NURTURE", "the end")

    # What identifies a person, in the forms it may have been brought to on the way.
    traces = [mark.encode(), mark.upper().encode(), b"55512345", b"@canary"]
    messages = topics_of(product)
    assert any(mark.encode() in m for m in messages[CONTACT]), "the canaries did fly"
    assert {"lead.captured", "lead.qualification", "lead.handoff", "lead.feedback"} <= set(messages)
    for topic, contents in messages.items():
        if topic != CONTACT:
            for content in contents:
                for trace in traces:
                    assert trace not in content, f"{trace!r} in {topic}"
    logs = logs_of(product)
    assert logs
    for trace in traces:
        assert trace.decode() not in logs, f"{trace!r} in a log"


def test_errors_repeat_nothing_of_what_was_sent(product: Product) -> None:
    mark = uuid.uuid4().hex[:10]
    refused: tuple[Any, ...] = (
        {"email": f"canary-{mark}@@nowhere"},
        {"email": {"a": f"canary-{mark}"}},
        {"phone": f"canary-{mark}"},
        [f"canary-{mark}"],
    )
    odd: tuple[Any, ...] = (  # taken, and named as unread
        {"email": f"a@b{mark}.example", "employees": [f"canary-{mark}"]},
        {"email": f"a@b{mark}.example", "form_id": f"../canary-{mark}"},
    )
    for body in (*refused, *odd):
        response = product.call("POST", "/capture/v1/leads", json=body)
        assert response.status_code in (400, 422) or body in odd
        assert mark not in json.dumps(response.json())
