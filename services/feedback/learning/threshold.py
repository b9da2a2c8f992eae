"""Where the threshold goes: a share of accepted MQLs, what reps can take, or today's volume."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.feedback.learning.data import Target
from services.feedback.learning.facts import Floats

Mask = NDArray[np.bool_]

RECENT_DAYS: Final = 56.0
"""The leads that volume is reckoned from: eight weeks, or more until there are enough."""
ENOUGH_LEADS: Final = 200


@dataclass(frozen=True, eq=False)
class Population:
    """Recent leads, answered or not: their rows, and how many weeks they came in.

    ``today`` says whom the base makes an MQL, ``open`` whom no disqualifier ends.
    """

    rows: NDArray[np.intp]
    weeks: float
    today: Mask
    open: Mask


def recent(days: Floats, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], float]:
    """Of ``rows``, in time order, those of the last weeks; and how many weeks that is."""
    if not len(rows):
        return rows, 1.0
    newest = days[rows[-1]]
    first = int(np.searchsorted(days[rows], newest - RECENT_DAYS, side="left"))
    first = max(min(first, len(rows) - ENOUGH_LEADS), 0)
    kept = rows[first:]
    return kept, max((newest - days[kept[0]]) / 7, 1.0)


def place(totals: Floats, chances: Floats, population: Population, target: Target) -> int:
    """The threshold in points for leads that score ``totals`` and are accepted with ``chances``;
    both are of the population's rows."""
    usable = population.open
    scores = np.round(totals[usable]).astype(int)
    if not len(scores):
        return round(float(totals.max(initial=0.0)))
    order = np.argsort(-scores, kind="stable")
    scores, chances = scores[order], chances[usable][order]
    last = np.flatnonzero(np.diff(scores, append=scores[-1] - 1))  # the last lead of each score
    passed = last + 1
    if target.acceptance is not None:
        expected = np.cumsum(chances)[last] / passed
        enough = np.flatnonzero(expected >= target.acceptance)
        # When too few are accepted often enough, the best twentieth comes nearest: with nobody to
        # answer nothing more would be learned.
        least = int(np.searchsorted(passed, 0.05 * len(scores)))
        at = max(int(enough[-1]) if len(enough) else 0, least)
        return int(scores[last[min(at, len(last) - 1)]])
    wanted = float(population.today.sum())
    if target.per_week is not None:
        wanted = target.per_week * population.weeks
    return int(scores[last[int(np.argmin(np.abs(passed - wanted)))]])
