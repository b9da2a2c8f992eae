"""The built service on a real bus: consumer, timer and relay together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from services.feedback.service import build
from services.feedback.settings import Settings
from shared.access import Access
from shared.bus.api import Bus, Message, Received, Subscription, TopicPartition
from shared.contracts.envelope import Event
from shared.db.engine import Database
from shared.db.migrations import migrate, pending
from shared.runtime.clock import SystemClock
from shared.runtime.service import Infra
from shared.web.links import Links
from tests.services.feedback.lives import MIGRATIONS, answers, published


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.05)


def message(event: Event[Any]) -> Message:
    return Message(event.data.topic, event.data.key(), event.value(), event.headers())


async def from_the_beginning(_: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    return {}


async def read_until(subscription: Subscription, enough: int) -> list[Received]:
    got: list[Received] = []
    async with asyncio.timeout(60):
        while len(got) < enough:
            got += await subscription.poll(500, 0.5)
    return got


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_answers_in_a_proposal_and_feedback_out(
    bus: Bus, database_url: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        db = Database.open(database_url, "feedback")
        stack.push_async_callback(db.close)
        access = await stack.enter_async_context(Access.open(database_url))
        await migrate(db, MIGRATIONS)
        assert await pending(db, MIGRATIONS) == []
        infra = Infra(db, bus, access, SystemClock(), Links())
        service = build(Settings(evidence_seconds=0.05), infra)
        for part in service.parts:
            await part.start()
            stack.push_async_callback(part.stop)
        await bus.publish([message(e) for e in [published(), *answers((30, 0), (0, 30))]])
        marketing = await bus.subscribe("marketing", ["lead.feedback"], from_the_beginning)
        stack.push_async_callback(marketing.close)
        feedback = await read_until(marketing, 60)
        assert {m.headers["ce_type"] for m in feedback} == {"leadloop.feedback.recorded.v1"}
        qualify = await bus.subscribe("qualify", ["definition.proposed"], from_the_beginning)
        stack.push_async_callback(qualify.close)
        assert (await read_until(qualify, 1))[0].headers["ce_type"] == (
            "leadloop.definition.proposed.v1"
        )

        async def all_well() -> bool:
            return [await part.check() for part in service.parts] == [None] * len(service.parts)

        await eventually(all_well)
