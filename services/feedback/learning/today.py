"""The criteria of the definition in force as candidates, in the shape people know them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from services.feedback.learning.candidates import Candidate
from services.feedback.learning.facts import Column, Floats, first_hold
from services.feedback.learning.material import Rows
from shared.scorecard.definition import compile_definition
from shared.scorecard.table import Table
from shared.scorecard.table_scoring import points_of

TELLING: Final = 20
"""Answered leads with a criterion, and without it, that it takes to judge it."""
PROBE: Final = 1000
"""Points that a criterion is given to see which share of them a lead earns."""


def form_of(criterion: Mapping[str, Any]) -> str:
    """Which of the four forms a criterion has: ``levels``, ``activity``, ``when`` or ``field``."""
    for name in ("levels", "activity", "when"):
        if criterion.get(name) is not None:
            return name
    return "field"


def fields_of(criterion: Mapping[str, Any]) -> tuple[str, ...]:
    """The facts a criterion looks at."""
    probe = {**criterion, "points": 1} if form_of(criterion) != "levels" else criterion
    made = compile_definition(1, {"threshold": -1_000_000, "criteria": [_bare(probe)]})
    return made.fields


def _bare(criterion: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in criterion.items() if value is not None}


def candidates_of(
    base: Mapping[str, Any], columns: Mapping[str, Column], table: Table
) -> list[Candidate]:
    """Each criterion of the base, without its points."""
    return [_candidate(one, columns, table) for one in base["criteria"]]


def _candidate(
    criterion: Mapping[str, Any], columns: Mapping[str, Column], table: Table
) -> Candidate:
    form = form_of(criterion)
    fields = fields_of(criterion)
    given = {"key": f"today:{criterion['id']}", "field": fields[0], "group": criterion["group"]}
    column = columns.get(fields[0])
    fades = criterion.get("half_life_days") is not None
    if column is not None and form == "levels":
        levels = criterion["levels"]
        conditions = [
            {
                name: one[name]
                for name in ("operator", "value", "label")
                if one.get(name) is not None
            }
            for one in levels
        ]
        codes = first_hold(column, conditions)
        return Candidate(**given, conditions=tuple(conditions), codes=codes, today=criterion)
    if column is not None and form == "field" and not fades:
        condition = {
            name: criterion[name]
            for name in ("operator", "value")
            if criterion.get(name) is not None
        }
        codes = first_hold(column, [condition])
        return Candidate(**given, conditions=(condition,), codes=codes, today=criterion)
    share = np.zeros(len(table)) if form == "levels" else share_of(criterion, table)
    return Candidate(**given, share=share, today=criterion)


def share_of(criterion: Mapping[str, Any], table: Table) -> Floats:
    """How much of its points each lead earns from a criterion: 0 to 1, or more up to its cap."""
    probe = _bare({**criterion, "points": PROBE})
    if criterion.get("cap") is not None:
        probe["cap"] = cap_of(criterion, PROBE)
    made = compile_definition(1, {"threshold": -1_000_000, "criteria": [probe]})
    return points_of(made.criteria[0].rule, table) / PROBE


def cap_of(criterion: Mapping[str, Any], points: int) -> int:
    """The cap that goes with other points: as many times them as before."""
    ratio = criterion["cap"] / criterion["points"] if criterion["points"] else 1.0
    return round(points * max(ratio, 1.0))


def untested(candidate: Candidate, rows: Rows) -> bool:
    """Whether hardly any answered lead differs in a criterion of today: the answers can't judge it,
    so it says no more and no less than before."""
    if candidate.codes is not None:
        counts = np.bincount(candidate.codes[rows])
        rest = len(rows) - int(counts.max(initial=0))
    else:
        assert candidate.share is not None
        earns = int((candidate.share[rows] > 0).sum())
        rest = min(earns, len(rows) - earns)
    return rest < TELLING


def points_before(criteria: Sequence[Mapping[str, Any]], table: Table) -> Floats:
    """What some criteria, with the points they have, give each lead together."""
    total = np.zeros(len(table))
    for criterion in criteria:
        made = compile_definition(1, {"threshold": -1_000_000, "criteria": [_bare(criterion)]})
        total += points_of(made.criteria[0].rule, table)
    return total
