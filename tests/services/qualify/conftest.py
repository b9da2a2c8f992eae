"""A qualify service on a migrated database: fed through its consumer, asked over HTTP."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from sqlalchemy import delete

from services.qualify.service import MIGRATIONS, NAME, build
from services.qualify.settings import Settings
from services.qualify.store.unit import Qualify
from shared.access import Access, Role
from shared.access.sessions import COOKIE
from shared.bus.api import Received, TopicPartition
from shared.bus.local import LocalBus
from shared.contracts.envelope import Event, decode
from shared.contracts.events import ActivityRecorded, EventData, LeadCaptured
from shared.contracts.ids import new_id
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.clock import FixedClock
from shared.runtime.consumer import Consumer
from shared.runtime.service import Infra, Service
from shared.web.links import Links

from .browser import Browser

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
VP = {
    "company": "Acme",
    "job_title": "VP Marketing",
    "employees": 120,
    "email_type": "business",
    "has_phone": False,
    "touches": 1,
}
STUDENT = {"job_title": "Student", "email_type": "free", "has_phone": False, "touches": 1}


@dataclass(slots=True)
class Running:
    """A service whose consumer is handed messages directly; its parts do not run, so the outbox
    keeps what was emitted."""

    service: Service
    db: Database
    clock: FixedClock
    client: httpx.AsyncClient
    keys: dict[Role, str]
    consumer: Consumer[Qualify]
    offsets: Any = field(default_factory=itertools.count)

    def bearer(self, role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def messages(self, *events: EventData | Event[Any]) -> list[Received]:
        """Events as they come from one partition."""
        wrapped = [e if isinstance(e, Event) else self.event(e) for e in events]
        return [
            Received("lead.captured", 0, next(self.offsets), e.data.key(), e.value(), e.headers())
            for e in wrapped
        ]

    def event(self, data: EventData) -> Event[Any]:
        return Event(new_id(), data.type, "/test", self.clock.now(), data.key(), "", data)

    async def take(self, *events: EventData | Event[Any]) -> None:
        """Consume events as one batch."""
        if events:
            await self.consumer._load([TopicPartition("lead.captured", 0)])
            await self.consumer.process(self.messages(*events))

    def events(self) -> list[Any]:
        """The data of what was emitted since the last call, in order."""
        with self.db.begin() as conn:
            rows = outbox.take(conn, 10_000)
            conn.execute(delete(outbox.outbox))
        return [decode(row.headers(NAME), row.bytes() or b"").data for row in rows]

    async def score(self, lead_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/qualify/v1/leads/{lead_id}/score")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def captured(lead_id: str, facts: dict[str, Any], at: datetime = NOW, **more: Any) -> LeadCaptured:
    """Somebody new."""
    given = {"submission_id": new_id(), "captured_at": at, "facts": facts, **more}
    return LeadCaptured(lead_id=lead_id, **given)


def activity(
    lead_id: str, kind: str, facts: dict[str, Any], at: datetime = NOW, **more: Any
) -> ActivityRecorded:
    """A known lead did something."""
    given = {"activity_id": new_id(), "kind": kind, "occurred_at": at, "facts": facts, **more}
    return ActivityRecorded(lead_id=lead_id, **given)


@pytest_asyncio.fixture
async def access(tmp_path: Path) -> AsyncIterator[Access]:
    folder = tmp_path / "access"
    folder.mkdir()
    async with Access.open(f"sqlite:{folder}") as opened:
        yield opened


async def keys_of(access: Access) -> dict[Role, str]:
    """A key of each role."""
    roles: Sequence[Role] = (Role.ADMIN, Role.MARKETER, Role.SERVICE, Role.FORM)
    keys = {role: (await access.create_key(role))[1] for role in roles}
    keys[Role.REP] = (await access.create_key(Role.REP, rep_id="ada"))[1]
    return keys


@pytest_asyncio.fixture
async def browse(
    qualify: "Running", access: Access
) -> AsyncIterator[Callable[[Role], Awaitable[Browser]]]:
    """A browser logged in with a role."""
    opened = []

    async def log_in(role: Role) -> Browser:
        principal = await access.authenticate(f"Bearer {qualify.keys[role]}")
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(qualify.service.app),
            base_url="http://qualify",
            cookies={COOKIE: access.sessions.begin(principal.key_id)},
        )
        opened.append(client)
        return Browser(client)

    yield log_in
    for client in opened:
        await client.aclose()


@pytest_asyncio.fixture
async def qualify(database_url: str, access: Access) -> AsyncIterator[Running]:
    """A qualify service with the starter definition, on each database in turn."""
    db = Database.open(database_url, NAME)
    migrate(db, MIGRATIONS)
    clock = FixedClock(NOW)
    service = build(Settings(), Infra(db, LocalBus(lambda name: db), access, clock, Links()))
    assert service.seed is not None
    service.seed()
    keys = await keys_of(access)
    consumer = next(part for part in service.parts if isinstance(part, Consumer))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app),
        base_url="http://qualify",
        headers={"Authorization": f"Bearer {keys[Role.MARKETER]}"},
    ) as client:
        made = Running(service, db, clock, client, keys, consumer)
        made.events()
        yield made
    db.close()
