"""Routing on a real database, driven by its own handlers and its own interface."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, Select, Update, select, text, update

from services.routing.consumer import HANDLERS
from services.routing.handlers import deadlines
from services.routing.service import MIGRATIONS, NAME, build
from services.routing.settings import Settings
from services.routing.store.tables import assignments, leads
from services.routing.store.unit import Routing
from shared.access import Access, Role
from shared.contracts.envelope import Event, decode
from shared.contracts.events import (
    Attribution,
    ContactUpdated,
    Contribution,
    EventData,
    LeadQualified,
)
from shared.contracts.ids import new_id
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.clock import SystemClock
from shared.runtime.consumer import Consumer
from shared.runtime.outward import Outward
from shared.runtime.service import Infra, Service
from shared.runtime.unit import Transactions
from shared.web.links import Links
from tests.shared.toy.embedded import EmbeddedLog

PAST = datetime(2020, 1, 1, tzinfo=UTC)
WAITS = text("closed_at IS NULL")


def mql(lead_id: str | None = None, *, cycle: int = 1, **facts: Any) -> LeadQualified:
    """A lead that has just become an MQL."""
    now = datetime.now(UTC)
    return LeadQualified(
        lead_id=lead_id or new_id(),
        definition_version=3,
        cycle=cycle,
        score=65,
        grade="A",
        threshold=50,
        facts={"country": "DE", "employees": 120, **facts},
        attribution=Attribution(utm_source="newsletter"),
        contributions=[
            Contribution(criterion_id="big-company", points=40, because="employees 120"),
            Contribution(criterion_id="form", points=25, because="posted a form"),
        ],
        captured_at=now,
        decided_at=now,
    )


def person(lead_id: str, first: str = "Jane", last: str = "Doe", **more: Any) -> ContactUpdated:
    """Who a lead is."""
    return ContactUpdated(
        lead_id=lead_id,
        first_name=first,
        last_name=last,
        email=f"{first}.{last}@acme.example".lower(),
        phone="+49 30 123456",
        company="Acme GmbH",
        job_title="Head of Operations",
        message="We want to replace our spreadsheet this quarter.\nCan you call me on Tuesday?",
        **more,
    )


def event(data: EventData, at: datetime | None = None) -> Event[Any]:
    """The envelope of an event another service wrote."""
    return Event(
        new_id(), data.type, "/test", at or datetime.now(UTC), data.key(), "00-0-0-00", data
    )


@dataclass
class Desk:
    """One process of routing: its transactions, its service and clients of it."""

    db: Database
    transactions: Transactions[Routing]
    service: Service
    access: Access
    bus: EmbeddedLog
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def happen(self, *datas: EventData) -> None:
        """Have these events handled in one transaction, as the consumer does with a batch."""

        def handle(unit: Routing) -> None:
            for data in datas:
                HANDLERS[type(data)](event(data), unit)

        keys = list(dict.fromkeys(data.key() for data in datas))
        await self.transactions.run(handle, keys)

    async def expire(self, limit: int = deadlines.BATCH) -> int:
        return await self.transactions.run(lambda unit: deadlines.expire_overdue(unit, limit))

    async def sweep(self) -> int:
        """Answers how many leads found somebody."""

        def sweep(unit: Routing) -> int:
            deadlines.sweep_unrouted(unit)
            return len(unit.events)

        return await self.transactions.run(sweep)

    async def client(self, role: Role, rep_id: str | None = None) -> httpx.AsyncClient:
        """A client of the API with a key of this role."""
        _, key = await self.access.create_key(role, rep_id)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.service.app),
            base_url="http://routing.test",
            headers={"Authorization": f"Bearer {key}"},
        )
        self.clients.append(client)
        return client

    async def add_reps(self, *reps: tuple[str, int, int]) -> None:
        """Add reps given as (id, weight, capacity)."""
        admin = await self.client(Role.ADMIN)
        for rep_id, weight, capacity in reps:
            body = {"rep_id": rep_id, "name": rep_id, "weight": weight, "capacity": capacity}
            response = await admin.post("/routing/v1/reps", json=body)
            assert response.status_code == 201, response.text

    async def set_policy(self, **changes: Any) -> None:
        admin = await self.client(Role.ADMIN)
        body = {"sla_minutes": 60, "accept_minutes": 240, "max_attempts": 3, "rules": []}
        response = await admin.put("/routing/v1/policy", json={**body, **changes})
        assert response.status_code == 200, response.text

    async def history(self, lead_id: str) -> list[Any]:
        """The attempts of a lead, in order."""
        query = (
            select(assignments)
            .where(assignments.c.lead_id == lead_id)
            .order_by(assignments.c.cycle, assignments.c.attempt)
        )
        return await self.rows(query)

    async def lead(self, lead_id: str) -> Any:
        (found,) = await self.rows(select(leads).where(leads.c.lead_id == lead_id))
        return found

    async def open_rows(self) -> list[Any]:
        """All open assignments."""
        return await self.rows(select(assignments).where(assignments.c.closed_at.is_(None)))

    async def rows_of_assignments(self) -> list[Any]:
        """All attempts there ever were."""
        return await self.rows(select(assignments))

    async def rows(self, query: Select[Any]) -> list[Any]:
        return await self.db.read(lambda conn: list(conn.execute(query)))

    async def emitted(self, lead_id: str | None = None) -> list[Any]:
        """The data of events that routing wrote, oldest first."""

        def read(conn: Connection) -> list[Any]:
            rows = outbox.read(conn, "lead.handoff", 0, 10_000)
            return [decode(row.headers(NAME), row.bytes() or b"").data for row in rows]

        datas = await self.db.read(read)
        return [d for d in datas if lead_id is None or getattr(d, "lead_id", None) == lead_id]

    async def run_out(self) -> None:
        """Let every running deadline pass."""
        await self._change(update(assignments).where(WAITS).values(due_at=PAST))

    async def rested(self) -> None:
        """Let the rest of every unrouted lead pass that rests for a time."""
        rests = leads.c.retry_at.is_not(None)
        await self._change(update(leads).where(rests).values(retry_at=PAST, rest_until=PAST))

    async def _change(self, statement: Update) -> None:
        await self.db.write(lambda conn: conn.execute(statement))


@asynccontextmanager
async def open_desk(
    database_url: str, folder: Path, outward: Outward | None = None
) -> AsyncIterator[Desk]:
    """Routing on a database that is migrated if need be; its parts are not started."""
    db = Database.open(database_url, NAME)
    migrate(db, MIGRATIONS)
    async with Access.open(database_url) as access:
        bus = EmbeddedLog(folder / "log", db)
        infra = Infra(db, bus, access, SystemClock(), Links(), outward=outward or Outward())
        service = build(Settings(), infra)
        consumer = next(part for part in service.parts if isinstance(part, Consumer))
        desk = Desk(db, consumer._transactions, service, access, bus)
        yield desk
        for client in desk.clients:
            await client.aclose()
    db.close()


async def until(
    check: Callable[[], Awaitable[Any]], what: str = "the condition", seconds: float = 15
) -> Any:
    """Poll until the check answers something true; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := await check():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def overlaps(rows: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Pairs of attempts of one lead whose ownership overlaps in time."""
    found = []
    by_lead: dict[str, list[Any]] = {}
    for row in rows:
        by_lead.setdefault(row.lead_id, []).append(row)
    for attempts in by_lead.values():
        attempts.sort(key=lambda row: (row.cycle, row.attempt))
        for before, after in pairwise(attempts):
            if before.closed_at is None or before.closed_at > after.assigned_at:
                found.append((before, after))
    return found
