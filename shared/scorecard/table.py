"""Scoring very many leads at once: exactly what ``scoring.evaluate`` says, row by row.

A column is kept as its different values and, for each row, which of them it has. A condition is
asked once for each different value, and the answers are spread over the rows; only what fades with
time is reckoned row by row, for the rows that have it. Needs numpy: for processes of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.conditions import Condition, FactValue, Operator, Test
from shared.conditions.values import number
from shared.scorecard.definition import Definition, Letters
from shared.scorecard.rules import (
    ANY,
    MOMENTS,
    Activity,
    Engagement,
    Inputs,
    Levels,
    Rule,
    Single,
    decayed,
)
from shared.scorecard.scoring import context_of

Mask = NDArray[np.bool_]
Whole = NDArray[np.int64]
Real = NDArray[np.float64]

DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PLAIN: Final = frozenset({str, int, type(None)})
"""Types whose values are keys by themselves."""
_CHUNK: Final = 4096
"""Rows that are taken apart together; no more of them are held as objects."""
_EXACT: Final = 2**53
"""Whole numbers up to it are themselves as floats."""
_LARGEST: Final = 10**300
_NEVER: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class Row:
    """A lead as it was at a moment: everything that a score depends on."""

    lead_id: str
    facts: Mapping[str, FactValue]
    attribution: Mapping[str, str | None]
    activities: Mapping[str, Activity]
    at: datetime

    @property
    def inputs(self) -> Inputs:
        """The inputs of ``evaluate``."""
        return Inputs(self.facts, self.attribution, self.activities)


class Column:
    """A field of all rows: ``values`` are its different values, ``codes`` says which one each row
    has. The first value is always None, for who has none."""

    __slots__ = ("_numbers", "codes", "values")

    def __init__(self, values: list[FactValue], codes: Whole) -> None:
        self.values: Final = values
        self.codes: Final = codes
        self._numbers: Real | None = None

    @property
    def numbers(self) -> Real:
        """The number that each different value is or says; not-a-number for those without. Whole
        numbers beyond 2⁵³ lose their last digits."""
        if self._numbers is None:
            read = [number(value) for value in self.values]
            self._numbers = np.array([np.nan if one is None else _float(one) for one in read])
        return self._numbers

    def of_rows(self, answers: NDArray[Any]) -> NDArray[Any]:
        """What holds for each different value, for each row."""
        return answers[self.codes]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What leads did of one kind: the rows that did, how often, when last, and the newest moments
    (microseconds since 1970, newest first, ``_NEVER`` behind the last)."""

    rows: Whole
    counts: Whole
    last: Whole
    moments: Whole

    def select(self, mask: Mask) -> "_Kind":
        kept = mask[self.rows]
        place = np.cumsum(mask) - 1
        rows = place[self.rows[kept]]
        return _Kind(rows, self.counts[kept], self.last[kept], self.moments[kept])


