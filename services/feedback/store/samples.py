"""What learning reads: each decision's inputs with what became of it, read as one stream.

A label is joined when it is asked for, never stored: answers and outcomes come in any order and
at any time, and marketing may choose another label tomorrow. ``_GROUPED`` is the one place that
says which group a sample belongs to.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, text

from services.feedback.domain.samples import DUE_DAYS, Group, Label
from services.feedback.learning.data import Sample
from shared.db.statements import Statement, one_of
from shared.db.types import read_time, stored_time
from shared.scorecard.scoring import Activity

CHUNK: Final = 2000


def forget_before(conn: Connection, lead_ids: Sequence[str]) -> None:
    """Forget what was kept of these leads before they became MQLs."""
    if lead_ids:
        _FORGET.run(conn, leads=list(lead_ids))


def read_samples(conn: Connection, label: Label, now: datetime) -> Iterator[Sample]:
    """Every lead's newest sample with its label as of ``now``, in the order of the decisions."""
    sqlite = conn.dialect.name == "sqlite"
    reading = conn.execution_options(yield_per=CHUNK)
    rows = reading.execute(text(_every(conn.dialect.name)), _given(sqlite, label, now))
    for row in rows:
        yield _sample(row, sqlite)


def count_groups(conn: Connection, label: Label, now: datetime) -> dict[Group, int]:
    """How many leads are in each group as of ``now``, by their newest samples."""
    found = _COUNT.run(conn, label=label.value, now=now, before=now - timedelta(days=DUE_DAYS))
    counts = {Group(row.part): int(row.leads) for row in found}
    return {group: counts.get(group, 0) for group in Group}


def judged(
    conn: Connection, label: Label, now: datetime, versions: Mapping[int, datetime]
) -> dict[int, dict[Group, int]]:
    """How many MQLs of each of these versions, from these times on, are in each group. Explored
    leads are left out: they were below the threshold."""
    given = [{"version": version, "since": _text(since)} for version, since in versions.items()]
    found = _JUDGED.run(
        conn, label=label.value, now=now, before=now - timedelta(days=DUE_DAYS), versions=given
    )
    counts: dict[int, dict[Group, int]] = {version: {} for version in versions}
    for row in found:
        counts[row.version][Group(row.part)] = int(row.leads)
    return counts


def active_reps(conn: Connection, since: datetime) -> int:
    """How many reps were given a lead since then."""
    return int(_REPS.run(conn, since=since).scalar_one())


def _given(sqlite: bool, label: Label, now: datetime) -> dict[str, Any]:
    before = now - timedelta(days=DUE_DAYS)
    times = {"now": now, "before": before}
    return {
        "label": label.value,
        **({name: stored_time(one) for name, one in times.items()} if sqlite else times),
    }


def _text(moment: datetime) -> str:
    """As SQLite stores it, with the zone: both databases read it."""
    return f"{stored_time(moment)}+00:00"


def _sample(row: Any, sqlite: bool) -> Sample:
    facts, attribution, activities = row.facts, row.attribution, row.activities
    at, known_at = row.decided_at, row.known_at
    if sqlite:
        facts, attribution = orjson.loads(facts), orjson.loads(attribution)
        activities, at = orjson.loads(activities), read_time(at)
        known_at = None if known_at is None else read_time(known_at)
    explored = bool(row.explored) and row.exploration_rate > 0
    return Sample(
        lead_id=row.lead_id,
        at=at,
        facts=facts,
        attribution=attribution,
        activities={kind: _activity(one) for kind, one in activities.items()},
        label={Group.GOOD: 1, Group.BAD: 0}.get(row.part),
        answered_at=known_at,
        rep_id=row.rep_id,
        weight=1 / row.exploration_rate if explored else 1.0,
        mql=row.cycle > 0,
        definition_version=row.definition_version,
        score=row.score,
    )


def _activity(told: Mapping[str, Any]) -> Activity:
    moments = tuple(datetime.fromisoformat(one) for one in told.get("recent") or ())
    return Activity(told["count"], datetime.fromisoformat(told["last_at"]), moments)


def _plus_due(dialect: str, moment: str) -> str:
    """The end of the time in which a lead has to become an SQL."""
    if dialect != "sqlite":
        return f"{moment} + interval '{DUE_DAYS} days'"
    # Days as a whole keep the time of day, with its fraction, as it is written.
    return f"date({moment}, '+{DUE_DAYS} days') || substr({moment}, 11)"


_NEWEST: Final = (
    "NOT EXISTS (SELECT 1 FROM samples AS n WHERE n.lead_id = s.lead_id AND n.cycle > s.cycle)"
)


