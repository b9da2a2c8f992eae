"""What looks wrong in a definition on the leads of the last month, before it is published."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from services.qualify.analysis.samples import load
from shared.conditions import did_you_mean
from shared.conditions.values import present
from shared.scorecard.definition import (
    ACTIVITY,
    DAYS_AGO,
    Criterion,
    Definition,
    compile_definition,
)
from shared.scorecard.rules import Levels
from shared.scorecard.table import Table
from shared.scorecard.table_scoring import gives, holds, level_of, scores

DAYS: Final = 30
MOST: Final = 20_000
"""Leads that are looked at: the newest."""
FEWEST: Final = 20
"""Fewer leads say nothing about always and never."""
_RECENT_DAYS: Final = 7
_USUAL: Final = 0.2
"""A fact that at least this share of leads had before is missed when it stops."""


def cautions(conn: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    """Warnings about ``document``, each ``{pointer, detail}``, from the leads of the month before
    ``now``; and how many leads that were."""
    now = datetime.fromisoformat(request["now"])
    definition = compile_definition(0, request["document"])
    table = load(conn, now - timedelta(days=DAYS), now, now, most=MOST).table
    found: list[dict[str, str]] = []
    if len(table) >= FEWEST:
        gone = _stopped(table, now)
        told = [*_of_threshold(definition, table), *_warnings(definition, table, gone)]
        found = [{"pointer": pointer, "detail": detail} for pointer, detail in told]
    return {"leads": len(table), "days": DAYS, "warnings": found}


def _of_threshold(definition: Definition, table: Table) -> Iterator[tuple[str, str]]:
    reached = scores(definition, table).total >= definition.threshold
    if reached.all():
        yield "/threshold", f"each of {_leads(table)} reaches it, so it tells none from another"
    elif not reached.any():
        yield "/threshold", f"none of {_leads(table)} reaches it"


def _warnings(
    definition: Definition, table: Table, gone: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for index, criterion in enumerate(definition.criteria):
        pointer = f"/criteria/{index}"
        unknown = list(_unknown(criterion.rule.fields, table))
        yield from ((pointer, one) for one in unknown)
        yield from ((pointer, gone[one]) for one in criterion.rule.fields if one in gone)
        if not unknown:
            yield from _of_criterion(criterion, pointer, table)
    for index, disqualifier in enumerate(definition.disqualifiers):
        pointer = f"/disqualifiers/{index}"
        unknown = list(_unknown(disqualifier.test.fields, table))
        yield from ((pointer, one) for one in unknown)
        if not unknown and holds(disqualifier.test, table).all():
            yield pointer, f"would have disqualified each of {_leads(table)}"


def _of_criterion(criterion: Criterion, pointer: str, table: Table) -> Iterator[tuple[str, str]]:
    rule = criterion.rule
    if not isinstance(rule, Levels):
        given = gives(rule, table)
        if given.all():
            yield pointer, f"holds for each of {_leads(table)}, so it tells none from another"
        elif not given.any():
            yield pointer, f"holds for none of {_leads(table)}"
        return
    counts = np.bincount(level_of(rule, table), minlength=len(rule.levels) + 1)
    if counts.max() == len(table):
        yield pointer, f"each of {_leads(table)} is in the same level"
        return
    for index in np.flatnonzero(counts[:-1] == 0):
        yield f"{pointer}/levels/{index}", f"none of {_leads(table)} is in this level"


def _unknown(fields: tuple[str, ...], table: Table) -> Iterator[str]:
    """Custom fields and activities that nobody has: mostly misspelt."""
    for field in fields:
        group, _, name = field.partition(".")
        if group not in ("fields", ACTIVITY[:-1]) or _anybody(field, table):
            continue
        if field.startswith(ACTIVITY):
            name = name.removesuffix(DAYS_AGO)
        names = [one.partition(".")[2] for one in table.columns if one.startswith(f"{group}.")]
        close = did_you_mean(name, [one for one in names if not one.endswith(DAYS_AGO)])
        hint = f"; did you mean {group}.{close}?" if close else ""
        yield f"none of {_leads(table)} has {field}{hint}"


def _anybody(field: str, table: Table) -> bool:
    column = table.column(field)
    known = np.array([present(value) for value in column.values], np.bool_)
    return bool(column.of_rows(known).any())


def _stopped(table: Table, now: datetime) -> dict[str, str]:
    """Facts that leads used to have and that none of the last days has, each with a warning."""
    recent = table.at >= (now - timedelta(days=_RECENT_DAYS)).timestamp() * 1e6
    if recent.sum() < FEWEST or (~recent).sum() < FEWEST:
        return {}
    found = {}
    for field, column in table.columns.items():
        known = column.of_rows(np.array([present(one) for one in column.values], np.bool_))
        before = known[~recent].mean()
        if before >= _USUAL and not known[recent].any() and not field.startswith(ACTIVITY):
            found[field] = (
                f"{field} has stopped arriving: {before:.0%} of leads had it, "
                f"and none of the last {_RECENT_DAYS} days has"
            )
    return found


def _leads(table: Table) -> str:
    return f"the {len(table)} leads of the last {DAYS} days"
