"""``make bench``: what the promises cost, measured side by side in one run.

The server under test has one core to itself; the load, PostgreSQL and Kafka share the other. What
is compared runs in turns, so that a slow minute of the machine hits all of them.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import psutil
import uvloop
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from dev.parts.process import free_port
from dev.stack import LEADLOOP, Process, Stack, embedded
from tests.bench.load import Tally, drive, percentile, post

SERVER_CORE, OTHER_CORE = "0", "1"
PINNED = (
    ("taskset", "-c", SERVER_CORE) if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else ()
)
LEADS = "/capture/v1/leads"
CONNECTIONS = 64
STUDENT = "Student"
JSON = {"Content-Type": "application/json"}


def leads(key: str, run: str, *, title: str = "VP Marketing") -> Iterator[bytes]:
    """New people for ever; with the usual title they become MQLs, as ``Student`` they don't."""
    number = 0
    while True:
        number += 1
        body = {
            "email": f"lead.{run}.{number}@buyer{number % 977}.example",
            "first_name": "Robin",
            "last_name": f"Bench {number}",
            "company": "Buyer Ltd",
            "job_title": title,
            "country": "DE",
            "employees": (120 if title != STUDENT else 1) + number % 40,
            "industry": "software",
            "utm_source": "bench",
            "utm_campaign": run,
            "consent": {"purpose": "sales", "granted": True, "basis": "consent"},
        }
        yield post(LEADS, orjson.dumps(body), key)


def rss(process: Process) -> float:
    """Resident memory in MB."""
    assert process.popen is not None
    return float(psutil.Process(process.popen.pid).memory_info().rss / 1e6)


def admin(process: Process) -> dict[str, str]:
    return {"Authorization": "Bearer " + process.environment["LEADLOOP_ADMIN_KEY"]}


