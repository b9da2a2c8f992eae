"""What the benchmarks look at: processes, counters, assignments as an open inbox sees them."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from dev.stack import Process, Stack
from tests.bench.load import post

SERVER_CORE, OTHER_CORE = "0", "1"
PINNED = (
    ("taskset", "-c", SERVER_CORE) if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else ()
)
LEADS = "/capture/v1/leads"
CONSUMED = "leadloop_events_consumed_total"
PUBLISHED = "leadloop_relay_published_total"
ASSIGNED = "leadloop_routing_assignments_total"


def leads(
    key: str, run: str, *, title: str = "VP Marketing", half_students: bool = False
) -> Iterator[bytes]:
    """New people for ever; with the usual title they become MQLs, as ``Student`` they don't."""
    number = 0
    while True:
        number += 1
        student = title == "Student" or (half_students and number % 2 == 0)
        body = {
            "email": f"lead.{run}.{number}@buyer{number % 977}.example",
            "first_name": "Robin",
            "last_name": f"Bench {number}",
            "company": "Buyer Ltd",
            "job_title": "Student" if student else title,
            "country": "DE",
            "employees": (1 if student else 120) + number % 40,
            "industry": "software",
            "utm_source": "bench",
            "utm_campaign": run,
            "consent": {"purpose": "sales", "granted": True, "basis": "consent"},
        }
        yield post(LEADS, orjson.dumps(body), key)


def of(process: Process) -> psutil.Process:
    """The process itself, not the ``taskset`` that started it."""
    assert process.popen is not None
    return psutil.Process(process.popen.pid)


def rss_mb(process: Process) -> float:
    """Resident memory."""
    return float(of(process).memory_info().rss / 1e6)


def cpu_seconds(process: Process) -> float:
    """Processor time used so far, the system's part included."""
    used = of(process).cpu_times()
    return float(used.user + used.system)


def disk_bytes(folder: Path) -> int:
    """What a folder's files occupy."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def port_of(process: Process) -> int:
    return int(process.environment["PORT"])


def admin(process: Process) -> dict[str, str]:
    return {"Authorization": "Bearer " + process.environment["LEADLOOP_ADMIN_KEY"]}


async def roomy(routing: Process, keys: Process | None = None) -> None:
    """Let every rep have as many leads as there are."""
    async with httpx.AsyncClient(base_url=routing.url, headers=admin(keys or routing)) as http:
        for rep in (await http.get("/routing/v1/reps")).json()["items"]:
            path, room = f"/routing/v1/reps/{rep['rep_id']}", {"capacity": 10_000}
            (await http.patch(path, json=room)).raise_for_status()


class Assignments:
    """What open inboxes see: the streams of all reps, with the time each lead showed up."""

    def __init__(self, routing: Process, keys: Process) -> None:
        self._http = httpx.AsyncClient(base_url=routing.url, headers=admin(keys), timeout=60)
        self._due: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        reps = (await self._http.get("/routing/v1/reps")).json()["items"]
        ready = [asyncio.Event() for _ in reps]
        self._tasks = [
            asyncio.create_task(self._follow(rep["rep_id"], event))
            for rep, event in zip(reps, ready, strict=True)
        ]
        await asyncio.gather(*(event.wait() for event in ready))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def posted(self, due: float, answer: bytes) -> None:
        """A lead that was due then was accepted with this answer."""
        self._due[orjson.loads(answer)["lead_id"]] = due

    async def all(self, number: int) -> list[float]:
        """Seconds from due to visible, once all of them are."""
        deadline = time.perf_counter() + 60
        while not self._due.keys() <= self._seen.keys():
            if time.perf_counter() > deadline:
                raise SystemExit(f"{len(self._due.keys() - self._seen.keys())} never showed up")
            await asyncio.sleep(0.05)
        return [self._seen[lead] - due for lead, due in self._due.items()]

    async def _follow(self, rep_id: str, ready: asyncio.Event) -> None:
        url = f"/routing/v1/stream?rep_id={rep_id}"
        async with self._http.stream("GET", url) as response:
            rest = b""
            async for piece in response.aiter_raw():
                now = time.perf_counter()
                *events, rest = (rest + piece).split(b"\n\n")
                for event in events:
                    if b"event: ready" in event:
                        ready.set()
                    elif (at := event.find(b'"lead_id":"')) > 0:
                        self._seen.setdefault(event[at + 11 : at + 47].decode(), now)


async def counter(process: Process, name: str, label: str | None = None) -> float:
    """A counter of the process's metrics; 0 while it does not answer or has not counted yet."""
    async with httpx.AsyncClient() as http:
        try:
            text = (await http.get(f"{process.url}/{process.service}/metrics")).text
        except httpx.HTTPError:
            return 0.0
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith(name) and (label is None or f'"{label}"' in line)
    )


async def assigned_total(routing: Process) -> float:
    """Leads handed to a rep by this process since it started."""
    return await counter(routing, ASSIGNED)


async def drained(stack: Stack) -> None:
    """Wait until no process of the stack consumes or publishes anything any more."""
    quiet, last = 0, -1.0
    while quiet < 5:
        now = 0.0
        for process in stack.processes.values():
            now += await counter(process, CONSUMED) + await counter(process, PUBLISHED)
        quiet, last = (quiet + 1, now) if now == last else (0, now)
        await asyncio.sleep(0.2)


async def bare_loop(stack: Stack, messages: int) -> float:
    """The bare loop over what capture wrote, on the server's core; messages per second."""
    target = f"bench.{os.getpid()}"
    admin_client: Any = AIOKafkaAdminClient(bootstrap_servers=stack.kafka.bootstrap)
    await admin_client.start()
    await admin_client.create_topics([NewTopic(target, 6, 1)])
    await admin_client.close()
    loop = await asyncio.create_subprocess_exec(
        *PINNED, sys.executable, "-m", "tests.bench.bare", "echo",
        stack.kafka.bootstrap, "lead.captured", target, str(messages),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await loop.communicate()
    return float(printed)


async def answering(port: int) -> None:
    """Wait until a server listens."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
