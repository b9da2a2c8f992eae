"""The key figures, counted by the database. What is counted is explained in ``domain.kpis``."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.feedback.domain.kpis import MQL_TO_SQL_DAYS, Duration, Rate, spread, until
from services.feedback.store.tables import attempts, lead_stages, mqls

NEWEST: Final = 20_000
"""Times and cohorts are taken from this many newest MQLs, so that the answer stays quick."""

COHORT_WEEKS: Final = 12

_FUNNEL: Final = (
    ("INQUIRY", lead_stages.c.lead_id),
    ("MQL", lead_stages.c.first_mql_at),
    ("ASSIGNED", lead_stages.c.first_assigned_at),
    ("ACCEPTED", lead_stages.c.first_accepted_at),
    ("SQL", lead_stages.c.first_sql_at),
    ("OPPORTUNITY", lead_stages.c.first_opportunity_at),
    ("WON", lead_stages.c.first_won_at),
)


async def metrics(conn: AsyncConnection, now: datetime) -> dict[str, Any]:
    """Everything, as JSON-ready members."""
    newest = await _newest(conn)
    return {
        "as_of": now.isoformat().replace("+00:00", "Z"),
        "funnel": await funnel(conn),
        "acceptance": {
            "overall": (await _acceptance(conn, now, None))[0],
            "by_version": await _acceptance(conn, now, "definition_version"),
            "by_source": await _acceptance(conn, now, "source"),
        },
        "reasons": await _reasons(conn),
        "sla_attainment": (await _sla(conn, now)).document(),
        "time_to_first_touch": _first_touch(newest, now),
        "mql_to_sql": {
            **(await _mql_to_sql(conn, now)).document(),
            "within_days": MQL_TO_SQL_DAYS,
        },
        "cohorts": _cohorts(newest),
    }


async def funnel(conn: AsyncConnection) -> list[dict[str, Any]]:
    """How many leads have ever reached each stage."""
    counts = [func.count(column).label(stage) for stage, column in _FUNNEL]
    row = (await conn.execute(select(*counts))).one()
    return [{"stage": stage, "leads": getattr(row, stage)} for stage, _ in _FUNNEL]


async def _acceptance(conn: AsyncConnection, now: datetime, by: str | None) -> list[dict[str, Any]]:
    due = mqls.c.accept_due_at <= now
    in_time = and_(due, mqls.c.answer == "accepted", mqls.c.answered_at <= mqls.c.accept_due_at)
    procedural = and_(due, mqls.c.answer == "rejected", mqls.c.reason_class == "procedural")
    counts = (
        func.count(mqls.c.assigned_at).label("assigned"),
        _sum(due).label("due"),
        _sum(in_time).label("in_time"),
        _sum(procedural).label("procedural"),
        _sum(mqls.c.answer == "accepted").label("accepted"),
        func.count(mqls.c.answer).label("answered"),
    )
    query = select(*counts).where(mqls.c.assigned_at.is_not(None))
    if by is not None:
        column = mqls.c[by]
        query = query.add_columns(column.label("part")).group_by(column)
    rows = [_acceptance_row(row, by) for row in await conn.execute(query)]
    if by == "definition_version":
        return sorted(rows, key=lambda row: -(row[by] or 0))
    return sorted(rows, key=lambda row: (-row["assigned"], str(row.get("source") or "")))


def _acceptance_row(row: Any, by: str | None) -> dict[str, Any]:
    due, in_time, procedural = row.due or 0, row.in_time or 0, row.procedural or 0
    return {
        **({by: row.part} if by is not None else {}),
        "assigned": row.assigned,
        "within_24_business_hours": Rate(in_time, due).document(),
        "without_procedural": Rate(in_time, due - procedural).document(),
        "of_answered": Rate(row.accepted or 0, row.answered).document(),
    }


async def _reasons(conn: AsyncConnection) -> dict[str, Any]:
    parts = (attempts.c.reason_class, attempts.c.reason)
    more = (attempts.c.definition_version, attempts.c.source)
    query = (
        select(*parts, *more, func.count().label("leads"))
        .where(attempts.c.answer == "rejected")
        .group_by(*parts, *more)
    )
    rows = (await conn.execute(query)).all()
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        classes[row.reason_class][row.reason] += row.leads
    return {
        "by_class": [
            {
                "reason_class": name,
                "count": counts.total(),
                "reasons": [{"reason": r, "count": n} for r, n in _most(counts)],
            }
            for name, counts in sorted(
                classes.items(), key=lambda item: (-item[1].total(), item[0])
            )
        ],
        "by_version": _split(rows, "definition_version"),
        "by_source": _split(rows, "source"),
    }


def _split(rows: Sequence[Any], by: str) -> list[dict[str, Any]]:
    counts: Counter[tuple[Any, str, str]] = Counter()
    for row in rows:
        counts[getattr(row, by), row.reason_class, row.reason] += row.leads
    return [
        {by: part, "reason_class": name, "reason": reason, "count": count}
        for (part, name, reason), count in _most(counts)
    ]


def _most(counts: Counter[Any]) -> list[tuple[Any, int]]:
    """The most frequent first, and then always in the same order."""
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))


async def _sla(conn: AsyncConnection, now: datetime) -> Rate:
    first_answer = func.coalesce(attempts.c.acknowledged_at, attempts.c.answered_at)
    query = select(
        func.count().label("due"), _sum(first_answer <= attempts.c.due_at).label("met")
    ).where(attempts.c.due_at <= now)
    row = (await conn.execute(query)).one()
    return Rate(row.met or 0, row.due)


async def _mql_to_sql(conn: AsyncConnection, now: datetime) -> Rate:
    """Only leads that reached SQL are fetched: date arithmetic differs between databases."""
    span = timedelta(days=MQL_TO_SQL_DAYS)
    old = lead_stages.c.first_mql_at <= now - span
    total = (await conn.execute(select(func.count()).where(old))).scalar_one()
    reached = await conn.execute(
        select(lead_stages.c.first_mql_at, lead_stages.c.first_sql_at).where(
            old, lead_stages.c.first_sql_at.is_not(None)
        )
    )
    return Rate(sum(row.first_sql_at - row.first_mql_at <= span for row in reached), total)


async def _newest(conn: AsyncConnection) -> Sequence[Any]:
    times = (
        "captured_at",
        "first_mql_at",
        "first_assigned_at",
        "first_acknowledged_at",
        "first_accepted_at",
        "first_rejected_at",
        "first_sql_at",
    )
    query = (
        select(*(lead_stages.c[name] for name in times))
        .where(lead_stages.c.first_mql_at.is_not(None))
        .order_by(lead_stages.c.first_mql_at.desc())
        .limit(NEWEST)
    )
    return (await conn.execute(query)).all()


def _first_touch(rows: Sequence[Any], now: datetime) -> dict[str, Any]:
    whole: list[Duration | None] = []
    ours: list[Duration | None] = []
    theirs: list[Duration | None] = []
    for row in rows:
        human = (row.first_acknowledged_at, row.first_accepted_at, row.first_rejected_at)
        touched = min((at for at in human if at is not None), default=None)
        whole.append(until(row.captured_at, touched, now))
        ours.append(until(row.captured_at, row.first_assigned_at, now))
        theirs.append(until(row.first_assigned_at, touched, now))
    return {
        **spread([d for d in whole if d is not None]),
        "processing": spread([d for d in ours if d is not None]),
        "rep": spread([d for d in theirs if d is not None]),
        "of_newest": NEWEST,
    }


def _cohorts(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Leads by the ISO week in which they first became an MQL, newest first."""
    weeks: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        week = weeks[f"{row.first_mql_at:%G-W%V}"]
        week["mqls"] += 1
        week["accepted"] += row.first_accepted_at is not None
        week["sqls"] += row.first_sql_at is not None
    newest = sorted(weeks, reverse=True)[:COHORT_WEEKS]
    return [
        {"week": week, **{name: weeks[week][name] for name in ("mqls", "accepted", "sqls")}}
        for week in newest
    ]


def _sum(condition: ColumnElement[bool]) -> Any:
    return func.sum(case((condition, 1), else_=0))


def stuck_since(thresholds: dict[str, timedelta], now: datetime) -> ColumnElement[bool]:
    """Leads that have been in their stage longer than it should take."""
    return or_(
        *(
            and_(lead_stages.c.stage == stage, lead_stages.c.since < now - limit)
            for stage, limit in thresholds.items()
        )
    )
