"""``make bench``: what the promises cost, measured side by side in one run.

The server under test has one core to itself; the load, PostgreSQL and Kafka share the other. What
is compared runs in turns, so that a slow minute of the machine hits all of them. Load is open-loop
where latency is measured: it counts from when a request was due.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from dev.parts.process import free_port
from dev.stack import LEADLOOP, Process, Stack, embedded
from tests.bench import scale
from tests.bench.desk.parts import DESK
from tests.bench.load import Tally, drive, percentile
from tests.bench.measure import (
    CONSUMED,
    OTHER_CORE,
    PINNED,
    PUBLISHED,
    Assignments,
    answering,
    assigned_total,
    bare_loop,
    counter,
    cpu_seconds,
    disk_bytes,
    drained,
    leads,
    of,
    port_of,
    roomy,
    rss_mb,
)

CONNECTIONS = 64
STUDENT = "Student"
SERVER = (*PINNED, *LEADLOOP)
IMPORTS = "fastapi, sqlalchemy, pydantic, aiokafka"


class Bench:
    """One run. Figures are collected as lines of a table and printed at the end."""

    def __init__(self, folder: Path, given: argparse.Namespace) -> None:
        self.folder = folder
        self.seconds: float = given.seconds
        self.turns: int = given.turns
        self.only = set(given.only.split(",")) if given.only else set()
        self.stored: int = given.leads
        self.table = Table("what", "measured", "ratio", "aim", title="Leadloop benchmarks")
        self.console = Console(width=110)
        self.bare_rate = 0.0
        self.bare_cost = 0.0

    def line(self, what: str, measured: str, ratio: float | None = None, aim: str = "") -> None:
        shown = "" if ratio is None else f"{ratio:.2f}"
        self.table.add_row(what, measured, shown, aim)
        self.console.print(f"  {what}: {measured}  ratio {shown or '-'}  aim {aim or '-'}")

    async def run(self) -> None:
        for name, part in (
            ("start", self.start_and_rest),
            ("accept", self.accept),
            ("trickle", self.trickle),
            ("embedded", self.pipeline_embedded),
            ("stack", self.on_the_stack),
            ("workers", self.two_of_a_service),
            ("growth", self.growth),
        ):
            if not self.only or name in self.only:
                await part()
        for name, measure in DESK.items():
            if {"desk", name} & self.only:  # minutes each: only when asked for
                await measure(self)
        self.console.print(self.table)

    # --- one process -------------------------------------------------------------------------

    async def start_and_rest(self) -> None:
        """From the command to the first page, and what it takes to stand there."""
        imports = statistics.median(
            _timed(
                [*PINNED, sys.executable, "-c", "import fastapi, sqlalchemy, pydantic, aiokafka"]
            )
            for _ in range(3)
        )
        starts = []
        for turn in range(3):
            process = embedded(self.folder / f"first{turn}", command=SERVER)
            began = time.perf_counter()
            process.start()
            await first_page(process)
            starts.append(time.perf_counter() - began)
            if turn < 2:
                process.stop()
        start = statistics.median(starts)
        self.line(
            f"start to first page, empty folder ÷ importing {IMPORTS}",
            f"{start:.2f} s ÷ {imports:.2f} s", start / imports, "1.5",
        )  # fmt: skip
        process.wait_ready()
        await asyncio.sleep(5)
        began, used = time.perf_counter(), cpu_seconds(process)
        await asyncio.sleep(20)
        idle = (cpu_seconds(process) - used) / (time.perf_counter() - began)
        self.line("idle processor, embedded", f"{idle:.2%} of a core", aim="0.5 %")
        self.line("memory at rest, embedded", f"{rss_mb(process):.0f} MB", aim="90 MB")
        process.stop()

    async def accept(self) -> None:
        """Durable accept ÷ an endpoint that stores nothing; each alone on the core."""
        folder = self.folder / "accept"
        with (
            bare() as port,
            Stack(folder / "stack", services=("capture",), command=SERVER) as stack,
        ):
            alone = embedded(folder, "capture", command=SERVER)
            alone.start()
            alone.wait_ready()
            await answering(port)
            contenders = {
                "bare": (port, "none"),
                "embedded": (port_of(alone), alone.environment["LEADLOOP_ADMIN_KEY"]),
                "PostgreSQL": (port_of(stack.processes["capture-1"]), stack.admin_key),
            }
            servers = {
                "bare": _child(port),
                "embedded": of(alone),
                "PostgreSQL": of(stack.processes["capture-1"]),
            }
            rates: dict[str, list[float]] = {name: [] for name in contenders}
            costs: dict[str, list[float]] = {name: [] for name in contenders}
            for turn in range(self.turns):
                for name, (at, key) in contenders.items():
                    requests = leads(key, f"a{turn}{name}", title=STUDENT)
                    used = sum(servers[name].cpu_times()[:2])
                    tally = await drive(at, requests, connections=CONNECTIONS, seconds=self.seconds)
                    spent = sum(servers[name].cpu_times()[:2]) - used
                    rates[name].append(all_good(tally).rate)
                    costs[name].append(spent / tally.statuses[202] * 1e6)
                    await drained(stack)
            alone.stop()
        self.bare_rate = statistics.median(rates["bare"])
        for name, what, aim in (
            ("bare", "bare FastAPI endpoint, stores nothing", ""),
            ("embedded", "durable accept, embedded", "1.2"),
            (
                "PostgreSQL",
                "durable accept, PostgreSQL (it, Kafka and the load on one core)",
                "0.9",
            ),
        ):
            rate, cost = statistics.median(rates[name]), statistics.median(costs[name])
            measured = f"{rate:,.0f}/s, {cost:.0f} µs of processor time each"
            self.line(what, measured, rate / self.bare_rate, aim)

    async def trickle(self) -> None:
        """Processor time a lead, all the way, at a few leads a second ÷ that of a bare request."""
        with bare() as port:
            await answering(port)
            server = _child(port)
            used = server.cpu_times()
            tally = await drive(
                port, leads("none", "t"), connections=8, seconds=self.seconds, rate=500
            )
            spent = server.cpu_times()
            bare_cost = (spent.user + spent.system - used.user - used.system) / tally.statuses[202]
        for rate in (5, 50):
            process = embedded(self.folder / f"trickle{rate}", command=SERVER)
            process.start()
            process.wait_ready()
            await roomy(process)
            key = process.environment["LEADLOOP_ADMIN_KEY"]
            await drive(port_of(process), leads(key, "w"), connections=4, seconds=2, rate=rate)
            await asyncio.sleep(2)
            used = cpu_seconds(process)
            tally = await drive(
                port_of(process), leads(key, "t"), connections=4, seconds=20, rate=rate
            )
            await settled(process, tally.statuses[202])
            each = (cpu_seconds(process) - used) / tally.statuses[202]
            self.line(
                f"processor time a lead at {rate} leads/s ÷ that of a bare request",
                f"{each * 1e3:.2f} ms ÷ {bare_cost * 1e3:.3f} ms ({each * rate:.0%} of the core)",
                each / bare_cost,
                "20" if rate == 5 else "",
            )
            process.stop()

    async def pipeline_embedded(self) -> None:
        process = embedded(self.folder / "pipeline", command=SERVER)
        process.start()
        process.wait_ready()
        rate = await self.pipeline("embedded", process, process)
        base = await self.bare_requests()
        self.line(
            "whole pipeline, embedded, leads/s ÷ bare requests/s",
            f"{rate:,.0f}/s ÷ {base:,.0f}/s", rate / base, "0.3",
        )  # fmt: skip
        await self.latency("embedded", process, process, rate / 2, "150 ms")
        process.stop()

    # --- the stack ---------------------------------------------------------------------------

    async def on_the_stack(self) -> None:
        with Stack(self.folder / "stack", command=SERVER) as stack:
            capture, routing = stack.processes["capture-1"], stack.processes["routing-1"]
            name = "Kafka and PostgreSQL, 4 processes on one core"
            rate = await self.pipeline(name, capture, routing)
            self.line(f"whole pipeline, {name}", f"{rate:,.0f} leads/s")
            await self.latency(name, capture, routing, rate / 2, "250 ms")
            await self.consume(stack)

    async def pipeline(self, name: str, capture: Process, routing: Process) -> float:
        """Leads a second from post to committed assignment, in a burst."""
        key = capture.environment["LEADLOOP_ADMIN_KEY"]
        await roomy(routing, capture)
        before = await assigned_total(routing)
        began = time.perf_counter()
        tally = await drive(
            port_of(capture), leads(key, f"p{began:.0f}"), connections=CONNECTIONS,
            seconds=self.seconds * 2,
        )  # fmt: skip
        accepted = all_good(tally).statuses[202]
        while await assigned_total(routing) - before < accepted:
            if time.perf_counter() - began > 300:
                raise SystemExit(f"{name}: the pipeline did not drain")
            await asyncio.sleep(0.05)
        return accepted / (time.perf_counter() - began)

    async def latency(
        self, name: str, capture: Process, routing: Process, rate: float, aim: str
    ) -> None:
        """From when a lead was due to be posted to its assignment in an open inbox's stream."""
        seconds = max(self.seconds * 2, 600 / rate)
        async with Assignments(routing, capture) as seen:
            tally = await drive(
                port_of(capture),
                leads(capture.environment["LEADLOOP_ADMIN_KEY"], f"l{time.time():.0f}"),
                connections=32,
                seconds=seconds,
                rate=rate,
                on_lead=seen.posted,
            )
            all_good(tally)
            waits = await seen.all(tally.statuses[202])
        p50, p99 = percentile(waits, 0.5) * 1e3, percentile(waits, 0.99) * 1e3
        self.line(
            f"post to visible assignment at half load ({rate:,.0f}/s), {name}",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(waits)} leads)",
            aim=f"p99 {aim}",
        )

    async def consume(self, stack: Stack) -> None:
        """consume → score → commit → emit ÷ a bare consume + produce loop over the same topic."""
        qualify, capture = stack.processes["qualify-1"], stack.processes["capture-1"]
        await drained(stack)
        qualify.stop()
        tally = await drive(
            port_of(capture), leads(stack.admin_key, "c", title=STUDENT), connections=CONNECTIONS,
            seconds=max(8.0, self.seconds * 2),
        )  # fmt: skip
        waiting = tally.statuses[202]
        await drained(stack)
        for name in ("capture-1", "routing-1", "feedback-1"):  # the core is qualify's alone
            stack.processes[name].stop()
        qualify.start()
        rate = await _caught_up(qualify, waiting)
        bare_rate = await bare_loop(stack, waiting)
        self.line("bare aiokafka consume + produce + commit", f"{bare_rate:,.0f} events/s", 1.0)
        self.line("consume, score, commit, emit", f"{rate:,.0f} events/s", rate / bare_rate, "0.3")

    async def two_of_a_service(self) -> None:
        """Two processes of a service ÷ one, each on a core of its own: needs cores to spare."""
        cores = os.cpu_count() or 1
        for service, emits in (("qualify", CONSUMED), ("routing", CONSUMED)):
            rates = {}
            for number in (1, 2):
                folder = self.folder / f"{service}{number}"
                with Stack(folder, replicas={service: number}, command=LEADLOOP) as stack:
                    await roomy(stack.processes["routing-1"], stack.processes["capture-1"])
                    workers = [p for p in stack.processes.values() if p.service == service]
                    for process in workers:
                        process.stop()
                    tally = await drive(
                        port_of(stack.processes["capture-1"]), leads(stack.admin_key, "w"),
                        connections=CONNECTIONS, seconds=self.seconds,
                    )  # fmt: skip
                    await drained(stack)
                    for process in workers:
                        process.start()
                    began = time.perf_counter()
                    expected = tally.statuses[202]
                    while sum([await counter(p, emits, service) for p in workers]) < expected:
                        if time.perf_counter() - began > 120:
                            break
                        await asyncio.sleep(0.05)
                    rates[number] = expected / (time.perf_counter() - began)
            self.line(
                f"two {service} processes ÷ one, on a machine with {cores} cores",
                f"{rates[2]:,.0f} ÷ {rates[1]:,.0f} leads/s, start included",
                rates[2] / rates[1],
            )

    # --- growth ------------------------------------------------------------------------------

    async def growth(self) -> None:
        """Bytes and memory a lead; accept and pipeline with many leads stored ÷ empty."""
        process = embedded(self.folder / "growth", command=SERVER)
        process.start()
        process.wait_ready()
        await roomy(process)
        await asyncio.sleep(3)
        rest, empty = rss_mb(process), disk_bytes(self.folder / "growth" / "data")
        key = process.environment["LEADLOOP_ADMIN_KEY"]
        total = 0
        while total < self.leads_stored:
            tally = await drive(
                port_of(process), leads(key, f"g{total}", half_students=True),
                connections=CONNECTIONS, seconds=10,
            )  # fmt: skip
            total += tally.statuses[202]
        await settled(process, 0)
        await asyncio.sleep(5)
        full = rss_mb(process)
        process.stop()
        size = disk_bytes(self.folder / "growth" / "data") - empty
        self.line(
            f"bytes on disk a lead, all services ({total:,} leads, half MQLs)",
            f"{size / total / 1000:.1f} KB", aim="8 KB",
        )  # fmt: skip
        self.line(
            f"memory at {total:,} leads ÷ at rest",
            f"{full:.0f} ÷ {rest:.0f} MB",
            full / rest,
            "1.2",
        )

    leads_stored = 45_000

    async def scaled(self, million: int) -> None:
        """Accept and pipeline with so many leads stored ÷ empty, in turns."""
        rates: dict[str, dict[str, list[float]]] = {}
        folders = {"empty": self.folder / "empty", "full": self.folder / "full"}
        await scale.fill(folders["full"], million, SERVER)
        for turn in range(self.turns):
            for name, folder in folders.items():
                process = embedded(folder, command=SERVER)
                process.start()
                process.wait_ready()
                await roomy(process)
                key = process.environment["LEADLOOP_ADMIN_KEY"]
                tally = await drive(
                    port_of(process), leads(key, f"s{turn}{name}", title=STUDENT),
                    connections=CONNECTIONS, seconds=self.seconds,
                )  # fmt: skip
                rates.setdefault("accept", {}).setdefault(name, []).append(all_good(tally).rate)
                await settled(process, 0)
                rate = await self.pipeline(name, process, process)
                rates.setdefault("pipeline", {}).setdefault(name, []).append(rate)
                process.stop()
        for what, found in rates.items():
            full, empty = (statistics.median(found[name]) for name in ("full", "empty"))
            self.line(
                f"{what} with {million:,} leads stored ÷ empty",
                f"{full:,.0f} ÷ {empty:,.0f} /s", full / empty, "0.9",
            )  # fmt: skip
        self.console.print(self.table)

    async def bare_requests(self) -> float:
        """Requests a second of the bare endpoint."""
        if not self.bare_rate:
            with bare() as port:
                await answering(port)
                tally = await drive(
                    port, leads("none", "b"), connections=CONNECTIONS, seconds=self.seconds
                )
                self.bare_rate = tally.rate
        return self.bare_rate


