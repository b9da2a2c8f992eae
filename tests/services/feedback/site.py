"""Feedback's page on a real server, with the real login."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from deploy.compose import Dispatcher
from deploy.web import app as web
from services.feedback.service import build
from services.feedback.settings import Settings
from shared.access import Access
from shared.bus.local import LocalBus
from shared.runtime.service import Infra
from shared.web.links import Links
from tests.services.feedback.lives import Feedback


@asynccontextmanager
async def serve(feedback: Feedback, access: Access) -> AsyncIterator[str]:
    """The address of a running server on a free port."""
    infra = Infra(feedback.db, LocalBus(lambda _: feedback.db), access, feedback.clock, Links())
    service = build(Settings(), infra)
    front = web.build(access, Links(), {"feedback": service.migrations.parent})
    config = uvicorn.Config(
        Dispatcher({"feedback": service.app}, front), port=0, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if running.done():
                running.result()
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running
