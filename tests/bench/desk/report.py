"""What the desk's measurements are given, and what they have in common."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console

from dev.parts.postgres import Postgres, create_database
from shared.db.database import Database
from shared.db.migrations import migrate
from tests.bench.load import percentile


class Report(Protocol):
    """The run that a measurement is part of."""

    folder: Path
    console: Console
    turns: int
    stored: int
    """Leads to have in the list of leads."""

    def line(self, what: str, measured: str, ratio: float | None = None, aim: str = "") -> None:
        """A line of the table that is printed at the end."""


@contextmanager
def databases(folder: Path) -> Iterator[Callable[[str, str], str]]:
    """Makes an empty database of a dialect and a name; returns its URL."""
    with Postgres() as server:

        def make(dialect: str, name: str) -> str:
            if dialect == "postgresql":
                return create_database(server.url, name)
            return f"sqlite:{folder / name}"

        yield make


def opened(url: str, service: str, migrations: Path) -> Database:
    """A service's database with its tables."""
    db = Database.open(url, service)
    migrate(db, migrations)
    return db


def timed(work: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spread(seconds: list[float]) -> str:
    """p50 and p99 in milliseconds."""
    p50, p99 = (percentile(seconds, share) * 1e3 for share in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
