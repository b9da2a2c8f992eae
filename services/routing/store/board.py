"""What a manager sees of their teams: who has how much, what is late, and what nobody has."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, case, func, select

from services.routing.domain.assignment import Assignment
from services.routing.domain.lead import Lead
from services.routing.domain.reps import Rep
from services.routing.store import queries
from services.routing.store.aggregates import ASSIGNMENTS, LEADS
from services.routing.store.tables import assignments, leads
from shared.db.database import database_now

DAYS: Final = 28
"""Of so many days acceptance and response times are shown."""
SHOWN: Final = 100
"""Most leads of a list."""


@dataclass(frozen=True, slots=True)
class RepRow:
    """A rep and how they did in the last weeks."""

    rep: Rep
    waiting: int
    working: int
    attempts: int
    """Attempts that ended in an answer or in silence."""
    accepted: int
    breached: int
    seconds_to_answer: float | None
    """Mean of the time to the first answer or acknowledgement; None without any."""

    @property
    def acceptance(self) -> float | None:
        """Accepted of all that ended, from 0 to 1."""
        return self.accepted / self.attempts if self.attempts else None


@dataclass(frozen=True, slots=True)
class Board:
    """The whole board at a moment."""

    now: datetime
    reps: list[RepRow]
    due_next: list[Assignment]
    """What waits for an answer, the most urgent first."""
    unrouted: list[Lead]
    """What nobody has, the best grade first, then the oldest."""
    unrouted_count: int
    names: Mapping[str, str]
    """Of reps, by id."""


def board_of(conn: Connection, manager_id: str | None) -> Board:
    """The board of a manager's teams, or of everybody."""
    now = database_now(conn)
    reps = queries.list_reps(conn, manager_id=manager_id, limit=1000)
    ids = [rep.rep_id for rep in reps]
    figures = _figures(conn, ids, now - timedelta(days=DAYS))
    waiting = queries.IS_WAITING
    due = ASSIGNMENTS.query().where(waiting).order_by(assignments.c.due_at).limit(SHOWN)
    if manager_id is not None:
        due = due.where(assignments.c.rep_id.in_(ids))
    nobody = (
        LEADS.query()
        .where(leads.c.unrouted_at.is_not(None))
        .order_by(func.coalesce(leads.c.grade, "~"), leads.c.qualified_at)
        .limit(SHOWN)
    )
    return Board(
        now,
        [_row(rep, figures.get(rep.rep_id)) for rep in reps],
        ASSIGNMENTS.items(conn.execute(due)),
        LEADS.items(conn.execute(nobody)),
        queries.count_unrouted(conn),
        {rep.rep_id: rep.name for rep in reps},
    )


def _row(rep: Rep, figures: Any) -> RepRow:
    if figures is None:
        return RepRow(rep, 0, 0, 0, 0, 0, None)
    return RepRow(
        rep,
        figures.waiting,
        figures.working,
        figures.attempts,
        figures.accepted,
        figures.breached,
        None if figures.seconds is None else float(figures.seconds),
    )


def _figures(conn: Connection, rep_ids: Collection[str], since: datetime) -> dict[str, Any]:
    a = assignments.c
    is_open, recent = a.closed_at.is_(None), a.assigned_at > since
    touched = func.coalesce(a.acknowledged_at, a.answered_at)
    seconds: Any
    if conn.dialect.name == "postgresql":
        seconds = func.extract("epoch", touched - a.assigned_at)
    else:
        seconds = (func.julianday(touched) - func.julianday(a.assigned_at)) * 86400.0
    waits = a.state.in_(("ASSIGNED", "ACKNOWLEDGED"))
    answered, silent = a.state.in_(("ACCEPTED", "REJECTED")), a.closed_because == "SLA_BREACHED"

    def count(*conditions: Any) -> Any:
        return func.sum(case((and_(*conditions), 1), else_=0))

    query = (
        select(
            a.rep_id,
            count(is_open, waits).label("waiting"),
            count(is_open, a.state == "ACCEPTED").label("working"),
            count(recent, answered | silent).label("attempts"),
            count(recent, a.state == "ACCEPTED").label("accepted"),
            count(recent, silent).label("breached"),
            func.avg(case((and_(recent, touched.is_not(None)), seconds))).label("seconds"),
        )
        .where(a.rep_id.in_(rep_ids), recent | is_open)
        .group_by(a.rep_id)
    )
    return {row.rep_id: row for row in conn.execute(query)}
