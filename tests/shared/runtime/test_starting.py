"""What starts once its database and broker are there, and what ends the process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI

from deploy.compose import Product
from deploy.run import Starter
from deploy.settings import Settings
from shared.access import Access
from shared.bus.api import BusUnavailable, MissingTopics
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.parts import Loop, Part
from shared.runtime.peers import Peers
from shared.runtime.service import Service
from shared.web.links import Links
from tests.shared.toy.embedded import MIGRATIONS
from tests.shared.toy.waiting import until


class Working(Loop):
    """Works until it is told to fail."""

    def __init__(self, name: str, notes: list[str], *, serves: bool = False) -> None:
        super().__init__(name, fatal=(MemoryError,), serves=serves)
        self.notes = notes
        self.error: BaseException | None = None

    async def start(self) -> None:
        self.notes.append(f"start {self.name}")
        await super().start()

    async def step(self) -> None:
        if self.error is not None:
            raise self.error
        self.healthy()
        await self.pause(0.01)

    async def close(self) -> None:
        self.notes.append(f"stop {self.name}")


class Broker:
    """Away, or without some topic, or there."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def start(self) -> None:
        if self.error is not None:
            raise self.error

    async def check_topics(self, topics: Sequence[str]) -> None:
        await self.start()


class Stage:
    """A process of one service with two parts, on a database that lacks its schema."""

    def __init__(self, db: Database, access: Access) -> None:
        self.notes: list[str] = []
        self.broker = Broker()
        self.one = Working("qualify.one", self.notes, serves=True)
        self.two = Working("qualify.two", self.notes)
        self.service = Service("qualify", FastAPI(), db, MIGRATIONS, [self.one, self.two])
        bus: Any = self.broker
        app: Any = None
        product = Product(
            Settings(), [self.service], access, bus, {"qualify": db}, app, Peers(Links())
        )
        self.starter = Starter(product)
        self.service.parts[:0] = self.starter.of(self.service)

    async def troubles(self, *, serves: bool) -> list[str]:
        """What readiness says, of the parts that requests need or of the others."""
        parts: list[Part] = self.service.parts
        said = [await part.check() for part in parts if part.serves is serves]
        return [trouble for trouble in said if trouble]

    async def well(self) -> bool:
        return not await self.troubles(serves=True) + await self.troubles(serves=False)


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    db = Database.open(f"sqlite:{tmp_path}", "qualify")
    async with Access.open(f"sqlite:{tmp_path}") as access:
        yield Stage(db, access)
    db.close()


async def test_parts_start_in_order_once_the_schema_is_there_and_stop_in_reverse(
    stage: Stage,
) -> None:
    await stage.starter.start()

    async def says_what_is_missing() -> bool:
        return "qualify: migrations 0001, 0002 are missing" in str(
            await stage.troubles(serves=True)
        )

    await until(says_what_is_missing)
    assert stage.notes == []
    migrate(stage.service.db, MIGRATIONS)
    await until(stage.well)
    assert stage.notes == ["start qualify.one", "start qualify.two"]
    await stage.starter.stop()
    assert stage.notes[2:] == ["stop qualify.two", "stop qualify.one"]


async def test_a_broker_that_is_away_keeps_no_request_from_being_answered(stage: Stage) -> None:
    migrate(stage.service.db, MIGRATIONS)
    stage.broker.error = BusUnavailable("kafka:9092 refused")
    await stage.starter.start()

    async def serves_and_says_so() -> bool:
        moving = await stage.troubles(serves=False)
        return not await stage.troubles(serves=True) and "kafka:9092 refused" in str(moving)

    await until(serves_and_says_so)
    stage.broker.error = None
    await until(stage.well)
    await stage.starter.stop()


async def check_that_the_process_notices(stage: Stage, starter: Starter) -> None:
    """A part has ended that should go on: better to end with it than to stand there without."""
    migrate(stage.service.db, MIGRATIONS)
    await starter.start()
    await until(stage.well)
    failing = asyncio.create_task(starter.failed())
    await asyncio.sleep(0)
    assert not failing.done()
    stage.two.error = MemoryError("planted")
    try:
        async with asyncio.timeout(12):
            await failing
    finally:
        failing.cancel()
        await starter.stop()
    assert "ended" in str(await stage.two.check()) or stage.two.stopping.is_set()


async def test_a_part_that_ends_is_noticed(stage: Stage) -> None:
    await check_that_the_process_notices(stage, stage.starter)
    assert stage.notes[-2:] == ["stop qualify.two", "stop qualify.one"], "the others stop all right"


async def test_the_check_notices_who_looks_only_at_what_was_there_at_first(stage: Stage) -> None:
    class Blind(Starter):
        async def failed(self) -> None:
            await asyncio.wait([task for task in [self._access.task] if task is not None])

    stage.starter.__class__ = Blind

    async def within(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await check_that_the_process_notices(stage, stage.starter)

    with pytest.raises(TimeoutError):
        await within(3)


async def test_a_missing_topic_ends_the_process(stage: Stage) -> None:
    migrate(stage.service.db, MIGRATIONS)
    stage.broker.error = MissingTopics(["p.lead.captured"])
    await stage.starter.start()
    async with asyncio.timeout(10):
        await stage.starter.failed()
    await stage.starter.stop()


async def test_stopping_before_anything_could_start_stops_nothing(stage: Stage) -> None:
    stage.broker.error = BusUnavailable("away")
    await stage.starter.start()
    async with asyncio.timeout(5):
        await stage.starter.stop()
    assert stage.notes == []
