"""Routing with its parts running: bus in, deadlines, sweeps, and the live stream."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import uvicorn

from services.routing.http.stream import Changes
from shared.access import Role
from shared.bus.api import Message
from shared.contracts.events import EventData
from shared.runtime.parts import Loop
from tests.services.routing.desk import Desk, event, mql, open_desk, person, until
from tests.services.routing.test_store import statements_of


async def publish(desk: Desk, *datas: EventData) -> None:
    """Write events to the bus as another service would."""
    await desk.bus.publish(
        [
            Message(data.topic, data.key(), e.value(), e.headers())
            for data in datas
            for e in (event(data),)
        ]
    )


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[str]:
    """Start the parts and serve; answers the base URL."""
    await desk.bus.start()
    for part in desk.service.parts:
        await part.start()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(desk.service.app, lifespan="off", log_level="warning")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for part in reversed(desk.service.parts):
                await part.stop()
            server.should_exit = True
            async with asyncio.timeout(3):  # open streams have ended with their part
                await task
            await desk.bus.stop()


@pytest_asyncio.fixture
async def base(desk: Desk) -> AsyncIterator[str]:
    async with running(desk) as url:
        yield url


class Stream:
    """Reads server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self, seconds: float = 10) -> tuple[str, dict[str, object]]:
        name, data = "", ""
        async with asyncio.timeout(seconds):
            async for line in self._lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                elif not line and name:
                    return name, json.loads(data)
        raise AssertionError("the stream ended")


async def test_from_the_bus_to_a_breach_and_back(desk: Desk, base: str) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    await desk.set_policy(sla_minutes=0.005, max_attempts=2)
    lead = mql()
    await publish(desk, person(lead.lead_id), lead)

    async def three() -> bool:
        return len(await desk.history(lead.lead_id)) >= 3

    await until(three, "a breach, another, and a sweep after the rest")
    rows = await desk.history(lead.lead_id)
    assert rows[0].rep_id != rows[1].rep_id


async def test_an_answer_makes_room_at_once(desk: Desk, base: str) -> None:
    await desk.add_reps(("ana", 1, 1))
    first, second = mql(), mql()
    await publish(desk, first)
    await until(lambda: desk.history(first.lead_id))
    await publish(desk, second)
    rep = await desk.client(Role.REP, "ana")
    (row,) = await desk.history(first.lead_id)
    await rep.post(f"/routing/v1/assignments/{row.assignment_id}/accept")
    await until(lambda: desk.history(second.lead_id), "the second lead's owner")


async def test_the_stream_shows_changes_of_this_and_of_another_process(
    desk: Desk, base: str, database_url: str, tmp_path: Path
) -> None:
    await desk.add_reps(("ana", 1, 9))
    _, key = await desk.access.create_key(Role.REP, "ana")
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{base}/routing/v1/stream"
    async with (
        httpx.AsyncClient(timeout=20) as http,
        http.stream("GET", url, headers=headers) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response)
        assert (await stream.next())[0] == "ready"
        lead = mql()
        await publish(desk, lead)
        name, data = await stream.next()
        assert (name, data["state"], data["lead_id"]) == ("assignment", "ASSIGNED", lead.lead_id)
        async with contextlib.AsyncExitStack() as stack:
            answering = desk
            if database_url.startswith("postgresql"):  # only one process writes a SQLite file
                other = open_desk(database_url, tmp_path / "two")
                answering = await stack.enter_async_context(other)
            rep = await answering.client(Role.REP, "ana")
            await rep.post(f"/routing/v1/assignments/{data['assignment_id']}/accept")
        name, data = await stream.next()
        assert (name, data["state"]) == ("assignment", "ACCEPTED")
        await publish(desk, person(lead.lead_id))
        name, data = await stream.next()
        assert name == "contact"
        assert "Jane" not in json.dumps(data)


async def test_who_may_listen_to_whom(desk: Desk, base: str) -> None:
    rep = await desk.client(Role.REP, "ana")
    admin = await desk.client(Role.ADMIN)
    marketer = await desk.client(Role.MARKETER)
    assert (await rep.get("/routing/v1/stream?rep_id=ben")).status_code == 403
    assert (await admin.get("/routing/v1/stream")).status_code == 422
    assert (await marketer.get("/routing/v1/stream?rep_id=ana")).status_code == 403


async def test_a_stream_ends_when_its_key_is_revoked(
    desk: Desk, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.routing.http.stream.CHECK_SECONDS", 0.1)
    key_id, key = await desk.access.create_key(Role.REP, "ana")
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(timeout=20) as http,
        http.stream("GET", f"{base}/routing/v1/stream", headers=headers) as response,
    ):
        lines = response.aiter_lines()
        assert "ready" in await anext(lines)
        await desk.access.revoke_key(key_id)
        async with asyncio.timeout(10):
            async for _ in lines:
                pass


