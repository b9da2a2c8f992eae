"""Open inboxes: how soon a change that is committed is there, and what a stream costs."""

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import psutil
from rich.table import Table

from dev.parts.process import free_port
from tests.bench.desk.report import Report, databases
from tests.bench.desk.worker import staffed
from tests.bench.load import percentile
from tests.bench.measure import PINNED

FEW: Final = 10
MANY: Final = 1_000
CHANGES: Final = 300
AT_ONCE: Final = 3
EVERY: Final = 0.05
KEY: Final = "desk-bench-admin-key"


@dataclass
class Heard:
    """What came over the streams of a process: when each lead showed up, and how many bytes."""

    at: dict[str, float] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Told:
    """Seconds from commit to the client, bytes a change, kilobytes a stream, and the share of a
    core that the server uses while nothing happens."""

    waits: list[float]
    size: float
    memory: float
    idle: float


async def measure(report: Report) -> None:
    """Few and many streams of one process, on both databases."""
    table = Table(
        "open inboxes", "streams", "p50", "p99", "bytes a change", "memory a stream", "idle",
        title=f"from commit to the client, {AT_ONCE} leads a transaction",
    )  # fmt: skip
    with databases(report.folder) as make:
        for dialect in ("sqlite", "postgresql"):
            found = {}
            for number in (FEW, MANY):
                url = make(dialect, f"streams{number}")
                staffed(url, number).close()
                told = found[number] = await listened(url, number)
                table.add_row(
                    dialect, f"{number:,}", f"{percentile(told.waits, 0.5) * 1e3:.1f} ms",
                    f"{percentile(told.waits, 0.99) * 1e3:.1f} ms", f"{told.size:.0f}",
                    f"{told.memory:.0f} KB", f"{told.idle:.1%} of a core",
                )  # fmt: skip
            few, many = (percentile(found[number].waits, 0.5) for number in (FEW, MANY))
            report.line(
                f"commit to an open inbox, {MANY:,} streams ÷ {FEW}, {dialect}",
                f"p50 {many * 1e3:.1f} ÷ {few * 1e3:.1f} ms, "
                f"p99 {percentile(found[MANY].waits, 0.99) * 1e3:.1f} ms, "
                f"{found[MANY].memory:.0f} KB a stream",
                many / few,
            )
    report.console.print(table)


async def listened(url: str, number: int) -> Told:
    """Open so many streams, hand leads out, and listen."""
    port = free_port()
    process = subprocess.Popen(
        [*PINNED, sys.executable, "-m", "tests.bench.desk.inboxes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        asked = {"url": url, "port": port, "key": KEY}
        if not await _ask(process, asked):
            raise SystemExit("routing did not come up")
        server = psutil.Process(process.pid)
        first = await _open(port, "rep-0000", Heard())  # whose cost is not that of one more
        before = server.memory_info().rss
        heard = Heard()
        readers = [await _open(port, f"rep-{at:04}", heard) for at in range(number)]
        await asyncio.sleep(1)
        memory = (server.memory_info().rss - before) / number / 1e3
        used, began = sum(server.cpu_times()[:2]), time.perf_counter()
        await asyncio.sleep(4)
        idle = (sum(server.cpu_times()[:2]) - used) / (time.perf_counter() - began)
        committed = orjson.loads(
            await _ask(process, {"leads": CHANGES, "at_once": AT_ONCE, "every": EVERY})
        )
        until = time.perf_counter() + 20
        while not committed.keys() <= heard.at.keys():
            if time.perf_counter() > until:
                raise SystemExit(f"{len(committed.keys() - heard.at.keys())} never showed up")
            await asyncio.sleep(0.05)
        for reader in (first, *readers):
            reader.cancel()
        waits = [heard.at[lead] - at for lead, at in committed.items()]
        return Told(waits, sum(heard.sizes) / len(heard.sizes), memory, idle)
    finally:
        process.kill()
        process.wait()


async def _ask(process: subprocess.Popen[bytes], asked: dict[str, Any]) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(orjson.dumps(asked) + b"\n")
    process.stdin.flush()
    return await asyncio.to_thread(process.stdout.readline)


async def _open(port: int, rep_id: str, heard: Heard) -> asyncio.Task[None]:
    """A stream that is ready, and the task that reads it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/routing/v1/stream?rep_id={rep_id}"
    head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"event: ready")
    await reader.readuntil(b"\n\n")
    return asyncio.create_task(_read(reader, writer, heard))


async def _read(reader: asyncio.StreamReader, _: asyncio.StreamWriter, heard: Heard) -> None:
    while True:
        event = await reader.readuntil(b"\n\n")
        now = time.perf_counter()
        if (at := event.find(b'"lead_id":"')) > 0:
            heard.at.setdefault(event[at + 11 : at + 47].decode(), now)
            heard.sizes.append(len(event))
