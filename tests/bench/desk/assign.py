"""Leads handed out a second, by the number of reps and of processes.

Time stands for a whole transaction of the consumer: position, inbox, choice, assignment, decision,
event, COMMIT. Two processes hand out from partitions of their own to the same reps.
"""

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

import orjson
from rich.table import Table

from tests.bench.desk.report import Report, databases
from tests.bench.desk.worker import staffed
from tests.bench.measure import PINNED

LEADS: Final = 1000
"""For each process."""
BATCH: Final = 100
ANY_CORE: Final = ("taskset", "-c", f"0-{(os.cpu_count() or 1) - 1}") if PINNED else ()
"""Here it is processes that are compared, and the load is not on a core of its own."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is compared."""

    dialect: str
    workers: int
    reps: int
    away: int = 0

    @property
    def words(self) -> str:
        away = f", {self.away:,} of them away" if self.away else ""
        return f"{self.reps:,} reps{away}, {self.workers} process{'es' * (self.workers > 1)}"


@dataclass(frozen=True, slots=True)
class Took:
    """What it took: leads a second, processor time a lead in seconds, and the shares of the time in
    which a process waited for the other one and had the pool to itself."""

    rate: float
    processor: float
    waited: float
    held: float


SETTINGS: Final = (
    *(Setting("postgresql", workers, reps) for reps in (10, 100, 1000) for workers in (1, 2)),
    *(Setting("postgresql", workers, 1000, 500) for workers in (1, 2)),
    *(Setting("sqlite", 1, reps) for reps in (10, 100, 1000)),
    Setting("sqlite", 1, 1000, 500),
)


async def measure(report: Report) -> None:
    """Each setting on databases of its own, in turns."""
    found: dict[Setting, list[Took]] = {one: [] for one in SETTINGS}
    with databases(report.folder) as make:
        for turn in range(report.turns):
            for number, setting in enumerate(SETTINGS):
                url = make(setting.dialect, f"assign{turn}x{number}")
                staffed(url, setting.reps, setting.away).close()
                took = hand_out(url, setting.workers)
                found[setting].append(took)
                report.console.print(f"  {setting.dialect}, {setting.words}: {took.rate:,.0f}/s")
    table = Table(
        "handing out", "leads/s", "ratio", "processor time a lead", "waited", "pool held",
        title=f"batches of {BATCH}; ratio to 10 reps and one process on the same database",
    )  # fmt: skip
    for setting, tooks in found.items():
        base = found[Setting(setting.dialect, 1, 10)]
        ratio = _middle(tooks, "rate") / _middle(base, "rate")
        table.add_row(
            f"{setting.dialect}, {setting.words}",
            f"{_middle(tooks, 'rate'):,.0f}",
            f"{ratio:.2f}",
            f"{_middle(tooks, 'processor') * 1e6:,.0f} µs",
            f"{_middle(tooks, 'waited'):.0%}",
            f"{_middle(tooks, 'held'):.0%}",
        )
        report.line(
            f"handing out, {setting.dialect}, {setting.words}",
            f"{_middle(tooks, 'rate'):,.0f} leads/s",
            ratio,
        )
    report.console.print(table)


def hand_out(url: str, workers: int, leads: int = LEADS, batch: int = BATCH) -> Took:
    """So many processes hand out at once. Raises CalledProcessError when one fails."""
    asked = {"url": url, "leads": leads, "batch": batch}
    processes = [_started({**asked, "partition": number}) for number in range(workers)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    told = [orjson.loads(output) for output in map(_told, _go(processes))]
    seconds = max(one["ended"] for one in told) - min(one["began"] for one in told)
    spent = sum(one["ended"] - one["began"] for one in told)
    return Took(
        rate=workers * leads / seconds,
        processor=sum(one["processor"] for one in told) / (workers * leads),
        waited=sum(one["waited"] for one in told) / spent,
        held=sum(one["held"] for one in told) / spent,
    )


def _started(asked: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*ANY_CORE, sys.executable, "-m", "tests.bench.desk.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(asked).decode() + "\n")
    process.stdin.flush()
    return process


def _go(processes: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def _told(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return output


def _middle(tooks: list[Took], name: str) -> float:
    return statistics.median(getattr(one, name) for one in tooks)
