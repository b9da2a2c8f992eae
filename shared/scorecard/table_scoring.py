"""Scoring very many leads at once: exactly what ``scoring.evaluate`` says, row by row.

A condition is asked once for each different value of a column, and the answers are spread over the
rows; only what fades with time is reckoned row by row, for the rows that have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.conditions import Condition, Operator, Test
from shared.scorecard.definition import Definition, Letters
from shared.scorecard.rules import Engagement, Levels, Rule, Single, decayed
from shared.scorecard.table import DAY_US, NEVER, Column, Mask, Real, Table, Whole

_EXACT: Final = 2**53
"""Whole numbers up to it are themselves as floats."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A table scored by a definition; ``points`` has a column for each criterion."""

    threshold: int
    points: Whole
    total: Whole
    engaged: Whole
    """The points of engagement among the total."""
    disqualified_by: Whole
    """The index of the first disqualifier that holds, or -1."""

    @property
    def disqualified(self) -> Mask:
        """Whom a disqualifier ends."""
        return self.disqualified_by >= 0

    @property
    def mql(self) -> Mask:
        """Who reaches the threshold and is not disqualified."""
        return (self.total >= self.threshold) & ~self.disqualified

    @property
    def rank(self) -> Whole:
        """The total, but whoever is disqualified stands behind everybody else."""
        if not len(self.total):
            return self.total
        return np.where(self.disqualified, self.total.min() - 1, self.total)


def scores(definition: Definition, table: Table) -> Scored:
    """Score every row as of its moment."""
    rows = len(table)
    points = np.zeros((rows, len(definition.criteria)), np.int64, order="F")
    engaged = np.zeros(rows, np.int64)
    for index, criterion in enumerate(definition.criteria):
        points[:, index] = points_of(criterion.rule, table)
        if criterion.group == "engagement":
            engaged += points[:, index]
    ended = np.full(rows, -1, np.int64)
    for index, disqualifier in enumerate(definition.disqualifiers):
        ended[(ended < 0) & holds(disqualifier.test, table)] = index
    return Scored(definition.threshold, points, points.sum(axis=1), engaged, ended)


def grades(definition: Definition, scored: Scored) -> NDArray[Any]:
    """The grade of each row, or None."""
    if definition.matrix is None:
        return _letters(definition.grades, scored.total)
    fit = _letters(definition.matrix[0], scored.total - scored.engaged)
    engagement = _letters(definition.matrix[1], scored.engaged)
    both = zip(fit, engagement, strict=True)
    return np.array([None if a is None or b is None else a + b for a, b in both], object)


def _letters(letters: Letters, points: Whole) -> NDArray[Any]:
    found = np.full(len(points), None, object)
    for letter, least in reversed(letters):
        found[points >= least] = letter
    return found


def points_of(rule: Rule, table: Table) -> Whole:
    """What a criterion gives each row."""
    if isinstance(rule, Levels):
        worth = np.array([*(one.points for one in rule.levels), rule.otherwise], np.int64)
        return worth[level_of(rule, table)]
    if isinstance(rule, Engagement):
        return _engagement_points(rule, table)[0]
    if not isinstance(rule, Single):
        raise TypeError(f"no way to score {type(rule).__name__} by column")
    mask = holds(rule.test, table)
    points = np.where(mask, rule.points, 0)
    if rule.half_life_days is not None:
        last = table.last(rule.activity_kind)
        fading = np.flatnonzero(mask & (last != NEVER))
        ages = _ages(table.at[fading], last[fading]).tolist()
        points[fading] = [decayed(rule.points, age, rule.half_life_days) for age in ages]
    return points


def gives(rule: Rule, table: Table) -> Mask:
    """Whom a criterion applies to: the condition or a level holds, or enough was done, whatever
    the points come to."""
    if isinstance(rule, Levels):
        return level_of(rule, table) < len(rule.levels)
    if isinstance(rule, Engagement):
        return _engagement_points(rule, table)[1]
    if not isinstance(rule, Single):
        raise TypeError(f"no way to score {type(rule).__name__} by column")
    return holds(rule.test, table)


def holds(test: Test, table: Table) -> Mask:
    """For which rows a condition or a tree of them holds."""

    def ask(condition: Condition) -> Mask:
        column = table.column(condition.field)
        return column.of_rows(_answers(condition, column))

    return test.combine(ask)


_COMPARE: Final = {
    Operator.AT_LEAST: np.greater_equal,
    Operator.AT_MOST: np.less_equal,
    Operator.GREATER_THAN: np.greater,
    Operator.LESS_THAN: np.less,
}


def _answers(condition: Condition, column: Column) -> Mask:
    """What the condition says of each different value."""
    value = condition.value
    bounds = value if isinstance(value, tuple) else (value,)
    if condition.operator in (*_COMPARE, Operator.BETWEEN) and _exact(column, bounds):
        low, high = float(bounds[0]), float(bounds[-1])
        if condition.operator is Operator.BETWEEN:
            return (column.numbers >= low) & (column.numbers <= high)
        return np.asarray(_COMPARE[condition.operator](column.numbers, low))
    return np.fromiter(map(condition.holds, column.values), np.bool_, len(column.values))


def _exact(column: Column, bounds: Sequence[Any]) -> bool:
    """Whether floats tell these numbers apart as well as Python's whole numbers do."""
    largest = np.nanmax(np.abs(column.numbers), initial=0.0)
    return bool(largest < _EXACT) and all(abs(one) < _EXACT for one in bounds)


def level_of(rule: Levels, table: Table) -> Whole:
    """Which level is the first to hold for each row, by index; the number of levels for none."""
    column = table.column(rule.field)
    first = np.full(len(column.values), len(rule.levels), np.int64)
    for index in reversed(range(len(rule.levels))):
        first[_answers(rule.levels[index].condition, column)] = index
    return column.of_rows(first)


def _engagement_points(rule: Engagement, table: Table) -> tuple[Whole, Mask]:
    """The points of each row, and who did enough."""
    points, enough = np.zeros(len(table), np.int64), np.zeros(len(table), np.bool_)
    done = table.done(rule.kind)
    if done is None:
        return points, enough
    counted = done.moments != NEVER
    ages = _ages(table.at[done.rows][:, None], done.moments)
    numbers = done.counts
    if rule.window_days is not None:
        counted &= ages <= rule.window_days
        numbers = counted.sum(axis=1)
    if rule.cap is None:
        counted[:, 1:] = False
    did = (numbers >= rule.count) & counted[:, 0]
    enough[done.rows[did]] = True
    points[done.rows[did]] = _faded(rule, ages[did], counted[did])
    return points, enough


def _faded(rule: Engagement, ages: Real, counted: Mask) -> Whole:
    """The points of rows that did enough. Summed in the order of the ages, and with Python's power,
    so that not even the last bit is another one than for a single lead."""
    worth = np.where(counted, float(rule.points), 0.0)
    if rule.half_life_days is not None:
        steps = (ages[counted] / rule.half_life_days).tolist()
        worth[counted] = [rule.points * 0.5**step for step in steps]
    total = np.zeros(len(ages))
    for index in range(worth.shape[1]):
        total += worth[:, index]
    if rule.cap is not None:
        total = np.clip(total, -abs(rule.cap), abs(rule.cap))
    return np.rint(total).astype(np.int64)


def _ages(at: Whole, moments: Whole) -> Real:
    """Days since; what lies in the future is now."""
    return np.maximum((at - moments) / DAY_US, 0.0)
