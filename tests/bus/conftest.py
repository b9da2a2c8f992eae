"""The bus under test, and the one that a second process would have."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shared.bus.api import Bus
from shared.bus.local import LocalBus
from tests.bus.lab import Lab
from tests.conftest import BusAddress


@pytest_asyncio.fixture
async def lab(bus_url: BusAddress) -> AsyncIterator[Lab]:
    """A started bus with its topics, of each kind in turn."""
    opened: list[Bus] = []

    async def another() -> Bus:
        # A local bus is one process's: its members share the one that runs.
        if isinstance(lab.bus, LocalBus) and lab.bus.started:
            return lab.bus
        bus = bus_url.open()
        await bus.start()
        opened.append(bus)
        return bus

    first = bus_url.open()
    opened.append(first)
    lab = Lab(first, another)
    await first.start()
    await first.create_topics()
    yield lab
    for bus in opened:
        await bus.stop()
