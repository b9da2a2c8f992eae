"""A small service for the tests of what all services share."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest_asyncio

from tests.shared.toy.embedded import EmbeddedLog
from tests.shared.toy.service import NAME, Toy, toy_on


@pytest_asyncio.fixture
async def toy(database_url: str) -> AsyncIterator[Toy]:
    """The toy service on a migrated database of each kind."""
    async with toy_on(database_url) as service:
        yield service


@pytest_asyncio.fixture
async def embedded(toy: Toy, tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    """The embedded bus, started, which the toy reads and, on SQLite, writes to."""
    ours = (toy.db,) if toy.db.dialect == "sqlite" else ()
    bus = EmbeddedLog(tmp_path / "log", *ours)
    if ours:
        toy.transactions.told = partial(bus.committed, NAME)
    await bus.start()
    yield bus
    await bus.stop()
