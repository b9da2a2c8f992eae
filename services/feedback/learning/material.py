"""Samples as arrays: everything that is the same for every fold, made once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.feedback.learning.data import Sample, weight_of
from services.feedback.learning.facts import Codes, Column, Floats, columns_of, table_of
from shared.scorecard.definition import InvalidDefinition, compile_definition
from shared.scorecard.table import Table

Rows = NDArray[np.intp]
DAY: Final = 86_400.0
MAX_FIELD: Final = 120


@dataclass(frozen=True, eq=False)
class Material:
    """Leads in time order. ``days`` is when each came, ``known`` when its answer did, both in days
    since the first lead; ``labels`` are NaN without an answer. ``reps`` numbers ``rep_names`` from
    1; 0 is nobody."""

    samples: Sequence[Sample]
    table: Table
    columns: dict[str, Column]
    days: Floats
    known: Floats
    labels: Floats
    weights: Floats
    explored: NDArray[np.bool_]
    reps: Codes
    rep_names: tuple[str, ...]

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Material":
        """From samples in time order."""
        table = table_of(samples)
        names = tuple(sorted({one.rep_id for one in samples if one.rep_id is not None}))
        place = {name: index for index, name in enumerate(names, 1)}
        first = samples[0].at if samples else None
        return cls(
            samples=samples,
            table=table,
            columns={name: one for name, one in columns_of(table).items() if scorable(name)},
            days=np.array([_days(first, one.at) for one in samples]),
            known=np.array([_days(first, one.answered_at or one.at) for one in samples]),
            labels=np.array([_label(one) for one in samples], float),
            weights=np.array([weight_of(one) for one in samples], float),
            explored=np.array([one.weight > 1 for one in samples], bool),
            reps=np.array([place.get(one.rep_id or "", 0) for one in samples], np.int32),
            rep_names=names,
        )

    def day(self, moment: datetime | None) -> float:
        """A moment in days since the first lead; before all of them for None."""
        return -np.inf if moment is None else _days(self.samples[0].at, moment)

    @property
    def answered(self) -> Rows:
        """The rows with a label."""
        return np.flatnonzero(~np.isnan(self.labels))


def _label(sample: Sample) -> float:
    return float(sample.label) if sample.label in (0, 1) else np.nan


def _days(first: datetime | None, moment: datetime) -> float:
    return 0.0 if first is None else (moment - first).total_seconds() / DAY


def scorable(field: str) -> bool:
    """Whether a definition may look at a fact: personal ones are refused."""
    if not field.strip() or len(field) > MAX_FIELD or "\0" in field or field != field.strip():
        return False
    criterion = {"id": "x", "group": "fit", "field": field, "operator": "is_present", "points": 1}
    try:
        compile_definition(1, {"threshold": 0, "criteria": [criterion]})
    except InvalidDefinition:
        return False
    return True