async def test_a_busy_stream_ends_too_when_its_key_is_revoked(
    desk: Desk, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.routing.http.stream.CHECK_SECONDS", 0.1)
    (hub,) = [part for part in desk.service.parts if isinstance(part, Changes)]
    key_id, key = await desk.access.create_key(Role.REP, "ana")

    async def talk() -> None:
        while True:
            for queue in hub._listeners.get("ana", ()):
                queue.put_nowait(b"event: assignment\ndata: {}\n\n")
            await asyncio.sleep(0.02)

    talking = asyncio.create_task(talk())
    async with (
        httpx.AsyncClient(timeout=20) as http,
        http.stream(
            "GET", f"{base}/routing/v1/stream", headers={"Authorization": f"Bearer {key}"}
        ) as response,
    ):
        lines = response.aiter_lines()
        assert "ready" in await anext(lines)
        await desk.access.revoke_key(key_id)
        async with asyncio.timeout(10):
            async for _ in lines:
                pass
    talking.cancel()


async def test_streams_end_with_the_service(desk: Desk) -> None:
    _, key = await desk.access.create_key(Role.REP, "ana")
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(timeout=20) as http:
        async with running(desk) as url:
            response = await http.send(
                http.build_request("GET", f"{url}/routing/v1/stream", headers=headers), stream=True
            )
            lines = response.aiter_lines()
            assert "ready" in await anext(lines)
            for part in desk.service.parts:
                if isinstance(part, Loop):
                    part.leave()  # as the runner does before it lets the server stop
            async with asyncio.timeout(3):
                async for _ in lines:
                    pass
        await response.aclose()


async def test_a_breach_is_noticed_when_it_is_due(desk: Desk, base: str) -> None:
    await desk.add_reps(("ana", 1, 9))
    await desk.set_policy(sla_minutes=0.02, max_rounds=1)
    leads = [mql() for _ in range(3)]
    for lead in leads:
        await publish(desk, lead)
        await asyncio.sleep(0.2)

    async def breached() -> bool:
        return not await desk.open_rows()

    await until(breached, "three breaches")
    for lead in leads:
        (row,) = await desk.history(lead.lead_id)
        assert row.state == "EXPIRED"
        assert timedelta(0) <= row.closed_at - row.due_at < timedelta(seconds=0.5)


async def test_idle_costs_nothing(desk: Desk, base: str) -> None:
    """A lead waits for an answer, another for room, a rep listens, and nothing happens."""
    await desk.add_reps(("ana", 1, 1))
    first, second = mql(), mql()
    await publish(desk, first, second)
    await until(lambda: desk.history(first.lead_id))
    _, key = await desk.access.create_key(Role.REP, "ana")
    async with (
        httpx.AsyncClient(timeout=20) as http,
        http.stream(
            "GET", f"{base}/routing/v1/stream", headers={"Authorization": f"Bearer {key}"}
        ) as response,
    ):
        assert (await Stream(response).next())[0] == "ready"
        await asyncio.sleep(0.5)
        with statements_of(desk.db) as asked:
            await asyncio.sleep(2.5)
    if desk.db.dialect == "sqlite":
        assert asked == []
    else:
        assert sum("updated_at >" in one for one in asked) <= 8, "the stream, each second"
        others = [one for one in asked if "updated_at >" not in one and "clock_t" not in one]
        assert len(others) <= 16, "the timers, every two seconds"


async def test_ready_and_metrics(desk: Desk, base: str) -> None:
    desk.service.app.state.parts = desk.service.parts
    client = await desk.client(Role.ADMIN)

    async def ready() -> bool:
        return (await client.get("/routing/health/ready")).status_code == 200

    await until(ready)
    text = (await client.get("/routing/metrics")).text
    for name in ("assignments_total", "sla_breaches_total", "unrouted_leads"):
        assert f"leadloop_routing_{name}" in text


async def test_seed_makes_a_policy_and_three_reps_once(desk: Desk) -> None:
    assert desk.service.seed is not None
    desk.service.seed()
    desk.service.seed()
    admin = await desk.client(Role.ADMIN)
    reps = (await admin.get("/routing/v1/reps")).json()["items"]
    assert [rep["rep_id"] for rep in reps] == ["rep-ana", "rep-ben", "rep-chloe"]
    policy = (await admin.get("/routing/v1/policy")).json()
    assert policy == {
        "version": 1, "sla_minutes": 60, "accept_minutes": 240, "max_attempts": 3, "max_rounds": 3,
        "sla_by_grade": [], "warn_at": 0.75, "escalate": True, "accounts_first": True, "rules": [],
        "fallback": {"to": "everybody"},
    }  # fmt: skip
