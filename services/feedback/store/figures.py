"""The key figures, counted by the database. What is counted is explained in ``domain.kpis``."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from services.feedback.domain.kpis import MQL_TO_SQL_DAYS, Rate
from services.feedback.domain.slices import ALL, Slice
from services.feedback.store.slicing import (
    leads_in,
    mqls_in,
    params_of,
    slice_sql,
    turns,
    turns_in,
)
from services.feedback.store.tables import attempts, lead_stages, mqls
from shared.db.statements import Statement

NEWEST: Final = 20_000
"""Times and cohorts are taken from this many newest MQLs, so that the answer stays quick."""

COHORT_WEEKS: Final = 12

FUNNEL: Final = (
    ("INQUIRY", lead_stages.c.lead_id),
    ("MQL", lead_stages.c.first_mql_at),
    ("ASSIGNED", lead_stages.c.first_assigned_at),
    ("ACCEPTED", lead_stages.c.first_accepted_at),
    ("SQL", lead_stages.c.first_sql_at),
    ("OPPORTUNITY", lead_stages.c.first_opportunity_at),
    ("WON", lead_stages.c.first_won_at),
)
_COUNTS: Final = ("assigned", "due", "in_time", "procedural", "accepted", "answered")


def metrics(conn: Connection, now: datetime, part: Slice = ALL) -> dict[str, Any]:
    """Everything of a part of the leads, as JSON-ready members."""
    handed_over = _handed_over(conn, now, part)
    return {
        "as_of": now,
        "funnel": funnel(conn, part),
        "acceptance": {
            "overall": _acceptance(handed_over)[0],
            "by_version": _acceptance(handed_over, "definition_version"),
            "by_source": _acceptance(handed_over, "source"),
        },
        "reasons": _reasons(conn, part),
        "sla_attainment": _sla(conn, now, part).document(),
        "time_to_first_touch": {**first_touch(conn, now, part), "of_newest": NEWEST},
        "mql_to_sql": {**_mql_to_sql(conn, now, part).document(), "within_days": MQL_TO_SQL_DAYS},
        "cohorts": cohorts(conn, part),
    }


def funnel(conn: Connection, part: Slice = ALL) -> list[dict[str, Any]]:
    """How many leads have ever reached each stage."""
    counts = [func.count(column).label(stage) for stage, column in FUNNEL]
    row = conn.execute(select(*counts).where(*leads_in(part))).one()
    return [{"stage": stage, "leads": getattr(row, stage)} for stage, _ in FUNNEL]


def _handed_over(conn: Connection, now: datetime, part: Slice) -> Sequence[Any]:
    """What became of the MQLs that were given to reps, counted by version and source."""
    query = select(mqls.c.definition_version, mqls.c.source, *answer_counts(now)).where(
        *mqls_in(part)
    )
    return conn.execute(query.group_by(mqls.c.definition_version, mqls.c.source)).all()


def answer_counts(now: datetime) -> list[ColumnElement[Any]]:
    """What is counted of MQLs that were given to reps."""
    due = mqls.c.accept_due_at <= now
    in_time = and_(due, mqls.c.answer == "accepted", mqls.c.answered_at <= mqls.c.accept_due_at)
    procedural = and_(due, mqls.c.answer == "rejected", mqls.c.reason_class == "procedural")
    return [
        func.count(mqls.c.assigned_at).label("assigned"),
        sum_of(due).label("due"),
        sum_of(in_time).label("in_time"),
        sum_of(procedural).label("procedural"),
        sum_of(mqls.c.answer == "accepted").label("accepted"),
        func.count(mqls.c.answer).label("answered"),
    ]


def _acceptance(handed_over: Sequence[Any], by: str | None = None) -> list[dict[str, Any]]:
    parts: dict[Any, Counter[str]] = {} if by is not None else {None: Counter()}
    for row in handed_over:
        counts = parts.setdefault(getattr(row, by) if by is not None else None, Counter())
        counts.update({name: getattr(row, name) for name in _COUNTS})
    rows = [
        {
            **({by: part} if by is not None else {}),
            **acceptance_of(n),
        }
        for part, n in parts.items()
    ]
    if by == "definition_version":
        return sorted(rows, key=lambda row: -(row[by] or 0))
    return sorted(rows, key=lambda row: (-row["assigned"], str(row.get("source") or "")))


def acceptance_of(n: Mapping[str, int]) -> dict[str, Any]:
    """The rates behind ``answer_counts``."""
    return {
        "assigned": n["assigned"],
        "within_24_business_hours": Rate(n["in_time"], n["due"]).document(),
        "without_procedural": Rate(n["in_time"], n["due"] - n["procedural"]).document(),
        "of_answered": Rate(n["accepted"], n["answered"]).document(),
    }


def _reasons(conn: Connection, part: Slice) -> dict[str, Any]:
    parts = (attempts.c.reason_class, attempts.c.reason)
    more = (attempts.c.definition_version, attempts.c.source)
    query = (
        select(*parts, *more, func.count().label("leads"))
        .select_from(turns(part))
        .where(attempts.c.answer == "rejected", *turns_in(part, attempts.c.answered_at))
        .group_by(*parts, *more)
    )
    rows = conn.execute(query).all()
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


def _sla(conn: Connection, now: datetime, part: Slice) -> Rate:
    query = (
        select(*sla_counts())
        .select_from(turns(part))
        .where(attempts.c.due_at <= now, *turns_in(part, attempts.c.due_at))
    )
    row = conn.execute(query).one()
    return Rate(row.met or 0, row.due)


def sla_counts() -> list[ColumnElement[Any]]:
    """What is counted of attempts whose deadline has passed."""
    first_answer = func.coalesce(attempts.c.acknowledged_at, attempts.c.answered_at)
    return [func.count().label("due"), sum_of(first_answer <= attempts.c.due_at).label("met")]


def _mql_to_sql(conn: Connection, now: datetime, part: Slice) -> Rate:
    row = _MQL_TO_SQL.run(conn, **old_enough(now), **params_of(part)).one()
    return Rate(row.reached or 0, row.leads)


def old_enough(now: datetime) -> dict[str, Any]:
    """Which MQLs are old enough to be judged, and how soon they had to be SQLs."""
    span = timedelta(days=MQL_TO_SQL_DAYS)
    return {"before": now - span, "within": span // timedelta(microseconds=1)}


def first_touch(conn: Connection, now: datetime, part: Slice = ALL) -> dict[str, Any]:
    """How long the newest MQLs took, or have taken so far, from capture until a rep touched them;
    and apart, how long they were ours (``processing``) and the rep's."""
    if conn.dialect.name == "sqlite" and not _HAS_LN.run(conn).scalar_one():
        give_logarithms(conn)
    found = {row.part: row for row in _FIRST_TOUCH.run(conn, now=now, **params_of(part))}
    whole, processing, rep = (_spread(found.get(p)) for p in ("whole", "processing", "rep"))
    return {**whole, "processing": processing, "rep": rep}


