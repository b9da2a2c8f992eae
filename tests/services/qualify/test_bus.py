"""From topic to topic, through a running consumer and relay, on both buses."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.qualify.service import MIGRATIONS, build
from services.qualify.settings import Settings
from shared.bus.api import Bus, Message
from shared.contracts.envelope import Event, decode
from shared.contracts.events import DefinitionPublished, LeadQualified, LeadScored
from shared.db.engine import Database
from shared.db.migrations import migrate
from shared.runtime.clock import SystemClock, new_id
from shared.runtime.service import Infra
from shared.web.links import Links

from .conftest import NOW, VP, activity, captured

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def running(database_url: str, bus: Bus, access) -> AsyncIterator[Bus]:
    """A qualify service with all its parts, on a bus of its own."""
    db = Database.open(database_url, "qualify")
    await migrate(db, MIGRATIONS)
    service = build(Settings(), Infra(db, bus, access, SystemClock(), Links()))
    assert service.seed is not None
    await service.seed()
    for part in service.parts:
        await part.start()
    yield bus
    for part in reversed(service.parts):
        await part.stop()
    await db.close()


def message(data) -> Message:
    event = Event(new_id(), data.type, "/test", NOW, data.key(), "", data)
    return Message(data.topic, data.key(), event.value(), event.headers())


async def read(bus: Bus, count: int, *topics: str) -> list:
    """The data of the first ``count`` events of these topics."""
    subscription = await bus.subscribe("reader", topics, _from_the_beginning)
    found: list = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                messages = await subscription.poll(100, timeout=0.5)
                found += [decode(one.headers, one.value or b"").data for one in messages]
    finally:
        await subscription.close()
    return found


async def _from_the_beginning(places):
    return {}


async def test_a_captured_lead_comes_out_qualified(running):
    visit = activity("x", "page_viewed", VP)
    # The same messages twice, as a broker may deliver them.
    messages = [message(captured("x", VP)), message(visit), message(visit)]
    await running.publish([*messages, *messages])
    first, second = await read(running, 2, "lead.qualification")
    assert isinstance(first, LeadQualified)
    assert isinstance(second, LeadScored)
    (definition,) = await read(running, 1, "definition.published")
    assert isinstance(definition, DefinitionPublished)
    assert definition.definition.version == first.definition_version == 1
