"""``make demo``: a simulated month of leads through the running product."""

import argparse
import asyncio
import sys

from deploy.settings import Settings
from dev.demo.month import simulate


def main() -> None:
    """Send the month; the exit status says whether all of it went through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=400, help="how many leads the month brings")
    parser.add_argument("--rate", type=float, default=12.0, help="leads a second")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same people")
    given = parser.parse_args()
    sys.exit(asyncio.run(simulate(Settings(), leads=given.leads, rate=given.rate, seed=given.seed)))


if __name__ == "__main__":
    main()