@contextmanager
def bare() -> Iterator[int]:
    """The bare endpoint, on a port of its own."""
    port = free_port()
    server = subprocess.Popen(
        [*PINNED, sys.executable, "-m", "tests.bench.bare", "serve", str(port)]
    )
    _CHILDREN[port] = server.pid
    try:
        yield port
    finally:
        server.terminate()
        server.wait()


_CHILDREN: dict[int, int] = {}


def _child(port: int) -> psutil.Process:
    return psutil.Process(_CHILDREN[port])


async def first_page(process: Process) -> None:
    """Wait until the front page answers."""
    async with httpx.AsyncClient() as http:
        while True:
            try:
                if (await http.get(process.url + "/")).is_success:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.02)


async def settled(process: Process, assigned: int) -> None:
    """Wait until a process uses no processor time to speak of, and has assigned so many."""
    while assigned and await assigned_total(process) < assigned:
        await asyncio.sleep(0.2)
    quiet = 0
    while quiet < 4:
        used = cpu_seconds(process)
        await asyncio.sleep(0.25)
        quiet = quiet + 1 if cpu_seconds(process) - used < 0.02 else 0


async def _caught_up(qualify: Process, waiting: int) -> float:
    while await counter(qualify, CONSUMED, "qualify") == 0:
        await asyncio.sleep(0.005)
    first, began = await counter(qualify, CONSUMED, "qualify"), time.perf_counter()
    while (
        await counter(qualify, CONSUMED, "qualify") < waiting
        or await counter(qualify, PUBLISHED, "qualify") < waiting
    ):
        if time.perf_counter() - began > 180:
            raise SystemExit("qualify did not catch up:\n" + qualify.tail())
        await asyncio.sleep(0.05)
    return (waiting - first) / (time.perf_counter() - began)


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def all_good(tally: Tally) -> Tally:
    """A rate of refusals is no rate."""
    if set(tally.statuses) != {202}:
        raise SystemExit(f"not every request was accepted: {dict(tally.statuses)}")
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one measurement")
    parser.add_argument("--turns", type=int, default=3, help="turns of a comparison")
    parser.add_argument("--only", default="", help="start,accept,…,desk,desk-leads,…")
    parser.add_argument(
        "--leads", type=int, default=1_000_000, help="leads in the list that desk-leads asks"
    )
    parser.add_argument(
        "--scale", type=int, nargs="?", const=1_000_000, default=0,
        help="compare with so many leads stored, and nothing else",
    )  # fmt: skip
    given = parser.parse_args()
    # A machine that was told to keep no bytecode would compile the product at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if PINNED:
        os.sched_setaffinity(0, {int(OTHER_CORE)})
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        bench = Bench(Path(folder), given)
        uvloop.run(bench.scaled(given.scale) if given.scale else bench.run())


if __name__ == "__main__":
    main()
