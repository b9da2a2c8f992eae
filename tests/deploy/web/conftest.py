"""The front application of a process, served for real."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
import uvicorn

from deploy.web.app import build
from shared.access import Access, Role
from shared.web import Links


@dataclass(frozen=True)
class Front:
    """Where the application answers, and what it lets in."""

    url: str
    access: Access
    openid: Any = None

    async def key(self, role: Role, rep_id: str | None = None) -> tuple[str, str]:
        """A new key: its id and itself."""
        return await self.access.create_key(role, rep_id)


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The application at an address of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest_asyncio.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with Access.open(f"sqlite:{tmp_path}") as access:
        app = build(access, Links(feedback="http://127.0.0.1:8004"), {})
        async with serving(app) as url:
            yield Front(url, access)


@pytest_asyncio.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks as browsers do, and follows no redirects."""
    headers = {"Accept": "text/html"}
    async with httpx.AsyncClient(base_url=front.url, headers=headers) as client:
        yield client
