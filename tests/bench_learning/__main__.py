"""``make bench-learning``: how well the loop learns, where the truth is known.

Worlds go through the running product by HTTP; what asks for thousands of looks calls the learner
itself. Every figure stands beside its aim.
"""

import argparse
import asyncio
import importlib.util
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from tests.bench_learning.compare import compare
from tests.bench_learning.product import Trouble
from tests.bench_learning.report import Report
from tests.bench_learning.speed import run_speed
from tests.bench_learning.studies import run_drift, run_looks, run_noise, run_year
from tests.bench_learning.worlds import PLANS, QUICK, make


def run_worlds(report: Report, folder: Path, quick: bool) -> None:
    """Each world through a product of its own."""
    if importlib.util.find_spec("leadforge") is None:
        report.console.print("  worlds: leadforge is missing; make bench-learning installs it")
        return
    for number, plan in enumerate(QUICK if quick else PLANS):
        world = make(plan)
        try:
            report.world(asyncio.run(compare(world, folder / f"world{number}")))
        except Trouble as trouble:
            report.line(f"{world.name}: the run ended early", str(trouble), "none", met=False)
    report.worlds_summed_up()


Part = Callable[[Report, Path, bool], None]
PARTS: dict[str, Part] = {
    "worlds": run_worlds,
    "noise": lambda report, _, quick: run_noise(report, quick),
    "looks": lambda report, _, quick: run_looks(report, quick),
    "year": lambda report, _, quick: run_year(report, quick),
    "drift": lambda report, _, quick: run_drift(report, quick),
    "speed": run_speed,
}


def main() -> None:
    """Run the parts that were asked for; servers are ended whatever happens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller worlds")
    given = parser.parse_args()
    only = given.only.split(",") if given.only else list(PARTS)
    if unknown := set(only) - set(PARTS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    warnings.filterwarnings("ignore", category=UserWarning)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    report, status = Report(), 0
    try:
        with tempfile.TemporaryDirectory(prefix="leadloop-learning-") as folder:
            for name in only:
                report.console.print(f"[bold]{name}[/bold]")
                PARTS[name](report, Path(folder), given.quick)
    except KeyboardInterrupt:
        report.console.print("[red]interrupted[/red]; so far:")
        status = 130
    report.show()
    sys.exit(status)


if __name__ == "__main__":
    main()
