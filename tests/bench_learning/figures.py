"""How well a score tells good leads from others: the two figures that everything is judged by.

Labels may be shares between 0 and 1 instead of 0 or 1: where a simulated lead's chance is known,
judging by it instead of by one draw takes that draw's noise out of the figure.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """The chance that a good lead scores above another one, ties counting half (Mann–Whitney).

    NaN when all leads are good or none is.
    """
    values, good = np.asarray(scores, float), np.asarray(labels, float)
    _, place = np.unique(values, return_inverse=True)
    of_good = np.bincount(place, good)
    of_others = np.bincount(place, 1 - good)
    below = np.cumsum(of_others) - of_others
    pairs = of_good.sum() * of_others.sum()
    return float((of_good * (below + of_others / 2)).sum() / pairs) if pairs else math.nan


def top_precision(scores: ArrayLike, labels: ArrayLike, share: float = 0.2) -> float:
    """The share of good leads among the best-scored ``share`` of all.

    Leads that tie at the edge count by the part of them that fits: what a random order among them
    would give on average. Whole points tie often.
    """
    values, good = np.asarray(scores, float), np.asarray(labels, float)
    room = share * len(values)
    _, place = np.unique(-values, return_inverse=True)
    leads, of_good = np.bincount(place), np.bincount(place, good)
    taken = np.clip(room - (np.cumsum(leads) - leads), 0, leads)
    return float((of_good * taken / leads).sum() / room)


def auc_error(scores: ArrayLike, labels: ArrayLike) -> float:
    """The standard error of an AUC by Hanley and McNeil (1982), for labels of 0 and 1."""
    good = np.asarray(labels, float)
    area, positives = auc(scores, labels), good.sum()
    negatives = len(good) - positives
    both_above = area / (2 - area) - area**2
    both_below = 2 * area**2 / (1 + area) - area**2
    spread = area * (1 - area) + (positives - 1) * both_above + (negatives - 1) * both_below
    return float(math.sqrt(spread / (positives * negatives)))
