"""A data folder with very many leads in it: a few real ones, copied inside the databases."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from dev.stack import embedded
from tests.bench.load import drive
from tests.bench.measure import leads, port_of, roomy

SEED = 2_000
IDS = {
    "capture": {"leads": ("lead_id", "identity"), "submissions": ("submission_id", "lead_id")},
    "qualify": {
        "leads": ("lead_id",),
        "decisions": ("decision_id", "lead_id"),
        "answers": ("lead_id",),
    },
    "routing": {
        "leads": ("lead_id",),
        "assignments": ("assignment_id", "lead_id"),
        "decisions": ("decision_id", "lead_id"),
        "contacts": ("lead_id",),
    },
    "feedback": {
        "lead_stages": ("lead_id",),
        "mqls": ("lead_id",),
        "attempts": ("assignment_id", "lead_id"),
        "stage_changes": ("lead_id",),
        "samples": ("lead_id",),
    },
}
"""By service and table: the columns that must differ from copy to copy."""


async def fill(folder: Path, number: int, command: Sequence[str]) -> None:
    """Make ``number`` leads in the embedded product's files, and stop it."""
    process = embedded(folder, command=command)
    process.start()
    process.wait_ready()

    await roomy(process)
    key = process.environment["LEADLOOP_ADMIN_KEY"]
    done = 0
    while done < SEED:
        found = leads(key, f"f{done}", half_students=True)
        done += (await drive(port_of(process), found, connections=16, seconds=2)).statuses[202]
    await asyncio.sleep(10)
    process.stop()
    for service, tables in IDS.items():
        multiply(folder / "data" / f"{service}.db", tables, max(1, number // done))


def multiply(file: Path, tables: dict[str, tuple[str, ...]], copies: int) -> None:
    """Every row so many times, its ids made different by a suffix that keeps their length."""
    began = time.perf_counter()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA foreign_keys=OFF")
        for table, ids in tables.items():
            columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
            columns = [name for name in columns if name != "id"]
            listed = ", ".join(f'"{name}"' for name in columns)
            changed = ", ".join(
                f'substr("{name}", 1, length("{name}") - 6) || printf(\'%06x\', n.k)'
                if name in ids and name != "identity"
                else f"\"{name}\" || '.' || n.k"
                if name == "identity"
                else f'"{name}"'
                for name in columns
            )
            # The last six digits of a UUIDv7 are random, so copies of different rows may meet.
            db.execute(f'CREATE TEMP TABLE original AS SELECT {listed} FROM "{table}"')
            db.execute(
                "WITH RECURSIVE n(k) AS "
                f"(SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {copies}) "
                f'INSERT OR IGNORE INTO "{table}" ({listed}) SELECT {changed} FROM original, n'
            )
            db.execute("DROP TABLE original")
        db.commit()
        rows = db.total_changes
    print(f"  {file.name}: {rows:,} rows in {time.perf_counter() - began:.0f} s", flush=True)
