"""Facts that look like the label itself, and facts that stopped arriving."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.feedback.learning.binning import Answers, Rows, levels_of
from services.feedback.learning.facts import Column
from services.feedback.learning.material import Material
from shared.scorecard.figures import Judged, auc

TOO_GOOD: Final = 0.97
"""An area that no honest fact has by itself."""
SUPPORT: Final = 20
"""Answers of each kind that it must hold for."""
STOPPED_SHARE: Final = 0.1
"""A fact counts as arriving while at least this share of a week's leads has it."""
SILENT_DAYS: Final = 14.0
SILENT_LEADS: Final = 30


@dataclass(frozen=True, slots=True)
class Warned:
    """A fact that is not used, and why in words."""

    field: str
    text: str


def leaks(material: Material) -> list[Warned]:
    """Facts whose levels, made on the older half of the answers, tell the newer ones nearly
    without fault."""
    answered = material.answered
    half = len(answered) // 2
    older, newer = answered[:half], answered[half:]
    labels = material.labels[newer]
    if min((labels == 1).sum(), (labels == 0).sum()) < SUPPORT or not _both(material, older):
        return []
    answers = Answers(older, material.labels[older], np.ones(half))
    found = []
    for name, column in material.columns.items():
        area = _area(column, answers, newer, labels)
        if area is not None and area > TOO_GOOD:
            found.append(
                Warned(
                    name,
                    f"Too good: {name} looks like the answer itself (AUC {area:.3f} by itself on "
                    "unseen leads). Probably it is only known once a lead was decided; it is not "
                    "used unless you say that it may be.",
                )
            )
    return found


def _both(material: Material, rows: Rows) -> bool:
    return len(np.unique(material.labels[rows])) == 2


def _area(column: Column, answers: Answers, newer: Rows, labels: np.ndarray) -> float | None:
    levels = levels_of(column, answers)
    if levels is None or levels.codes is None:
        return None
    counts = np.bincount(levels.codes[answers.rows], minlength=levels.levels)
    wins = np.bincount(levels.codes[answers.rows], answers.labels, minlength=levels.levels)
    rates = (wins + answers.rate) / (counts + 1)
    judged = Judged(labels.astype(np.int64), np.ones(len(newer)), np.zeros(len(newer), bool))
    interval = auc(rates[levels.codes[newer]], judged).interval
    return None if interval is None else interval.estimate


def stopped(material: Material) -> list[Warned]:
    """Facts that leads used to have and that none of the last two weeks had."""
    if not len(material.days):
        return []
    newest = material.days[-1]
    silent = material.days > newest - SILENT_DAYS
    if silent.sum() < SILENT_LEADS or silent.all():
        return []
    found = []
    for name, column in material.columns.items():
        if name.startswith("activity."):
            continue
        known = column.known
        if known[silent].any():
            continue
        last = int(np.flatnonzero(known)[-1])
        span = material.days[: last + 1] > material.days[last] - 28
        if known[: last + 1][span].mean() >= STOPPED_SHARE and span.sum() >= SILENT_LEADS:
            year, week, _ = material.samples[last].at.isocalendar()
            found.append(
                Warned(
                    name,
                    f"{name} stopped arriving in week {year}-W{week:02d}: look at the form or the "
                    "import that sent it. It is not used.",
                )
            )
    return found