class Table:
    """Leads by column. ``at`` is the moment of each in microseconds since 1970."""

    def __init__(
        self, ids: NDArray[Any], at: Whole, columns: dict[str, Column], kinds: dict[str, _Kind]
    ) -> None:
        self.ids: Final = ids
        self.at: Final = at
        self.columns: Final = columns
        self._kinds: Final = kinds

    @classmethod
    def of(cls, rows: Iterable[Row], fields: Iterable[str] | None = None) -> "Table":
        """Take rows apart, a few thousand at a time; ``fields`` are those to keep, else all."""
        return _Builder(fields).build(rows)

    def __len__(self) -> int:
        return len(self.at)

    def column(self, field: str) -> Column:
        """The values of a field; all None for one that nobody has."""
        found = self.columns.get(field)
        return Column([None], np.zeros(len(self), np.int64)) if found is None else found

    def select(self, mask: Mask) -> "Table":
        """The rows for which ``mask`` holds."""
        columns = {name: Column(one.values, one.codes[mask]) for name, one in self.columns.items()}
        kinds = {name: one.select(mask) for name, one in self._kinds.items()}
        return Table(self.ids[mask], self.at[mask], columns, kinds)

    def weeks(self) -> tuple[list[str], Whole]:
        """The ISO weeks (``2026-W07``, in UTC) of the rows, in order, and which each row is in."""
        days, of_rows = np.unique(self.at // DAY_US, return_inverse=True)
        names = [week_of(int(day)) for day in days]
        weeks = sorted(set(names))
        place = {name: index for index, name in enumerate(weeks)}
        return weeks, np.array([place[name] for name in names], np.int64)[of_rows]

    def done(self, kind: str) -> "_Kind | None":
        """What was done of a kind, or of any; None when nobody did it."""
        return self._any() if kind == ANY else self._kinds.get(kind)

    def last(self, kind: str | None) -> Whole:
        """When each row last did ``kind``, else anything; ``_NEVER`` for who never did."""
        newest = np.full(len(self), _NEVER, np.int64)
        for one in self._kinds.values():
            newest[one.rows] = np.maximum(newest[one.rows], one.last)
        own = None if kind is None else self._kinds.get(kind)
        if own is not None:
            newest[own.rows] = own.last
        return newest

    def _any(self) -> _Kind | None:
        if not self._kinds:
            return None
        rows = np.unique(np.concatenate([one.rows for one in self._kinds.values()]))
        counts = np.zeros(len(rows), np.int64)
        last = np.full(len(rows), _NEVER, np.int64)
        moments = np.full((len(rows), MOMENTS), _NEVER, np.int64)
        for one in self._kinds.values():
            place = np.searchsorted(rows, one.rows)
            counts[place] += one.counts
            last[place] = np.maximum(last[place], one.last)
            both = np.concatenate([moments[place], one.moments], axis=1)
            moments[place] = -np.sort(-both, axis=1)[:, :MOMENTS]
        return _Kind(rows, counts, last, moments)


class _Builder:
    """Columns in the making."""

    def __init__(self, fields: Iterable[str] | None) -> None:
        self._fields = None if fields is None else tuple(dict.fromkeys(fields))
        self._seen: dict[str, dict[Any, int]] = {}
        self._values: dict[str, list[FactValue]] = {}
        self._codes: dict[str, list[tuple[int, Whole]]] = {}
        self._kinds: dict[str, list[_Kind]] = {}

    def build(self, rows: Iterable[Row]) -> Table:
        ids: list[str] = []
        moments: list[int] = []
        source = iter(rows)
        while chunk := list(islice(source, _CHUNK)):
            self._add(len(ids), chunk)
            ids += [row.lead_id for row in chunk]
            moments += [microseconds(row.at) for row in chunk]
        columns = {name: self._column(name, len(ids)) for name in self._codes}
        kinds = {name: _joined(parts) for name, parts in self._kinds.items()}
        return Table(np.array(ids, object), np.array(moments, np.int64), columns, kinds)

    def _add(self, first: int, chunk: Sequence[Row]) -> None:
        contexts = [context_of(row.inputs, row.at) for row in chunk]
        names = self._fields
        if names is None:
            names = tuple(dict.fromkeys(name for one in contexts for name in one))
        for name in names:
            values = [one.get(name) for one in contexts]
            self._codes.setdefault(name, []).append((first, self._coded(name, values)))
        done: dict[str, list[tuple[int, Activity]]] = {}
        for index, row in enumerate(chunk, first):
            for kind, activity in row.activities.items():
                done.setdefault(kind, []).append((index, activity))
        for kind, found in done.items():
            self._kinds.setdefault(kind, []).append(_kind(found))

    def _coded(self, name: str, values: list[FactValue]) -> Whole:
        seen = self._seen.setdefault(name, {None: 0})
        known = self._values.setdefault(name, [None])
        keys = [one if type(one) in _PLAIN else _key(one) for one in values]
        for key, value in zip(keys, values, strict=True):
            if key not in seen:
                seen[key] = len(known)
                known.append(value)
        return np.fromiter(map(seen.__getitem__, keys), np.int64, len(keys))

    def _column(self, name: str, rows: int) -> Column:
        codes = np.zeros(rows, np.int64)
        for first, part in self._codes[name]:
            codes[first : first + len(part)] = part
        return Column(self._values[name], codes)


def _key(value: FactValue) -> Any:
    """What only the same value of the same type has: True is not 1, and not "1" either."""
    if isinstance(value, float) and not value.is_integer():
        return value
    if isinstance(value, str | int | float):
        return (type(value), value)
    return (list, repr(value))


def _float(value: int | float) -> float:
    return float(min(max(value, -_LARGEST), _LARGEST))


def _kind(found: list[tuple[int, Activity]]) -> _Kind:
    moments = np.full((len(found), MOMENTS), _NEVER, np.int64)
    for place, (_, one) in enumerate(found):
        newest = sorted(map(microseconds, one.moments), reverse=True)[:MOMENTS]
        moments[place, : len(newest)] = newest
    rows = np.array([index for index, _ in found], np.int64)
    counts = np.array([one.count for _, one in found], np.int64)
    return _Kind(rows, counts, np.array([microseconds(a.last_at) for _, a in found]), moments)


def _joined(parts: list[_Kind]) -> _Kind:
    return _Kind(
        np.concatenate([one.rows for one in parts]),
        np.concatenate([one.counts for one in parts]),
        np.concatenate([one.last for one in parts]),
        np.concatenate([one.moments for one in parts]),
    )


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def week_of(day: int) -> str:
    """The ISO week of a day, which is counted from 1970."""
    year, week, _ = (_EPOCH + timedelta(days=day)).isocalendar()
    return f"{year}-W{week:02d}"


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
        fading = np.flatnonzero(mask & (last != _NEVER))
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
    counted = done.moments != _NEVER
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
