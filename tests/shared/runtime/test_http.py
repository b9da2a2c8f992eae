"""The frame of every HTTP interface: problems, limits, traces, health, and nothing personal."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, EmailStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.access import Access
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime import logs
from shared.runtime.clock import SystemClock
from shared.runtime.http import create_app
from shared.runtime.parts import Loop
from shared.runtime.service import Infra
from shared.web.links import Links
from tests.shared.toy.embedded import TRACE
from tests.shared.toy.service import Log, Toy, captured, garbage, places
from tests.shared.toy.waiting import until

JANE = "jane.roe@example.com"
JSON = {"Content-Type": "application/json"}


class Body(BaseModel):
    email: EmailStr
    number: int = 0
    extra: Any = None


class Sick(Loop):
    """A part that says what is wrong with it."""

    def __init__(self, name: str = "toy.part", *, serves: bool = False) -> None:
        super().__init__(name, serves=serves)


def _routes(app: FastAPI, db: Database) -> None:
    @app.post("/toy/v1/echo")
    async def echo(body: Body) -> Any:
        return {"extra": body.extra}

    @app.get("/toy/v1/fail/{how}")
    async def fail(how: str, email: str = "") -> Any:
        logging.getLogger("toy").info("asked to fail")
        match how:
            case "conflict":
                raise Problem(409, "Too late", "Somebody was first.", state="ACCEPTED")
            case "away":
                raise OperationalError("SELECT 1", {"email": JANE}, Exception(JANE))
            case "refused":
                raise ConnectionRefusedError(JANE)
            case "statement":
                query = text("SELECT :email FROM nowhere")
                await db.read(lambda conn: conn.execute(query, {"email": JANE}))
            case "bug":
                raise ValueError(f"no score for {JANE}")
            case "group":
                raise ExceptionGroup("several", [ValueError(JANE)])
        return {}


@pytest_asyncio.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    url = f"sqlite:{tmp_path}"
    db = Database.open(url, "toy")
    async with Access.open(url) as access:
        nothing: Any = None
        app = create_app("toy", "toy", Infra(db, nothing, access, SystemClock(), Links.parse("")))
        _routes(app, db)
        yield app
    db.close()


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://test"
    ) as client:
        yield client


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"]
    assert document["title"]
    assert document["detail"]
    return document


async def test_each_kind_of_error_is_a_problem(client: httpx.AsyncClient) -> None:
    assert _problem(await client.get("/toy/v1/fail/conflict"), 409)["state"] == "ACCEPTED"
    _problem(await client.get("/toy/v1/nothing"), 404)
    answer = await client.get("/toy/v1/echo")
    _problem(answer, 405)
    assert "POST" in answer.headers["allow"]
    for how in ("away", "refused"):
        answer = await client.get(f"/toy/v1/fail/{how}")
        _problem(answer, 503)
        assert answer.headers["retry-after"]
    _problem(await client.get("/toy/v1/fail/bug"), 500)
    _problem(await client.get("/toy/v1/dead-letters"), 401)


async def test_a_wrong_body_is_answered_with_pointers(client: httpx.AsyncClient) -> None:
    answer = await client.post("/toy/v1/echo", json={"email": "no", "number": "x"})
    document = _problem(answer, 422)
    assert [error["pointer"] for error in document["errors"]] == ["/email", "/number"]
    assert all(error["detail"] for error in document["errors"])
    _problem(await client.post("/toy/v1/echo", content=b"{", headers=JSON), 400)
    _problem(await client.post("/toy/v1/echo", content=b"\xff\xfe", headers=JSON), 400)
    _problem(await client.post("/toy/v1/echo", content=b"", headers=JSON), 422)


@pytest.mark.parametrize("stated", [True, False])
async def test_a_body_over_the_limit_is_413(client: httpx.AsyncClient, stated: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    body: Any = b" " * (70 * 1024) if stated else chunks()
    answer = await client.post("/toy/v1/echo", content=body, headers=JSON)
    assert "64 KB" in _problem(answer, 413)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"email": "a@example.com", "extra": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"email": "a@example.com", "extra": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}",
        b'{"email": "a@example.com", "extra": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
    ids=lambda body: f"{body[:12]!r}…{len(body)}",
)
async def test_deep_json_is_the_callers_mistake(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/toy/v1/echo", content=body, headers=JSON)
    assert 400 <= answer.status_code < 500, answer.text
    _problem(answer, answer.status_code)


async def test_wide_json_and_brackets_in_texts_are_not_deep(client: httpx.AsyncClient) -> None:
    for extra in ([[1]] * 2000, "[" * 5000, '\\"[{' * 2000, {"a": [{"b": [0]}]}):
        body = {"email": "a@example.com", "extra": extra}
        answer = await client.post("/toy/v1/echo", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["extra"] == extra


async def test_a_text_that_never_ends_is_read_once(client: httpx.AsyncClient) -> None:
    """No key is needed to send one, and looking at it again from each quote took most of a minute,
    in which the process answered nobody."""
    for end in (b"", b"\\"):
        body = b"[" * 65 + b'"' + b'\\"' * 30_000 + end
        began = time.process_time()
        _problem(await client.post("/toy/v1/echo", content=body, headers=JSON), 400)
        assert time.process_time() - began < 10


async def test_a_trace_goes_on_and_a_broken_one_begins_anew(client: httpx.AsyncClient) -> None:
    answer = await client.get("/toy/health/live", headers={"traceparent": TRACE})
    assert answer.headers["traceresponse"] == TRACE
    seen = set()
    for sent in ("", "nonsense", TRACE.replace("0af", "XYZ"), TRACE + "-x", "00-" + "0" * 32):
        answer = await client.get("/toy/health/live", headers={"traceparent": sent})
        trace = answer.headers["traceresponse"]
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace)
        seen.add(trace)
    assert len(seen) == 5


async def test_what_the_server_logs_names_nobody(
    app: FastAPI, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a real server: it logs errors that leave the application, text and all."""
    before = logging.getLogger().handlers[:]
    logs.configure("DEBUG")
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False)
    )
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            for how in ("bug", "group", "statement"):
                answer = await client.get(
                    f"/toy/v1/fail/{how}?email={JANE}", headers={"traceparent": TRACE}
                )
                assert answer.status_code in (500, 503)
                assert JANE not in answer.text
            await client.post("/toy/v1/echo", json={"email": f"{JANE}@", "number": JANE})
    finally:
        server.should_exit = True
        await serving
        logging.getLogger().handlers[:] = before
    written = capfd.readouterr().err
    assert JANE not in written
    lines = [json.loads(line) for line in written.splitlines()]
    asked = [line for line in lines if line["message"] == "asked to fail"]
    assert asked[0]["trace_id"] == TRACE[3:35]
    unexpected = [line for line in lines if line["message"].startswith("unexpected")]
    assert any("test_http.py" in frame for frame in unexpected[0]["frames"])


