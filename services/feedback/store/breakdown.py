"""The key figures told apart by source, campaign, definition version or rep."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, select

from services.feedback.domain.kpis import Rate
from services.feedback.domain.slices import ALL, By, Slice
from services.feedback.store.figures import (
    FUNNEL,
    acceptance_of,
    answer_counts,
    microseconds,
    old_enough,
    sla_counts,
)
from services.feedback.store.slicing import (
    LAST_REP,
    leads_in,
    mqls_in,
    params_of,
    slice_sql,
    turns,
    turns_in,
)
from services.feedback.store.tables import attempts, lead_stages, mqls
from shared.db.statements import Statement

MOST: Final = 200
"""Values that are told apart, those with the most leads; the others are counted together."""
_COLUMNS: Final = {
    By.SOURCE: "source",
    By.CAMPAIGN: "campaign",
    By.VERSION: "definition_version",
    By.REP: "rep_id",
}
_ANSWERS: Final = ("assigned", "due", "in_time", "procedural", "accepted", "answered")
Counts = dict[Any, Counter[str]]


def breakdown(conn: Connection, now: datetime, by: By, part: Slice = ALL) -> dict[str, Any]:
    """Every figure for each value, with counts and 95 % intervals, most leads first.

    The stages are those that the leads of the period have ever reached; ``others`` is None, or all
    that have a value beyond the first two hundred."""
    counts: Counts = {}
    for prefix, rows in _counted(conn, now, by, part):
        for row in rows:
            named = dict(row._mapping) if hasattr(row, "_mapping") else row._asdict()
            value = named.pop("value")
            counted = counts.setdefault(value, Counter())
            counted.update({f"{prefix}{name}": count or 0 for name, count in named.items()})
    ranked = sorted(counts.items(), key=lambda item: (-item[1]["INQUIRY"], str(item[0])))
    others: Counter[str] = Counter()
    for _, counted in ranked[MOST:]:
        others.update(counted)
    return {
        "by": by,
        "items": [{"value": value, **_figures(counted)} for value, counted in ranked[:MOST]],
        "others": {"values": len(ranked) - MOST, **_figures(others)} if others else None,
    }


def _counted(
    conn: Connection, now: datetime, by: By, part: Slice
) -> Iterable[tuple[str, Iterable[Any]]]:
    column = lead_stages.c[_COLUMNS[by]].label("value")
    stages = [func.count(reached).label(stage) for stage, reached in FUNNEL]
    yield "", conn.execute(select(column, *stages).where(*leads_in(part)).group_by(column))
    of_mqls = (LAST_REP if by is By.REP else mqls.c[_COLUMNS[by]]).label("value")
    answers = select(of_mqls, *answer_counts(now)).where(*mqls_in(part))
    yield "", conn.execute(answers.group_by(of_mqls))
    of_turns = (mqls if by in (By.SOURCE, By.CAMPAIGN) else attempts).c[_COLUMNS[by]].label("value")
    deadlines = (
        select(of_turns, *sla_counts())
        .select_from(turns(part, by))
        .where(attempts.c.due_at <= now, *turns_in(part, attempts.c.due_at))
    )
    yield "sla_", conn.execute(deadlines.group_by(of_turns))
    yield "mql_", _MQL_TO_SQL[by].run(conn, **old_enough(now), **params_of(part))


def _figures(n: Mapping[str, int]) -> dict[str, Any]:
    return {
        "leads": n["INQUIRY"],
        "stages": {stage: n[stage] for stage, _ in FUNNEL},
        "acceptance": acceptance_of({name: n[name] for name in _ANSWERS}),
        "sla_attainment": Rate(n["sla_met"], n["sla_due"]).document(),
        "mql_to_sql": Rate(n["mql_reached"], n["mql_leads"]).document(),
    }


def _mql_to_sql(column: str, dialect: str) -> str:
    return (
        f"SELECT {column} AS value, count(*) AS leads, count(CASE WHEN "  # noqa: S608
        f"{microseconds(dialect, 'first_mql_at', 'first_sql_at')} <= :within THEN 1 END) "
        "AS reached FROM lead_stages WHERE first_mql_at <= :before AND "
        f"{slice_sql(dialect, 'first_mql_at')} GROUP BY {column}"
    )


_MQL_TO_SQL: Final = {
    by: Statement(partial(_mql_to_sql, column)) for by, column in _COLUMNS.items()
}
