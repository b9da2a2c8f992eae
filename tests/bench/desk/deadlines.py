"""The clock on reps' answers: a thousand deadlines that have passed, among very many that run."""

import statistics
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.table import Table
from sqlalchemy import text

from services.routing.domain.assignment import Assignment, State
from services.routing.domain.lead import Lead
from services.routing.handlers import deadlines
from services.routing.store import queries
from services.routing.store.unit import Routing
from shared.contracts.ids import new_id
from shared.db.database import Database
from shared.db.types import stored_time
from shared.runtime.clock import SystemClock
from shared.runtime.unit import Transactions
from tests.bench.desk.report import Report, databases, timed
from tests.bench.desk.worker import staffed

REPS: Final = 100
FEW: Final = 1_000
MANY: Final = 100_000
DUE: Final = 1_000
LOOKS: Final = 200
CHUNK: Final = 5_000


async def measure(report: Report) -> None:
    """Both databases, with few and with many open timers, in turns."""
    table = Table(
        "deadlines", "few", "many", "ratio",
        title=f"{DUE:,} due of {FEW:,} and of {MANY:,} open timers, {REPS} reps",
    )  # fmt: skip
    with databases(report.folder) as make:
        for dialect in ("sqlite", "postgresql"):
            found: dict[str, dict[int, list[float]]] = {}
            for number in (FEW, MANY):
                db = staffed(make(dialect, f"timers{number}"), REPS)
                transactions = Transactions(db, SystemClock(), Routing)
                fill(transactions, number)
                for _ in range(report.turns):
                    let_pass(db, transactions)
                    sweep = timed(lambda: expire_all(transactions))  # noqa: B023
                    look = timed(lambda: look_again(db)) / LOOKS  # noqa: B023
                    for what, seconds in (("expire", sweep), ("look", look)):
                        found.setdefault(what, {}).setdefault(number, []).append(seconds)
                db.close()
            for what, words in (
                ("expire", f"{DUE:,} deadlines that passed"),
                ("look", "one look at the clock, nothing due"),
            ):
                few, many = (statistics.median(found[what][number]) for number in (FEW, MANY))
                shown = [f"{seconds * 1e3:,.2f} ms" for seconds in (few, many)]
                table.add_row(f"{words}, {dialect}", *shown, f"{many / few:.2f}")
                measured = f"{shown[1]} with {MANY:,} open timers ÷ {shown[0]} with {FEW:,}"
                report.line(f"{words}, {dialect}", measured, many / few)
    report.console.print(table)


def fill(transactions: Transactions[Routing], number: int) -> None:
    """So many leads that wait for an answer, each with a deadline of its own."""
    for start in range(0, number, CHUNK):
        size = min(CHUNK, number - start)
        transactions.run_here(lambda unit: _add(unit, start, size))  # noqa: B023


def _add(unit: Routing, start: int, number: int) -> None:
    now = datetime.now(UTC)
    for at in range(start, start + number):
        lead_id = new_id()
        common: dict[str, Any] = {"lead_id": lead_id, "cycle": 1, "definition_version": 1}
        unit.leads.put(
            Lead(
                **common, score=60, grade="A", threshold=50, facts={"country": "DE"},
                attribution={}, contributions=[], captured_at=now, qualified_at=now, attempt=1,
                rounds=1,
            )
        )  # fmt: skip
        unit.assignments.put(
            Assignment(
                **common, assignment_id=new_id(), rep_id=f"rep-{at % REPS:04}", attempt=1,
                state=State.ASSIGNED, policy_version=0, assigned_at=now, updated_at=now, grade="A",
                due_at=now + timedelta(days=2, seconds=at),
            )
        )  # fmt: skip


_FORGET = text("DELETE FROM assignments WHERE attempt > 1 OR state = 'EXPIRED'")
"""What was handed on the last time has been answered since, as it were."""
_PASSED = text(
    "UPDATE assignments SET due_at = :past WHERE assignment_id IN (SELECT assignment_id FROM "
    "assignments WHERE state = 'ASSIGNED' ORDER BY due_at LIMIT :number)"
)


def let_pass(db: Database, transactions: Transactions[Routing]) -> None:
    """A thousand deadlines pass, of as many timers as there were at first."""
    past = datetime.now(UTC) - timedelta(days=1)
    stored = past if db.dialect == "postgresql" else stored_time(past)
    with db.begin() as conn:
        gone = conn.execute(text("SELECT count(*) FROM assignments WHERE state = 'EXPIRED'"))
        missing = gone.scalar_one()
        conn.execute(_FORGET)
    if missing:
        fill(transactions, missing)
    with db.begin() as conn:
        conn.execute(_PASSED, {"past": stored, "number": DUE})


def expire_all(transactions: Transactions[Routing]) -> None:
    """Batch by batch, as the alarm does."""
    done = 0
    while found := transactions.run_here(deadlines.expire_overdue):
        done += found
    assert done >= DUE, done


def look_again(db: Database) -> None:
    """What the alarm asks each time it wakes."""
    for _ in range(LOOKS):
        with db.connect() as conn:
            seconds = queries.seconds_to_deadline(conn)
            assert seconds is not None
            assert seconds > 0