def give_logarithms(conn: Connection) -> None:
    """For a SQLite that was built without mathematical functions."""
    sqlite: Any = conn.connection.driver_connection
    sqlite.create_function("ln", 1, math.log, deterministic=True)
    sqlite.create_function("exp", 1, math.exp, deterministic=True)


def _spread(row: Any) -> dict[str, float | int | None]:
    if row is None:
        return {"leads": 0, "censored": 0, "median_seconds": None, "p90_seconds": None}
    return {
        "leads": int(row.leads),
        "censored": int(row.censored),
        "median_seconds": None if row.median is None else row.median / 1_000_000,
        "p90_seconds": None if row.p90 is None else row.p90 / 1_000_000,
    }


def cohorts(conn: Connection, part: Slice = ALL) -> list[dict[str, Any]]:
    """The newest MQLs by the ISO week in which they first became one, newest week first."""
    weeks: dict[str, Counter[str]] = defaultdict(Counter)
    for row in _DAYS.run(conn, **params_of(part)):
        week = weeks[f"{date.fromisoformat(row.day):%G-W%V}"]
        week.update(mqls=row.mqls, accepted=row.accepted, sqls=row.sqls)
    newest = sorted(weeks, reverse=True)[:COHORT_WEEKS]
    return [{"week": week, **weeks[week]} for week in newest]


def sum_of(condition: ColumnElement[bool]) -> Any:
    """How many rows it holds for."""
    return func.sum(case((condition, 1), else_=0))


