"""Values of a fact that reps as good as never accept: not worth points against, but the end."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.feedback.learning.binning import Rows, sayable
from services.feedback.learning.data import Settings
from services.feedback.learning.material import Material
from services.feedback.learning.names import Names
from shared.conditions import compile_condition
from shared.scorecard.intervals import wilson
from shared.scorecard.table import Table
from shared.scorecard.table_scoring import holds as holding

LEAST: Final = 100
MOST_ACCEPTED: Final = 0.02
AGAINST_AVERAGE: Final = 0.1
"""The upper end of the interval of acceptance is below 2 % and a tenth of the average."""
MOST: Final = 3


def found(
    material: Material,
    base: Mapping[str, Any],
    settings: Settings,
    unusable: frozenset[str],
    rows: Rows,
) -> list[dict[str, Any]]:
    """New disqualifiers that the answers ``rows`` support, at most three."""
    labels = material.labels[rows]
    limit = min(MOST_ACCEPTED, AGAINST_AVERAGE * float(labels.mean() if len(rows) else 0.0))
    ids = Names(base)
    made: list[tuple[int, dict[str, Any]]] = []
    for name, column in material.columns.items():
        skipped = name in unusable or settings.signs.get(name) == "more"
        if skipped or name.startswith("activity.") or column.is_numeric(rows):
            continue
        answered, accepted = column.counts(rows), column.counts(rows, labels)
        codes = [
            code
            for code in (np.flatnonzero(answered[1:] >= LEAST) + 1).tolist()
            if (interval := wilson(int(accepted[code]), int(answered[code]))) is not None
            and interval.high < limit
            and isinstance(column.values[code], str | int | float)
            and sayable(column.values[code])
        ]
        if codes and len(codes) < len(column.values) - 1:
            lost = sum(int(answered[code]) for code in codes)
            values = [column.values[code] for code in codes]
            one = {"id": "", "field": name, "operator": "in", "value": values}
            made.append((lost, one))
    made.sort(key=lambda pair: (-pair[0], str(pair[1]["field"])))
    return [{**one, "id": ids.new(f"no_{_short(one['field'])}")} for _, one in made[:MOST]]


def _short(field: str) -> str:
    return field.removeprefix("fields.")


def holds(disqualifiers: Sequence[Mapping[str, Any]], leads: Table) -> NDArray[np.bool_]:
    """Whom one of them ends."""
    ended = np.zeros(len(leads), bool)
    for one in disqualifiers:
        ended |= holding(compile_condition(one["field"], one["operator"], one["value"]), leads)
    return ended
