"""The built service on a real bus: consumer, timers and what leaves it, together."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from services.feedback.service import MIGRATIONS, NAME, build
from services.feedback.settings import Settings
from shared.access import Access
from shared.bus.api import Bus, Message, Received, Subscription, TopicPartition
from shared.bus.kafka import KafkaBus
from shared.bus.local import LocalBus
from shared.contracts.envelope import Event
from shared.contracts.topics import SERVICES, TOPICS
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import migrate, pending
from shared.db.tables import runtime_metadata
from shared.runtime.clock import SystemClock
from shared.runtime.service import Infra
from shared.scorecard.definition import compile_definition
from shared.web.links import Links
from tests.services.feedback.lives import START, learnable, published


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.05)


async def publish(bus: Bus, databases: dict[str, Database], events: Sequence[Event[Any]]) -> None:
    """Events as the transactions of other services leave them to the bus."""
    if isinstance(bus, KafkaBus):
        await bus.publish(
            [Message(e.data.topic, e.data.key(), e.value(), e.headers()) for e in events]
        )
        return
    assert isinstance(bus, LocalBus)
    for name, db in databases.items():
        mine = [event for event in events if TOPICS[event.data.topic].owner == name]
        rows = await db.write(lambda conn: outbox.add(conn, name, mine, START))  # noqa: B023
        bus.committed(name, rows)


async def from_the_beginning(_: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    return {}


async def read_until(subscription: Subscription, enough: int) -> list[Received]:
    got: list[Received] = []
    async with asyncio.timeout(60):
        while len(got) < enough:
            got += await subscription.poll(500, 0.5)
    return got


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["local", "kafka"])
async def test_answers_in_a_proposal_and_feedback_out(
    kind: str, database_url: str, request: pytest.FixtureRequest
) -> None:
    async with AsyncExitStack() as stack:
        databases = {name: Database.open(database_url, name) for name in SERVICES}
        for name, db in databases.items():
            stack.callback(db.close)
            if name != NAME:
                await db.write(runtime_metadata.create_all)
        migrate(databases[NAME], MIGRATIONS)
        assert pending(databases[NAME], MIGRATIONS) == []
        bus: Bus = LocalBus(databases.__getitem__)
        if kind == "kafka":
            bus = KafkaBus(request.getfixturevalue("kafka"), f"t{uuid.uuid4().hex[:12]}.")
        await bus.start()
        stack.push_async_callback(bus.stop)
        await bus.create_topics()
        access = await stack.enter_async_context(Access.open(database_url))
        infra = Infra(databases[NAME], bus, access, SystemClock(), Links())
        service = build(Settings(learning_seconds=0.05), infra)
        for part in service.parts:
            await part.start()
            stack.push_async_callback(part.stop)
        await publish(
            bus, databases, [published(), *learnable(240, datetime.now(UTC) - timedelta(days=60))]
        )
        marketing = await bus.subscribe("marketing", ["lead.feedback"], from_the_beginning)
        stack.push_async_callback(marketing.close)
        feedback = await read_until(marketing, 240)
        assert {m.headers["ce_type"] for m in feedback} == {"leadloop.feedback.recorded.v1"}
        qualify = await bus.subscribe("qualify", ["definition.proposed"], from_the_beginning)
        stack.push_async_callback(qualify.close)
        (proposed,) = await read_until(qualify, 1)
        assert proposed.headers["ce_type"] == "leadloop.definition.proposed.v2"
        data = orjson.loads(proposed.value or b"")
        compile_definition(2, data["definition"])
        assert "industry" in str(data["definition"]["criteria"])
        assert data["evidence"]["answers"] > 0

        async def all_well() -> bool:
            return [await part.check() for part in service.parts] == [None] * len(service.parts)

        await eventually(all_well)
