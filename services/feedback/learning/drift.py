"""What changed between the newest quarter of the leads and those before."""

from typing import Any, Final

import numpy as np

from services.feedback.learning.binning import Rows
from services.feedback.learning.facts import Column
from services.feedback.learning.material import Material
from shared.scorecard.figures import Judged, auc
from shared.scorecard.intervals import newcombe, wilson
from shared.scorecard.table_scoring import Scored

SHIFTED: Final = 0.25
"""A population stability index above it is a shift that matters (Siddiqi 2006, ch. 8)."""
BINS: Final = 10


def report(
    material: Material, base: Scored, fields: list[str], half_life: float | None
) -> dict[str, Any]:
    """Acceptance and the base's AUC then and now, and the facts whose values shifted."""
    answered = material.answered
    cut = len(answered) * 3 // 4
    older, newer = answered[:cut], answered[cut:]
    rows = np.arange(len(material.days))
    since = int(newer[0]) if len(newer) else len(rows)
    shifts = _shifts(material, fields, rows[:since], rows[since:])
    then, now = _side(material, base, older), _side(material, base, newer)
    change = newcombe(now["accepted"], now["answers"], then["accepted"], then["answers"])
    return {
        "before": then,
        "newest_quarter": now,
        "since": material.samples[since].at.isoformat() if since < len(rows) else None,
        "difference": None if change is None else change._asdict(),
        "half_life_days": half_life,
        "shifts": shifts,
        "text": _words(then, now, change, shifts, half_life),
    }


def _side(material: Material, base: Scored, rows: Rows) -> dict[str, Any]:
    labels = material.labels[rows]
    judged = Judged(labels.astype(np.int64), np.ones(len(rows)), np.zeros(len(rows), bool))
    area = auc(base.rank[rows], judged)
    interval = wilson(int(labels.sum()), len(rows))
    return {
        "answers": len(rows),
        "accepted": int(labels.sum()),
        "acceptance": None if interval is None else interval._asdict(),
        "auc": None if area.interval is None else area.interval._asdict(),
    }


def _shifts(material: Material, fields: list[str], then: Rows, now: Rows) -> list[dict[str, Any]]:
    found = []
    for name in fields:
        column = material.columns.get(name)
        if column is None or not len(then) or not len(now):
            continue
        index = stability(column, then, now)
        found.append({"field": name, "psi": round(index, 3), "shifted": index > SHIFTED})
    return sorted(found, key=lambda one: (-one["psi"], one["field"]))


def stability(column: Column, then: Rows, now: Rows) -> float:
    """The population stability index of a fact: Σ (p − q) ln(p ÷ q) over ten bins of a number, or
    the most frequent values, with "not known" as one of them."""
    if column.is_numeric(then):
        numbers = column.numbers[column.codes]
        known = numbers[then][~np.isnan(numbers[then])]
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        place = np.where(np.isnan(numbers), 0, 1 + np.searchsorted(cuts, numbers, side="right"))
    else:
        often = np.argsort(-column.counts(then)[1:], kind="stable")[: 2 * BINS] + 1
        lookup = np.ones(len(column.values), np.intp)
        lookup[0] = 0
        lookup[often] = np.arange(2, 2 + len(often))
        place = lookup[column.codes]
    size = int(place.max()) + 1
    p = (np.bincount(place[now], minlength=size) + 0.5) / (len(now) + 0.5 * size)
    q = (np.bincount(place[then], minlength=size) + 0.5) / (len(then) + 0.5 * size)
    return float(((p - q) * np.log(p / q)).sum())


def _words(
    then: dict[str, Any],
    now: dict[str, Any],
    change: Any,
    shifts: list[dict[str, Any]],
    half_life: float | None,
) -> list[str]:
    said = []
    if change is not None and (change.low > 0 or change.high < 0):
        before, after = then["acceptance"]["estimate"], now["acceptance"]["estimate"]
        said.append(
            f"Acceptance of the newest quarter of the answers is {after:.0%}; it was {before:.0%}."
        )
    said += [f"The values of {one['field']} have shifted." for one in shifts if one["shifted"]]
    if half_life is not None:
        said.append(
            f"An answer counts half after {half_life:g} days: recent ones tell newer leads better."
        )
    return said or ["Nothing that matters has changed."]
