"""Very many leads by column: each field's different values, and which of them each lead has.

Needs numpy: for processes of their own. ``table_scoring`` scores a table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.conditions import FactValue
from shared.conditions.values import number
from shared.scorecard.rules import ANY, MOMENTS, Activity, Inputs
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
_LARGEST: Final = 10**300
NEVER: Final = -(2**62)
"""Stands for the moment of what was not done."""


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
    (microseconds since 1970, newest first, ``NEVER`` behind the last)."""

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
        """When each row last did ``kind``, else anything; ``NEVER`` for who never did."""
        newest = np.full(len(self), NEVER, np.int64)
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
        last = np.full(len(rows), NEVER, np.int64)
        moments = np.full((len(rows), MOMENTS), NEVER, np.int64)
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
    moments = np.full((len(found), MOMENTS), NEVER, np.int64)
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