class Bench:
    """One run. Figures are collected as lines of a table and printed at the end."""

    def __init__(self, folder: Path, seconds: float, turns: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.turns = turns
        self.table = Table("what", "measured", "ratio", "aim", title="Leadloop benchmarks")
        self.console = Console()

    def line(self, what: str, measured: str, ratio: str = "", aim: str = "") -> None:
        self.table.add_row(what, measured, ratio, aim)
        self.console.print(f"  {what}: {measured} {ratio} {aim}")

    async def run(self) -> None:
        await self.start_and_memory()
        with Stack(self.folder / "stack", command=(*PINNED, *LEADLOOP)) as stack:
            await self.accept(stack)
            await self.pipeline_embedded()
            await self.pipeline(
                "Kafka and PostgreSQL, 4 processes on one core",
                stack.processes["capture-1"],
                stack.processes["routing-1"],
            )
            await self.consume(stack)
        self.console.print(self.table)

    async def start_and_memory(self) -> None:
        """From the command to the first page, and what it occupies."""
        process = embedded(self.folder / "first", command=(*PINNED, *LEADLOOP))
        began = time.perf_counter()
        process.start()
        async with httpx.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(process.url + "/")).is_success:
                        break
                except httpx.HTTPError:
                    await asyncio.sleep(0.02)
        self.line(
            "start to first page, empty folder", f"{time.perf_counter() - began:.2f} s", aim="3 s"
        )
        process.wait_ready()
        await asyncio.sleep(3)
        self.line("memory at rest, embedded", f"{rss(process):.0f} MB", aim="250 MB")
        key = process.environment["LEADLOOP_ADMIN_KEY"]
        await drive(
            port_of(process), leads(key, "memory"), connections=CONNECTIONS, seconds=self.seconds
        )
        self.line("memory under load, embedded", f"{rss(process):.0f} MB", aim="250 MB")
        process.stop()

    async def accept(self, stack: Stack) -> None:
        """Durable accept ÷ an endpoint that stores nothing."""
        port = free_port()
        bare = subprocess.Popen(
            [*PINNED, sys.executable, "-m", "tests.bench.bare", "serve", str(port)]
        )
        alone = embedded(self.folder / "accept", "capture", command=(*PINNED, *LEADLOOP))
        alone.start()
        alone.wait_ready()
        await answering(port)
        rates: dict[str, list[float]] = {"bare": [], "embedded": [], "postgresql": []}
        for turn in range(self.turns):
            for name, at, key in (
                ("bare", port, "none"),
                ("embedded", port_of(alone), alone.environment["LEADLOOP_ADMIN_KEY"]),
                ("postgresql", port_of(stack.processes["capture-1"]), stack.admin_key),
            ):
                tally = await drive(
                    at,
                    leads(key, f"a{turn}{name}", title=STUDENT),
                    connections=CONNECTIONS,
                    seconds=self.seconds,
                )
                all_good(tally)
                rates[name].append(tally.rate)
                await drained(stack)
        bare.terminate()
        bare.wait()
        alone.stop()
        base = statistics.median(rates["bare"])
        self.line("bare FastAPI endpoint, stores nothing", f"{base:,.0f}/s", "1.00")
        for name, aim in (("embedded", "1.0"), ("postgresql", "0.7")):
            rate = statistics.median(rates[name])
            self.line(f"durable accept, {name}", f"{rate:,.0f}/s", f"{rate / base:.2f}", aim)

    async def pipeline_embedded(self) -> None:
        process = embedded(self.folder / "pipeline", command=(*PINNED, *LEADLOOP))
        process.start()
        process.wait_ready()
        await self.pipeline("embedded", process, process)
        process.stop()

    async def pipeline(self, name: str, capture: Process, routing: Process) -> None:
        """Accept to committed assignment: throughput of a burst, then latency at half of it."""
        key = capture.environment["LEADLOOP_ADMIN_KEY"]
        async with httpx.AsyncClient(base_url=routing.url, headers=admin(capture)) as http:
            for rep in (await http.get("/routing/v1/reps")).json()["items"]:
                path, room = f"/routing/v1/reps/{rep['rep_id']}", {"capacity": 10_000}
                (await http.patch(path, json=room)).raise_for_status()
            before = await counter(routing, ASSIGNED)
            began = time.perf_counter()
            tally = await drive(
                port_of(capture), leads(key, f"p{began:.0f}"), connections=CONNECTIONS,
                seconds=self.seconds,
            )  # fmt: skip
            accepted = tally.statuses[202]
            while await counter(routing, ASSIGNED) - before < accepted:
                if time.perf_counter() - began > 300:
                    raise SystemExit(f"{name}: the pipeline did not drain")
                await asyncio.sleep(0.05)
            rate = accepted / (time.perf_counter() - began)
            self.line(f"whole pipeline, {name}", f"{rate:,.0f} leads/s ({accepted} leads)")
            waits = await self._latencies(http, capture, key, rate / 2)
        p50, p99 = percentile(waits, 0.5) * 1e3, percentile(waits, 0.99) * 1e3
        self.line(
            f"post to visible assignment at half load, {name}",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(waits)} leads)",
            aim="p99 250 ms",
        )

    async def _latencies(
        self, http: httpx.AsyncClient, capture: Process, key: str, rate: float
    ) -> list[float]:
        """Seconds from sending a lead to reading its owner, sampled under a steady load."""
        waits: list[float] = []

        async def probe(number: int) -> None:
            body = next(leads(key, f"probe{number}.{time.time():.0f}")).partition(b"\r\n\r\n")[2]
            began = time.perf_counter()
            answer = await http.post(
                capture.url + LEADS, content=body, headers={"Content-Type": "application/json"}
            )
            lead_id = answer.json()["lead_id"]
            while (await http.get(f"/routing/v1/leads/{lead_id}/decision")).status_code == 404:
                await asyncio.sleep(0.01)
            waits.append(time.perf_counter() - began)

        steady = asyncio.create_task(
            drive(
                port_of(capture),
                leads(key, f"s{time.time():.0f}"),
                connections=32,
                seconds=self.seconds * 2,
                rate=rate,
            )
        )
        number = 0
        while not steady.done():
            number += 1
            await probe(number)
            await asyncio.sleep(0.02)
        await steady
        return waits

    async def consume(self, stack: Stack) -> None:
        """consume → score → commit → emit ÷ a bare consume + produce loop over the same topic."""
        qualify, capture = stack.processes["qualify-1"], stack.processes["capture-1"]
        await drained(stack)
        qualify.stop()
        tally = await drive(
            port_of(capture),
            leads(stack.admin_key, "c", title=STUDENT),
            connections=CONNECTIONS,
            seconds=self.seconds * 2,
        )
        waiting = tally.statuses[202]
        await drained(stack)
        for name in ("capture-1", "routing-1", "feedback-1"):  # the core is qualify's alone
            stack.processes[name].stop()
        qualify.start()
        while await counter(qualify, CONSUMED, "qualify") == 0:
            await asyncio.sleep(0.005)
        first, began = await counter(qualify, CONSUMED, "qualify"), time.perf_counter()
        while (
            await counter(qualify, CONSUMED, "qualify") < waiting
            or await counter(qualify, PUBLISHED, "qualify") < waiting
        ):
            if time.perf_counter() - began > 180:
                raise SystemExit("qualify did not catch up:\n" + qualify.tail())
            await asyncio.sleep(0.02)
        rate = (waiting - first) / (time.perf_counter() - began)
        bare = await bare_loop(stack, waiting)
        self.line("bare aiokafka consume + produce + commit", f"{bare:,.0f} events/s", "1.00")
        ratio = f"{rate / bare:.2f}"
        self.line("consume, score, commit, emit", f"{rate:,.0f} events/s", ratio, "0.2")


CONSUMED = "leadloop_events_consumed_total"
PUBLISHED = "leadloop_relay_published_total"
ASSIGNED = "leadloop_routing_assignments_total"


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
    admin_client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka.bootstrap)
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


def port_of(process: Process) -> int:
    return int(process.environment["PORT"])


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


def all_good(tally: Tally) -> None:
    """A rate of refusals is no rate."""
    if set(tally.statuses) != {202}:
        raise SystemExit(f"not every request was accepted: {dict(tally.statuses)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measurement")
    parser.add_argument("--turns", type=int, default=3, help="turns of the accept comparison")
    arguments = parser.parse_args()
    if PINNED:
        os.sched_setaffinity(0, {int(OTHER_CORE)})
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        bench = Bench(Path(folder), arguments.seconds, arguments.turns)
        uvloop.run(bench.run())


if __name__ == "__main__":
    main()