def microseconds(dialect: str, start: str, end: str) -> str:
    """SQL for how long it is from one time to another."""
    if dialect == "sqlite":
        # Without their fractions, which strftime would round.
        seconds = f"strftime('%s', substr({end}, 1, 19)) - strftime('%s', substr({start}, 1, 19))"
        return f"(({seconds}) * 1000000 + substr({end}, 21, 6) - substr({start}, 21, 6))"
    return f"CAST(extract(epoch FROM {end} - {start}) * 1000000 AS bigint)"


def _newest(dialect: str) -> str:
    return (
        "(SELECT * FROM lead_stages WHERE first_mql_at IS NOT NULL "  # noqa: S608
        f"AND {slice_sql(dialect, 'first_mql_at')} "
        f"ORDER BY first_mql_at DESC LIMIT {NEWEST}) AS newest"
    )


def _earliest(dialect: str, *times: str) -> str:
    if dialect == "sqlite":
        known = ", ".join(f"coalesce({one}, '~')" for one in times)
        return f"nullif(min({known}), '~')"
    return f"least({', '.join(times)})"


def _first_touch(dialect: str) -> str:
    """Kaplan and Meier's estimate (1958): those who still wait count as waiting for as long as they
    have; dropping them would make a team that never answers look fast. A quantile is the first time
    at which so many have ended; there is none when the curve never gets that far."""
    touched = _earliest(dialect, "first_acknowledged_at", "first_accepted_at", "first_rejected_at")
    now = ":now" if dialect == "sqlite" else "CAST(:now AS timestamptz)"
    took = microseconds(dialect, "began", f"coalesce(ended, {now})")
    return f"""
    WITH turns AS (
      SELECT captured_at, first_assigned_at AS assigned_at, {touched} AS touched_at
      FROM {_newest(dialect)}
    ), spans AS (
      SELECT 'whole' AS part, captured_at AS began, touched_at AS ended FROM turns
      UNION ALL SELECT 'processing', captured_at, assigned_at FROM turns
      UNION ALL SELECT 'rep', assigned_at, touched_at FROM turns
    ), took AS (
      SELECT part, {took} AS time, ended FROM spans WHERE began IS NOT NULL
    ), steps AS (
      SELECT part, CASE WHEN time < 0 THEN 0 ELSE time END AS time,
        count(ended) AS ended, count(*) AS gone
      FROM took GROUP BY part, CASE WHEN time < 0 THEN 0 ELSE time END
    ), risks AS (
      SELECT part, time, ended, gone,
        CAST(sum(gone) OVER (PARTITION BY part ORDER BY time DESC) AS double precision) AS at_risk
      FROM steps
    ), curve AS (
      SELECT part, time, ended, gone, exp(sum(
        ln(CASE WHEN ended < at_risk THEN (at_risk - ended) / at_risk ELSE 1e-300 END)
      ) OVER (PARTITION BY part ORDER BY time)) AS survival
      FROM risks
    )
    SELECT part, sum(gone) AS leads, sum(gone) - sum(ended) AS censored,
      min(CASE WHEN ended > 0 AND survival <= 0.5 + 1e-9 THEN time END) AS median,
      min(CASE WHEN ended > 0 AND survival <= 0.1 + 1e-9 THEN time END) AS p90
    FROM curve GROUP BY part"""  # noqa: S608


def _days(dialect: str) -> str:
    day = "substr(first_mql_at, 1, 10)"
    if dialect != "sqlite":
        day = "to_char(first_mql_at, 'YYYY-MM-DD')"
    counts = "count(*) AS mqls, count(first_accepted_at) AS accepted, count(first_sql_at) AS sqls"
    return f"SELECT {day} AS day, {counts} FROM {_newest(dialect)} GROUP BY 1"  # noqa: S608


_HAS_LN = Statement("SELECT count(*) FROM pragma_function_list WHERE name = 'ln'")
_FIRST_TOUCH = Statement(_first_touch)
_DAYS = Statement(_days)
_MQL_TO_SQL = Statement(
    lambda dialect: (
        "SELECT count(*) AS leads, count(CASE WHEN "  # noqa: S608
        f"{microseconds(dialect, 'first_mql_at', 'first_sql_at')} <= :within THEN 1 END) "
        f"AS reached FROM lead_stages WHERE first_mql_at <= :before AND "
        f"{slice_sql(dialect, 'first_mql_at')}"
    )
)
