"""How fast answers grow old: chosen on the newest of those that are known."""

from typing import Final

import numpy as np

from services.feedback.learning.binning import Rows
from services.feedback.learning.card import Learner
from services.feedback.learning.weigh import SELECT_FROM
from shared.scorecard.figures import Judged, auc

OLDER: Final = 0.7
LEAST: Final = 300
"""Fewer answers than this can't tell half-lives apart."""
WORTH: Final = 0.005


def half_life(learner: Learner, rows: Rows) -> float | None:
    """The half-life in days that ranks the newest 30 % of the answers best when learned from those
    before; the longest unless a shorter one is clearly better."""
    offered = learner.settings.half_lives
    if len(rows) < LEAST or len(offered) < 2:
        return offered[0] if offered else None
    cut = int(OLDER * len(rows))
    older, newer = rows[:cut], rows[cut:]
    if len(older) > SELECT_FROM:
        older = older[np.linspace(0, len(older) - 1, SELECT_FROM).astype(int)]
    material = learner.material
    labels = material.labels[newer].astype(np.int64)
    if len(np.unique(labels)) < 2 or len(np.unique(material.labels[older])) < 2:
        return offered[0]
    judged = Judged(labels, np.ones(len(newer)), np.zeros(len(newer), bool))
    areas = {}
    for one in offered:
        weights, _, _ = learner.weights(older, one)
        interval = auc(weights.log_odds(len(material.days))[newer], judged).interval
        areas[one] = 0.5 if interval is None else interval.estimate
    clear = max(WORTH, 0.5 / np.sqrt(len(newer)))
    best = offered[0]
    for one in offered[1:]:
        if areas[one] > areas[best] + clear:
            best = one
    return best