@cache
def _grouped(dialect: str) -> str:
    """Each sample with its group (``part``) and since when that is known."""
    due = _plus_due(dialect, "s.decided_at")
    label = ":label" if dialect == "sqlite" else "CAST(:label AS text)"
    now, before = ":now", ":before"
    if dialect != "sqlite":
        now, before = "CAST(:now AS timestamptz)", "CAST(:before AS timestamptz)"
    firsts = ", ".join(
        f"min(CASE WHEN stage = '{stage}' AND occurred_at <= {now} THEN occurred_at END) AS {name}"
        for stage, name in (
            ("SQL", "sql_at"),
            ("WON", "won_at"),
            ("LOST", "lost_at"),
            ("DISQUALIFIED", "disqualified_at"),
        )
    )
    ended = "coalesce(e.lost_at, e.disqualified_at)"
    return f"""
    SELECT s.*, a.rep_id, CASE
        WHEN s.cycle = 0 THEN 'below'
        WHEN m.answer IS NULL THEN CASE WHEN EXISTS (
            SELECT 1 FROM attempts AS b WHERE b.lead_id = s.lead_id AND b.cycle = s.cycle
            AND b.breached_at IS NOT NULL
          ) THEN 'timed_out' ELSE 'waiting' END
        WHEN m.answer = 'rejected' THEN
          CASE m.reason_class WHEN 'definitional' THEN 'bad' ELSE m.reason_class END
        WHEN {label} = 'accepted' THEN 'good'
        WHEN {label} = 'sql' THEN CASE
          WHEN e.sql_at <= {due} THEN 'good'
          WHEN s.decided_at <= {before} OR e.disqualified_at IS NOT NULL THEN 'bad'
          ELSE 'not_due' END
        WHEN e.won_at IS NOT NULL THEN 'good'
        WHEN {ended} IS NOT NULL THEN 'bad'
        ELSE 'not_due'
      END AS part,
      CASE
        WHEN m.answer = 'rejected' OR {label} = 'accepted' THEN m.answered_at
        WHEN {label} = 'sql' THEN CASE
          WHEN e.sql_at <= {due} THEN e.sql_at
          WHEN e.disqualified_at <= {due} THEN e.disqualified_at
          ELSE {due} END
        ELSE coalesce(e.won_at, {ended})
      END AS known_at
    FROM samples AS s
    LEFT JOIN mqls AS m ON m.lead_id = s.lead_id AND m.cycle = s.cycle
    LEFT JOIN attempts AS a ON a.lead_id = s.lead_id AND a.cycle = s.cycle
      AND a.answered_at = m.answered_at AND a.answer = m.answer
    LEFT JOIN (
      SELECT lead_id, cycle, {firsts} FROM outcomes GROUP BY lead_id, cycle
    ) AS e ON e.lead_id = s.lead_id AND e.cycle = s.cycle"""  # noqa: S608


@cache
def _every(dialect: str) -> str:
    return f"{_grouped(dialect)} WHERE {_NEWEST} ORDER BY s.decided_at, s.lead_id"


def _judged(dialect: str) -> str:
    if dialect == "sqlite":
        since = "substr(value->>'since', 1, 26)"
        wanted = f"SELECT value->>'version' AS version, {since} AS since FROM json_each(:versions)"  # noqa: S608
    else:
        wanted = (
            "SELECT (value->>'version')::integer AS version, (value->>'since')::timestamptz "
            "AS since FROM jsonb_array_elements(CAST(:versions AS jsonb))"
        )
    return (
        f"SELECT w.version, t.part, count(*) AS leads FROM ({wanted}) AS w "  # noqa: S608
        f"JOIN ({_grouped(dialect)}) AS t ON t.definition_version = w.version "
        "AND t.decided_at >= w.since WHERE t.cycle > 0 AND NOT t.explored "
        "GROUP BY w.version, t.part"
    )


_FORGET = Statement(
    lambda dialect: (
        f"DELETE FROM samples WHERE cycle = 0 AND {one_of('lead_id', 'leads', dialect)}"  # noqa: S608
    )
)
_COUNT = Statement(
    lambda dialect: (
        f"SELECT part, count(*) AS leads FROM ({_grouped(dialect)} WHERE {_NEWEST}) AS t "  # noqa: S608
        "GROUP BY part"
    )
)
_JUDGED = Statement(_judged)
_REPS = Statement("SELECT count(DISTINCT rep_id) FROM attempts WHERE assigned_at >= :since")
