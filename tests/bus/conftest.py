"""The bus under test, and the one that a second process would have."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.bus.lab import Lab
from tests.conftest import BusAddress


@pytest_asyncio.fixture
async def lab(bus_url: BusAddress) -> AsyncIterator[Lab]:
    """A started bus with its topics, of each kind in turn."""
    opened: list[Any] = []

    async def another() -> Any:
        bus = bus_url.open()
        await bus.start()
        opened.append(bus)
        return bus

    lab = Lab(await another(), another)
    await lab.bus.create_topics()
    yield lab
    for bus in opened:
        await bus.stop()