async def test_ready_names_what_keeps_requests_unanswered(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    part = Sick(serves=True)
    app.state.parts = [part]
    answer = await client.get("/toy/health/ready")
    assert (answer.status_code, answer.json()["not_ready"]) == (503, ["toy.part: not started"])
    part.healthy()
    answer = await client.get("/toy/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert (await client.get("/toy/health/live")).json() == {"status": "live"}


async def test_a_loop_that_stands_still_takes_no_form_down(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    """Two things are said apart: whether requests are answered, and whether events move."""
    serving, moving = Sick("toy.writer", serves=True), Sick("toy.consumer")
    app.state.parts = [serving, moving]
    serving.healthy()
    ready, loop = await _health(client)
    assert (ready.status_code, loop.status_code) == (200, 503)
    assert (
        ready.json()
        == loop.json()
        == {
            "service": "toy",
            "status": "ready",
            "not_ready": [],
            "loop": "standing still",
            "not_moving": ["toy.consumer: not started"],
            "dead_letters": 0,
        }
    )
    moving.healthy()
    ready, loop = await _health(client)
    assert (ready.status_code, loop.status_code) == (200, 200)
    assert loop.json()["loop"] == "moving"
    serving._trouble = "full"
    ready, loop = await _health(client)
    assert (ready.status_code, loop.status_code) == (503, 503), "what serves nobody moves nothing"
    assert loop.json()["not_ready"] == ["toy.writer: full"]
    assert (loop.json()["loop"], loop.json()["not_moving"]) == ("standing still", [])


async def _health(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
    return await client.get("/toy/health/ready"), await client.get("/toy/health/loop")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_dead_letters_are_counted_and_stop_nothing(toy: Toy, database_url: str) -> None:
    async with Access.open(database_url) as access:
        nothing: Any = None
        infra = Infra(toy.db, nothing, access, SystemClock(), Links.parse(""))
        counting = create_app("toy", "toy", infra)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=counting), base_url="http://test"
        ) as client:
            assert (await client.get("/toy/health/loop")).json()["dead_letters"] == 0
            batch = Log().deliver(garbage("a"), garbage("b"), captured("a", 1))
            consumer = toy.consumer()
            await consumer._load(places(batch))
            await consumer.process(batch)
            answer = await client.get("/toy/health/loop")
            assert answer.status_code == 200
            assert answer.json()["dead_letters"] == 2, "what is parked waits for nobody but them"


async def test_ready_says_that_the_database_is_away(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    nothing: Any = None
    gone = Infra(
        Database.open(url, "toy"), nothing, app.state.access, SystemClock(), Links.parse("")
    )
    away = create_app("toy", "toy", gone)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=away), base_url="http://test"
    ) as other:
        answer = await other.get("/toy/health/ready")
        assert answer.status_code == 503
        assert "database" in answer.json()["not_ready"][0]
        assert (await other.get("/toy/health/live")).status_code == 200
    gone.db.close()


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/toy/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE leadloop_events_consumed_total counter" in answer.text


async def test_openapi_names_every_route_by_its_full_path(client: httpx.AsyncClient) -> None:
    document = (await client.get("/toy/openapi.json")).json()
    assert all(path.startswith("/toy/") for path in document["paths"])
    assert "/toy/health/ready" in document["paths"]
