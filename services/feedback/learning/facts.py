"""The facts of many leads as columns: each distinct value once, and a code for each lead."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.feedback.learning.data import Sample
from shared.conditions import FactValue, compile_condition
from shared.conditions.values import fold, items, number, present, text_of, truth
from shared.scorecard.table import Row, Table

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One fact: ``values`` are the distinct ones, of which the first is "not known"."""

    field: str
    values: Sequence[FactValue]
    codes: Codes

    @cached_property
    def numbers(self) -> Floats:
        """Each distinct value as a number, NaN where it is none."""
        read = [number(v) if isinstance(v, str | int | float) else None for v in self.values]
        return np.array([np.nan if one is None else float(one) for one in read])

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """For each lead, whether the fact is known."""
        return self.codes > 0

    def counts(self, rows: NDArray[Any], weights: Floats | None = None) -> Floats:
        """How many of ``rows`` have each distinct value."""
        return np.bincount(self.codes[rows], weights, minlength=len(self.values)).astype(float)

    def is_numeric(self, rows: NDArray[Any]) -> bool:
        """Whether nearly all that is known is numbers, and more than one of them."""
        counts = self.counts(rows)
        counts[0] = 0
        numeric = ~np.isnan(self.numbers)
        known = counts.sum()
        distinct = np.unique(self.numbers[numeric & (counts > 0)])
        return bool(known and counts[numeric].sum() >= 0.9 * known and len(distinct) > 1)

    def is_truth(self, rows: NDArray[Any]) -> bool:
        """Whether all that is known reads as yes or no."""
        held = np.flatnonzero(self.counts(rows)[1:]) + 1
        values = [self.values[index] for index in held[:6]]
        return bool(values) and len(held) <= 5 and all(truth(one) is not None for one in values)

    @cached_property
    def texts(self) -> list[tuple[str, ...]]:
        """Each distinct value as folded texts: several for a list, none for "not known"."""
        return [
            tuple(dict.fromkeys(fold(text_of(item)) for item in items(value) if present(item)))
            for value in self.values
        ]

    def holding(self, condition: Mapping[str, Any]) -> NDArray[np.bool_]:
        """For each distinct value, whether the condition of a definition holds."""
        compiled = compile_condition(self.field, condition["operator"], condition.get("value"))
        field = self.field
        return np.array([compiled.matches({field: value}) for value in self.values])


def columns_of(table: Table) -> dict[str, Column]:
    """Every fact that some lead has, with attribution and activities, by name in order."""
    made = {name: _column(name, one.values, one.codes) for name, one in table.columns.items()}
    return {name: made[name] for name in sorted(made) if len(made[name].values) > 1}


def table_of(samples: Sequence[Sample]) -> Table:
    """The samples as a table that definitions score, row by row in their order."""
    return Table.of(
        Row(one.lead_id, one.facts, one.attribution, one.activities, one.at) for one in samples
    )


def _column(name: str, values: Sequence[FactValue], codes: NDArray[Any]) -> Column:
    """Blank texts and not-a-number join "not known", and what is equal becomes one value."""
    kept: list[FactValue] = [None]
    place: dict[Any, int] = {}
    lookup = np.zeros(len(values), np.int32)
    for index, value in enumerate(values):
        if present(value):
            key = repr(value) if isinstance(value, list | tuple) else (type(value), value)
            if key not in place:
                place[key] = len(kept)
                kept.append(value)
            lookup[index] = place[key]
    return Column(name, kept, lookup[codes])


def first_hold(column: Column, conditions: Iterable[Mapping[str, Any]]) -> Codes:
    """For each lead, the index of the first condition that holds; their number when none does."""
    listed = list(conditions)
    lookup = np.full(len(column.values), len(listed), np.int32)
    for position in range(len(listed) - 1, -1, -1):
        lookup[column.holding(listed[position])] = position
    return lookup[column.codes]
