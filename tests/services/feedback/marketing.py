"""Feedback on a real port with what tells marketing of events, and sales to make them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import uvicorn

from deploy.compose import Dispatcher
from deploy.web import app as web
from services.feedback.service import MIGRATIONS, NAME, build
from services.feedback.settings import Settings
from services.feedback.tail import Tail
from services.feedback.webhook_sender import WebhookSender
from shared.access import Access, Role
from shared.bus.api import TopicPartition
from shared.bus.local import LocalBus
from shared.contracts.topics import topics_read_by
from shared.contracts.vocabulary import RejectReason
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.clock import FixedClock
from shared.runtime.consumer import Consumer
from shared.runtime.outward import Allowed, Outward
from shared.runtime.relay import Relay
from shared.runtime.service import Infra, Service
from shared.web.links import Links
from tests.services.feedback.lives import START, Feedback, Life

TELLING = (Tail, WebhookSender, Relay)
"""The parts that run here; what else feedback does is not needed to be told of events."""


@dataclass
class Marketing:
    """A running feedback service, a marketer's client, and leads that sales answers."""

    url: str
    service: Service
    feedback: Feedback
    access: Access
    client: httpx.AsyncClient
    key: str
    key_id: str
    answered: list[Life] = field(default_factory=list)

    async def answers(self, many: int = 1, batch: int = 500, **values: Any) -> list[Life]:
        """Leads that reps reject, and so as many events."""
        lives = [
            Life(**values).captured().qualified().assigned().rejected(RejectReason.OUTSIDE_ICP)
            for _ in range(many)
        ]
        await self.feedback.read([event for life in lives for event in life.events], batch)
        self.answered += lives
        return lives

    async def webhook(self, url: str, **values: Any) -> dict[str, Any]:
        """A new webhook."""
        response = await self.client.post("/feedback/v1/webhooks", json={"url": url, **values})
        assert response.status_code == 201, response.text
        return response.json()

    async def get(self, path: str, **params: Any) -> Any:
        response = await self.client.get(f"/feedback/v1/{path}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def until(self, hook: dict[str, Any], **equal: Any) -> dict[str, Any]:
        """The webhook, once it is like this."""
        async with asyncio.timeout(20):
            while True:
                found = await self.get(f"webhooks/{hook['webhook_id']}")
                if all(found[name] == value for name, value in equal.items()):
                    return found
                await asyncio.sleep(0.02)

    async def events(self, **params: Any) -> list[dict[str, Any]]:
        """All of them, page by page."""
        found, cursor = [], {}
        while True:
            page = await self.get("events", **params, **cursor)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}


def leads_of(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["subject"] for event in events]


@asynccontextmanager
async def serving(service: Service, access: Access) -> AsyncIterator[str]:
    """The address of a service on a free port."""
    front = web.build(access, Links(), {"feedback": service.migrations.parent})
    config = uvicorn.Config(
        Dispatcher({"feedback": service.app}, front),
        port=0,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            running.result()
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def open_marketing(url: str, clock: Any = None, bus: Any = None) -> AsyncIterator[Marketing]:
    """Feedback on this database, a day after ``START``; receivers on this machine are allowed."""
    async with AsyncExitStack() as stack:
        db = Database.open(url, NAME)
        stack.callback(db.close)
        migrate(db, MIGRATIONS)
        access = await stack.enter_async_context(Access.open(url))
        clock = clock or FixedClock(START + timedelta(days=1))
        outward = Outward(allowed=Allowed.parse("127.0.0.1"))
        infra = Infra(db, bus or LocalBus(lambda _: db), access, clock, Links(), outward=outward)
        service = build(Settings(), infra)
        consumer = next(part for part in service.parts if isinstance(part, Consumer))
        # What a subscription does when it is given its partitions.
        await consumer._load([TopicPartition(topic, 0) for topic in topics_read_by(NAME)])
        for part in service.parts:
            if isinstance(part, TELLING):
                await part.start()
                stack.push_async_callback(part.stop)
        address = await stack.enter_async_context(serving(service, access))
        for part in service.parts:
            if isinstance(part, Tail):
                stack.callback(part.leave)
        key_id, key = await access.create_key(Role.MARKETER)
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=20
            )
        )
        feedback = Feedback(db, clock, consumer._transactions, consumer)
        yield Marketing(address, service, feedback, access, client, key, key_id)
