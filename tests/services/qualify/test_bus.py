"""From topic to topic, through a running service, on both buses."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest
import pytest_asyncio

from services.qualify.service import MIGRATIONS, NAME, build
from services.qualify.settings import Settings
from shared.access import Access
from shared.bus.api import Bus, Message
from shared.bus.kafka import KafkaBus
from shared.bus.local import LocalBus
from shared.contracts.envelope import Event, decode
from shared.contracts.events import DefinitionPublished, LeadQualified, LeadScored
from shared.contracts.ids import new_id
from shared.contracts.topics import SERVICES
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.db.tables import runtime_metadata
from shared.runtime.clock import SystemClock
from shared.runtime.service import Infra
from shared.web.links import Links

from .conftest import NOW, VP, activity, captured

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass(slots=True)
class Running:
    """A qualify service with all its parts, on a bus of its own, beside an outbox of capture."""

    bus: Bus
    capture: Database

    async def publish(self, events: Sequence[Event]) -> None:
        """Events as capture's transactions leave them to the bus."""
        if isinstance(self.bus, KafkaBus):
            await self.bus.publish(
                [Message(e.data.topic, e.data.key(), e.value(), e.headers()) for e in events]
            )
        elif isinstance(self.bus, LocalBus):
            add = lambda conn: outbox.add(conn, "capture", events, NOW)  # noqa: E731
            self.bus.committed("capture", await self.capture.write(add))

    async def read(self, count: int, *topics: str) -> list:
        """The data of the first ``count`` events of these topics."""
        subscription = await self.bus.subscribe("reader", topics, _from_the_beginning)
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


@pytest_asyncio.fixture(params=["local", "kafka"])
async def running(
    request: pytest.FixtureRequest, database_url: str, access: Access
) -> AsyncIterator[Running]:
    with ExitStack() as stack:
        databases = {
            name: stack.enter_context(closing(Database.open(database_url, name)))
            for name in SERVICES
        }
        for name, db in databases.items():
            if name == NAME:
                migrate(db, MIGRATIONS)
            else:
                await db.write(runtime_metadata.create_all)
        bus: Bus = LocalBus(databases.__getitem__)
        if request.param == "kafka":
            bus = KafkaBus(request.getfixturevalue("kafka"), f"t{uuid.uuid4().hex[:12]}.")
        await bus.start()
        await bus.create_topics()
        infra = Infra(databases[NAME], bus, access, SystemClock(), Links())
        service = build(Settings(), infra)
        assert service.seed is not None
        service.seed()
        for part in service.parts:
            await part.start()
        yield Running(bus, databases["capture"])
        for part in reversed(service.parts):
            await part.stop()
        await bus.stop()


def event_of(data) -> Event:
    return Event(new_id(), data.type, "/test", NOW, data.key(), "", data)


async def test_a_captured_lead_comes_out_qualified(running):
    visit = event_of(activity("x", "page_viewed", VP))
    # The same events twice, as a broker may deliver them.
    events = [event_of(captured("x", VP)), visit, visit]
    await running.publish([*events, *events])
    first, second = await running.read(2, "lead.qualification")
    assert isinstance(first, LeadQualified)
    assert isinstance(second, LeadScored)
    (definition,) = await running.read(1, "definition.published")
    assert isinstance(definition, DefinitionPublished)
    assert definition.definition.version == first.definition_version == 1
