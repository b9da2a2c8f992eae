"""A feedback service with its interface, on each database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest_asyncio

from services.feedback.service import build
from services.feedback.settings import Settings
from shared.access import Access, Role
from shared.bus.local import LocalBus
from shared.runtime.service import Infra, Service
from shared.web.links import Links
from tests.services.feedback.lives import Feedback, open_feedback

if TYPE_CHECKING:
    from tests.services.feedback.visits import Visit


@dataclass
class Callers:
    """The interface, called with a key of each role."""

    app: Any
    access: Access
    feedback: Feedback
    service: Service

    async def client(self, role: Role, rep_id: str | None = None) -> httpx.AsyncClient:
        _, key = await self.access.create_key(role, rep_id)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://feedback.test",
            headers={"Authorization": f"Bearer {key}"},
        )


@pytest_asyncio.fixture
async def feedback(database_url: str) -> AsyncIterator[Feedback]:
    """Feedback without its interface."""
    async with open_feedback(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def callers(feedback: Feedback, database_url: str) -> AsyncIterator[Callers]:
    """Feedback with its interface."""
    async with Access.open(database_url) as access:
        bus = LocalBus(lambda _: feedback.db)
        infra = Infra(feedback.db, bus, access, feedback.clock, Links())
        service = build(Settings(), infra)
        yield Callers(service.app, access, feedback, service)


@pytest_asyncio.fixture
async def visit(
    feedback: Feedback, database_url: str, chromium: str, chromium_args: list[str]
) -> AsyncIterator["Visit"]:
    """A browser on the pages. What it takes is imported for those who ask for it."""
    from tests.services.feedback.visits import visiting

    async with visiting(feedback, database_url, chromium, chromium_args) as made:
        yield made
