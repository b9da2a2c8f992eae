"""``python -m tests.torture``: exit status 0 if every round was clean, 1 with findings."""

import argparse
import secrets
import sys
from dataclasses import replace
from pathlib import Path

from tests.torture.faults import FAULTS, SLOW
from tests.torture.rounds import Options, planted, torture


def main() -> int:
    """Read the arguments, run, say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--mode", choices=["distributed", "embedded"], default="distributed")
    parser.add_argument("--seconds", type=float, help="load per round, at least")
    parser.add_argument("--seed", type=int, default=None, help="the same seed, the same blows")
    parser.add_argument("--fault", choices=sorted(FAULTS), default="", help="plant one")
    parser.add_argument("--slow", action="store_true", help="no fault, but slow at every step")
    parser.add_argument("--folder", type=Path, help="where to keep everything, also when clean")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(1_000_000)
    print(f"seed {seed}", flush=True)
    options = Options(
        mode=arguments.mode,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        seed=seed,
        folder=arguments.folder,
    )
    if arguments.slow:
        options = replace(options, fault=SLOW)
    if arguments.fault:
        options = planted(arguments.fault, options)
    return 0 if torture(options).clean else 1


if __name__ == "__main__":
    sys.exit(main())
