"""A capture service on a migrated database, spoken to over HTTP without a socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
import uvicorn

from services.capture.service import MIGRATIONS, NAME, build
from services.capture.settings import Settings
from shared.access import Access, Role
from shared.bus.local import LocalBus
from shared.contracts.envelope import Event, decode
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.clock import FixedClock
from shared.runtime.service import Infra, Service
from shared.web.links import Links

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LEADS = "/capture/v1/leads"


@dataclass(slots=True)
class Capture:
    """A running service: its client speaks with the key of an admin unless told otherwise."""

    service: Service
    db: Database
    clock: FixedClock
    client: httpx.AsyncClient
    keys: dict[Role, str]

    def bearer(self, role: Role) -> dict[str, str]:
        """The header for another role."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    async def post(self, lead: Any, **headers: str) -> httpx.Response:
        """Post a lead as JSON."""
        return await self.client.post(LEADS, json=lead, headers=headers)

    async def events(self) -> list[Event[Any]]:
        """What was emitted, in order: embedded, the outbox keeps it."""
        rows = await self.db.read(lambda conn: outbox.take(conn, 10_000))
        return [decode(row.headers(NAME), row.bytes() or b"") for row in rows]

    async def bad(self) -> list[dict[str, Any]]:
        """The bad submissions, newest first."""
        answer = await self.client.get("/capture/v1/bad-submissions")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


Start = Callable[..., Awaitable[Capture]]


@asynccontextmanager
async def running(url: str, access: Access, **settings: Any) -> AsyncIterator[Capture]:
    """A capture service on ``url`` with all its parts but the one that compacts the log."""
    db = Database.open(url, NAME)
    migrate(db, MIGRATIONS)
    clock = FixedClock(NOW)
    infra = Infra(db, LocalBus(lambda name: db), access, clock, Links())
    service = build(Settings(**settings), infra)
    parts = [part for part in service.parts if part.name != "capture.log"]
    for part in parts:
        await part.start()
    keys = {
        role: (await access.create_key(role))[1]
        for role in (Role.ADMIN, Role.FORM, Role.SERVICE, Role.MARKETER)
    }
    keys[Role.REP] = (await access.create_key(Role.REP, rep_id="ada"))[1]
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.app, raise_app_exceptions=False),
            base_url="http://capture",
            headers={"Authorization": f"Bearer {keys[Role.ADMIN]}"},
        ) as client:
            yield Capture(service, db, clock, client, keys)
    finally:
        for part in reversed(parts):
            await part.stop()
        db.close()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The application on a port of its own."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve([sock]))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest_asyncio.fixture
async def access(tmp_path: Path) -> AsyncIterator[Access]:
    """Keys in a store of their own."""
    folder = tmp_path / "access"
    folder.mkdir()
    async with Access.open(f"sqlite:{folder}") as access:
        yield access


@pytest_asyncio.fixture
async def start(database_url: str, access: Access) -> AsyncIterator[Start]:
    """Starts processes' worth of capture services, all on one database."""
    async with AsyncExitStack() as stack:

        async def one(url: str = database_url) -> Capture:
            return await stack.enter_async_context(running(url, access))

        yield one  # type: ignore[misc]


@pytest_asyncio.fixture
async def capture(start: Start, database_url: str) -> Capture:
    """A running capture service, on each database in turn."""
    return await start(database_url)
