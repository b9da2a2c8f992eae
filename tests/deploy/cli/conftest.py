"""A product to command: the addresses the command line calls, with answers that tests choose."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse, Response

from shared.access import Access, Principal, Role, allow
from shared.contracts.problems import Problem

Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]


@dataclass
class Product:
    """What it answers, and what it was asked to do. The access store is a real one."""

    folder: Path
    port: int = 0
    reps: list[dict[str, Any]] = field(default_factory=list)
    captured: list[dict[str, Any]] = field(default_factory=list)
    staged: list[dict[str, Any]] = field(default_factory=list)
    stuck: list[dict[str, Any]] = field(default_factory=list)
    letters: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    not_ready: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    replayed: list[tuple[str, str | None]] = field(default_factory=list)
    fails_again: int = 0
    decisions: list[dict[str, Any]] = field(default_factory=list)
    """Pages of a service's replays; each holds one decision."""
    windows: list[dict[str, str]] = field(default_factory=list)
    """What was asked to be replayed."""
    strange: tuple[str, int] = ("", 200)
    """What is answered below ``/strange``, where somebody else lives."""

    @property
    def settings(self) -> dict[str, str]:
        return {"PORT": str(self.port)}

    @property
    def url(self) -> str:
        return f"sqlite:{self.folder / 'data'}"

    def letter(self, service: str, number: int, state: str = "dead") -> None:
        letters = self.letters.setdefault(service, [])
        letters.append(
            {
                "id": number,
                "state": state,
                "event_type": "lead.captured.v1",
                "key": "lead-7",
                "topic": "lead.captured",
                "partition": 2,
                "offset": 41,
                "reason": "ValueError in on_captured",
            }
        )


def _listed(items: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    """Two a page."""
    start = int(cursor or 0)
    more = str(start + 2) if start + 2 < len(items) else None
    return {"items": items[start : start + 2], "next_cursor": more}


def _application(product: Product) -> FastAPI:
    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with Access.open(product.url) as access:
            app.state.access = access
            await access.create_key(Role.ADMIN, label="first")
            yield

    app = FastAPI(lifespan=running)

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> Response:
        return JSONResponse(problem.document(), problem.status, problem.headers)

    @app.get("/strange/{rest:path}")
    async def strange(rest: str) -> Response:
        text, status = product.strange
        return Response(text.encode(errors="surrogateescape"), status)

    @app.get("/{service}/health/ready")
    async def ready(service: str) -> Response:
        if service in product.silent:
            return Response("this is something else", 404)
        dead = [letter for letter in product.letters.get(service, []) if letter["state"] == "dead"]
        status = 503 if service in product.not_ready else 200
        return JSONResponse({"service": service, "dead_letters": len(dead)}, status)

    @app.get("/routing/v1/reps")
    async def reps(_: Admin, cursor: str | None = None) -> Any:
        return _listed(product.reps, cursor)

    @app.get("/capture/v1/leads")
    async def captured(_: Admin, cursor: str | None = None) -> Any:
        return _listed(product.captured, cursor)

    @app.get("/feedback/v1/leads")
    async def staged(_: Admin, cursor: str | None = None) -> Any:
        return _listed(product.staged, cursor)

    @app.get("/feedback/v1/stages")
    async def stages(_: Admin) -> Any:
        return {"stuck_count": len(product.stuck), "stuck": product.stuck}

    @app.get("/{service}/v1/dead-letters")
    async def letters(_: Admin, service: str, cursor: str | None = None) -> Any:
        return _listed(product.letters.get(service, []), cursor)

    @app.get("/{service}/v1/dead-letters/{number}")
    async def letter(_: Admin, service: str, number: int) -> Any:
        return {**_existing(product, service, number), "event": "{}"}

    @app.delete("/{service}/v1/dead-letters/{number}", status_code=204)
    async def discard(_: Admin, service: str, number: int) -> None:
        product.letters[service].remove(_existing(product, service, number))

    @app.post("/{service}/v1/dead-letters/replay")
    async def replay(_: Admin, service: str, id: str | None = None) -> Any:
        product.replayed.append((service, id))
        return {"replayed": 1, "failed": product.fails_again}

    @app.get("/{service}/v1/replays")
    async def decisions(_: Admin, service: str, request: Request, cursor: str | None = None) -> Any:
        product.windows.append({"service": service, **request.query_params})
        at = int(cursor or 0)
        page = product.decisions[at] if product.decisions else {}
        return {
            "total": len(product.decisions) if cursor is None else None,
            "replayed": int(bool(page) and not page.get("skipped")),
            "skipped": int(bool(page.get("skipped"))),
            "items": [page] if page.get("differences") else [],
            "next_cursor": str(at + 1) if at + 1 < len(product.decisions) else None,
        }

    return app


def _existing(product: Product, service: str, number: int) -> dict[str, Any]:
    for letter in product.letters.get(service, []):
        if letter["id"] == number:
            return letter
    raise Problem(404, "No such dead letter", "It may have been replayed already.")


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """Running, with an admin key, its data where the product keeps them by itself."""
    product = Product(tmp_path)
    config = uvicorn.Config(_application(product), port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        asyncio.run(_started(server))
        product.port = server.servers[0].sockets[0].getsockname()[1]
        yield product
    finally:
        server.should_exit = True
        thread.join()


async def _started(server: uvicorn.Server) -> None:
    async with asyncio.timeout(30):
        while not server.started:
            await asyncio.sleep(0.01)
