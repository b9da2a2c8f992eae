"""What learning and back-testing cost: seconds, leads a second, memory of the process.

What is measured for memory runs in a process of its own: ``python -m tests.bench_learning.speed
NAME LEADS`` prints one JSON object.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from shared.scorecard.definition import compile_definition
from shared.scorecard.figures import Judged, auc, curve, precision, recall
from shared.scorecard.scoring import Inputs, evaluate
from shared.scorecard.table import Row, Table
from shared.scorecard.table_scoring import scores
from tests.bench_learning.judge import MOMENT
from tests.bench_learning.learner import answered_at_once, one_look
from tests.bench_learning.many import measured
from tests.bench_learning.report import Report
from tests.bench_learning.small import CATEGORIES, NUMBERS, SmallWorld

TURNS = 7
PIECE = 4096


def run_speed(report: Report, folder: Path, quick: bool) -> None:
    """Every figure of this module: through the product, then of the parts by themselves."""
    leads = 10_000 if quick else 100_000
    count, look, test = asyncio.run(measured(folder / "many", leads))
    report.line(
        f"through the product: a look at {look.answer['answers']:,} answers ({count:,} leads; "
        f"{look.answer['done'] or 'nothing'})",
        f"{look.seconds:.1f} s, {look.peak_mb:.0f} MB; the service grew by {look.server_mb:.0f} MB",
    )
    report.line(
        f"through the product: a back-test of {test.answer['leads']:,} leads",
        f"{test.seconds:.1f} s, {test.answer['leads'] / test.seconds:,.0f} leads/s, "
        f"{test.peak_mb:.0f} MB; the service grew by {test.server_mb:.0f} MB",
        "10 s", test.seconds <= 10,
    )  # fmt: skip
    told = _apart("backtest", leads)
    report.line(
        f"back-test of {leads:,} leads: scores, precision, recall, AUC, curve (12 criteria)",
        f"{told['seconds']:.1f} s, {leads / told['seconds']:,.0f} leads/s; "
        f"{told['peak_mb']:.0f} MB at most, {told['rest_mb']:.0f} MB of it before the first lead",
        "10 s", told["seconds"] <= 10,
    )  # fmt: skip
    told = _apart("learn", leads)
    report.line(
        f"learn from {leads:,} answered leads ({told['outcome']})",
        f"{told['seconds']:.1f} s ({told['used']:.1f} s of processor time); "
        f"{told['peak_mb']:.0f} MB at most, {told['rest_mb']:.0f} MB of it the leads",
    )
    few, many = _evaluations(8, 30)
    report.line(
        "scoring one lead, 30 criteria ÷ 8",
        f"{many:.0f} ÷ {few:.0f} µs = {many / few:.1f}",
        "30 ÷ 8 = 3.75", many / few <= 30 / 8,
    )  # fmt: skip


def _apart(name: str, leads: int) -> dict[str, Any]:
    """What a process of its own measured."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench_learning.speed", name, str(leads)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"speed {name}:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def definition_of(criteria: int) -> dict[str, Any]:
    """A definition of so many criteria, most of which look at facts that leads have."""
    made: list[dict[str, Any]] = []
    fields = [*CATEGORIES, *NUMBERS]
    for number in range(criteria):
        name = fields[number % len(fields)]
        one: dict[str, Any] = {"id": f"c{number}", "group": "fit", "field": f"fields.{name}"}
        if name in CATEGORIES:
            values = CATEGORIES[name]
            value = [values[(number + step) % len(values)] for step in range(2)]
            made.append({**one, "operator": "in", "value": value, "points": 5})
        else:
            cut = 3 + 7 * number
            low = {"operator": "less_than", "value": cut, "points": 2}
            high = {"operator": "at_least", "value": cut * 4, "points": 9}
            made.append({**one, "levels": [{"operator": "is_missing", "points": -3}, low, high]})
    return {"name": "Speed", "threshold": 20, "criteria": made}


def _evaluations(*numbers: int) -> list[float]:
    """Microseconds of processor time that ``evaluate`` takes for a lead with so many criteria: the
    least of some turns, in each of which every number has its own."""
    definitions = [compile_definition(1, definition_of(number)) for number in numbers]
    leads = [Inputs(facts, {}, {}) for facts in SmallWorld(1).leads(500).facts]
    turns: list[list[float]] = [[] for _ in numbers]
    for _ in range(TURNS):
        for definition, times in zip(definitions, turns, strict=True):
            began = time.process_time()
            for lead in leads:
                evaluate(definition, lead, MOMENT)
            times.append((time.process_time() - began) / len(leads) * 1e6)
    return [min(times) for times in turns]


def _backtest(count: int) -> dict[str, Any]:
    """As a back-test reads them from a database, leads come in pieces and only columns stay."""
    definition = compile_definition(1, definition_of(12))
    making, chances = 0.0, []

    def rows() -> Iterator[Row]:
        nonlocal making
        world = SmallWorld(2)
        for start in range(0, count, PIECE):
            began = time.perf_counter()
            leads = world.leads(min(PIECE, count - start))
            chances.append(leads.chances)
            made = [
                Row(str(start + place), facts, {}, {}, MOMENT + timedelta(minutes=start + place))
                for place, facts in enumerate(leads.facts)
            ]
            making += time.perf_counter() - began
            yield from made

    rest, began = _peak_mb(), time.perf_counter()
    table = Table.of(rows())
    labels = (np.random.default_rng(1).random(count) < np.concatenate(chances)).astype(np.int64)
    scored = scores(definition, table)
    judged = Judged(labels, np.ones(count), np.zeros(count, bool))
    precision(scored.mql, judged), recall(scored.mql, judged), auc(scored.rank, judged)
    curve(scored.total, scored.disqualified, judged)
    return {"seconds": time.perf_counter() - began - making, "rest_mb": rest}


def _learn(count: int) -> dict[str, Any]:
    world = SmallWorld(3)
    samples = answered_at_once(world, count)
    rest, began, used = _peak_mb(), time.perf_counter(), time.process_time()
    found = one_look(world.starter(), samples)
    return {
        "seconds": time.perf_counter() - began,
        "used": time.process_time() - used,
        "rest_mb": rest,
        "outcome": found,
    }


def _peak_mb() -> float:
    """The most memory this process has held so far (Linux counts it in kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _main(name: str, count: int) -> None:
    told: Mapping[str, Any] = {"backtest": _backtest, "learn": _learn}[name](count)
    print(json.dumps({**told, "peak_mb": _peak_mb()}))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
