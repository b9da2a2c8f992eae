"""How good a scoring is, judged by what became of the leads. Needs numpy.

A label is 1 (it was what we want), 0 (it was not) or -1 (not known). A weight says for how many
leads one stands: a lead below the threshold reaches a rep only when it was explored, and then
stands for all those like it that did not. An estimate that can't be made is None and says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np

from shared.scorecard.intervals import Z95, Interval, wilson
from shared.scorecard.table import Column, Mask, Real, Whole

UNKNOWN: Final = -1
_NOTHING: Final = 1e-12
"""What rounding leaves of zero."""
NOBODY_BELOW: Final = "no lead below the threshold was ever answered"
"""Why there is no recall: what was missed was never looked at."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share or an area with its 95 % interval, the number of leads it rests on (``of``) and how
    many equally weighted ones they are worth (``effective``); or why there is none."""

    interval: Interval | None
    of: int
    effective: float
    why: str | None = None

    def public(self) -> dict[str, Any]:
        """As JSON tells it."""
        found = self.interval
        return {
            "estimate": None if found is None else found.estimate,
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "of": self.of,
            "effective": round(self.effective, 1),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """Leads with what became of them: labels, weights, and who was below the threshold that
    decided about them (``below``), so that somebody only answered them because of exploration."""

    labels: Whole
    weights: Real
    below: Mask

    @property
    def known(self) -> Mask:
        """Whose label is known."""
        return self.labels != UNKNOWN

    def select(self, mask: Mask | Whole) -> "Judged":
        """Some of them; also drawn with repetition."""
        return Judged(self.labels[mask], self.weights[mask], self.below[mask])


def exploration_weights(below: Mask, rates: Real) -> Real:
    """One for a lead that reached its threshold. One below it that a rep got all the same was drawn
    with the exploration rate: it stands for 1/rate leads (Horvitz & Thompson 1952, J. Am. Stat.
    Assoc. 47:663-685). Where the rate is not known it stands for itself."""
    drawn = below & (rates > 0)
    weights = np.ones(len(below))
    weights[drawn] = 1.0 / rates[drawn]
    return weights


def effective_size(weights: Real) -> float:
    """How many equally weighted leads tell as much: (Σw)² ÷ Σw² (Kish 1965, Survey Sampling)."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def share(hits: Mask, weights: Real, why: str) -> Estimate:
    """The weighted share of hits, with Wilson's interval (Wilson 1927, J. Am. Stat. Assoc.
    22:209-212) on the effective sample size; ``why`` there is none when nobody has a weight."""
    size = effective_size(weights)
    if size == 0:
        return Estimate(None, len(hits), 0.0, why)
    part = min(float(weights[hits].sum() / weights.sum()), 1.0)
    return Estimate(wilson(part * size, size), len(hits), size)


def precision(chosen: Mask, judged: Judged) -> Estimate:
    """The share of those chosen whose label is 1."""
    of = judged.select(chosen & judged.known)
    return share(of.labels == 1, of.weights, "none of its leads has an answer that counts yet")


def recall(chosen: Mask, judged: Judged) -> Estimate:
    """The share of those whose label is 1 that are chosen. None as long as nobody below the
    threshold was answered: all that is known was chosen by the definition itself then.

    How many good ones there are below the threshold is itself known from the explored ones only,
    also when none of these was good: the interval reaches as far as Wilson's bounds of their share
    take it, each explored lead standing for its weight.
    """
    known = judged.select(judged.known)
    picked = chosen[judged.known]
    good = known.labels == 1
    if not known.below.any():
        return Estimate(None, int(good.sum()), 0.0, NOBODY_BELOW)
    found = share(picked[good], known.weights[good], "no lead was what the label asks for yet")
    if found.interval is None:
        return found
    (least_hit, most_hit), (least_missed, most_missed) = (
        _good_ones(known.select(inside)) for inside in (picked, ~picked)
    )
    low = least_hit / (least_hit + most_missed) if least_hit else 0.0
    high = most_hit / (most_hit + least_missed) if most_hit else 0.0
    estimate = found.interval
    bounds = Interval(estimate.estimate, min(low, estimate.low), max(high, estimate.high))
    return Estimate(bounds, found.of, found.effective)


def _good_ones(known: Judged) -> tuple[float, float]:
    """How many good leads these stand for, at least and at most: those that reached their threshold
    are counted, of those below it the explored ones are a sample."""
    counted = float(known.weights[~known.below & (known.labels == 1)].sum())
    below = known.select(known.below)
    of_sample = share(below.labels == 1, below.weights, "").interval
    if of_sample is None:
        return counted, counted
    all_below = float(below.weights.sum())
    return counted + of_sample.low * all_below, counted + of_sample.high * all_below


@dataclass(frozen=True, slots=True)
class _Placed:
    """The structural components of an area: for each good lead the share of bad ones that rank
    below it, and for each bad lead the share of good ones above; ties count half."""

    area: float
    good: Real
    bad: Real


def auc(ranks: Whole | Real, judged: Judged) -> Estimate:
    """The area under the ROC curve: the chance that a good lead ranks above a bad one.

    With the interval of DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837-845), found by
    sorting (Sun & Xu 2014, IEEE Signal Process. Lett. 21:1389-1393). With weights the components
    are weighted means and their variance is that of a ratio estimate; with equal weights it is
    DeLong's. Where the components do not vary (an area of 0 or 1) the bound is Wilson's, of as many
    leads as the smaller class has.
    """
    known = judged.select(judged.known)
    size = effective_size(known.weights)
    placed = _placed(ranks[judged.known], known)
    if placed is None:
        return Estimate(None, len(known.labels), size, _one_class(known))
    variance = _variance(placed.good, placed.bad, known)
    if variance is None:
        return Estimate(Interval(placed.area, 0.0, 1.0), len(known.labels), size)
    if variance < _NOTHING and min(placed.area, 1 - placed.area) < _NOTHING:
        least = min(effective_size(known.weights[known.labels == one]) for one in (0, 1))
        return Estimate(wilson(round(placed.area) * least, least), len(known.labels), size)
    reach = Z95 * sqrt(variance)
    low, high = max(placed.area - reach, 0.0), min(placed.area + reach, 1.0)
    return Estimate(Interval(placed.area, low, high), len(known.labels), size)


def auc_difference(first: Whole | Real, second: Whole | Real, judged: Judged) -> Estimate:
    """The area of the first ranking minus that of the second on the same leads, paired (DeLong et
    al. 1988, equation 5: the variance is that of the components' differences)."""
    known = judged.select(judged.known)
    size = effective_size(known.weights)
    one, two = (_placed(ranks[judged.known], known) for ranks in (first, second))
    if one is None or two is None:
        return Estimate(None, len(known.labels), size, _one_class(known))
    difference = one.area - two.area
    variance = _variance(one.good - two.good, one.bad - two.bad, known)
    if variance is None:
        return Estimate(Interval(difference, -1.0, 1.0), len(known.labels), size)
    reach = Z95 * sqrt(variance)
    low, high = max(difference - reach, -1.0), min(difference + reach, 1.0)
    return Estimate(Interval(difference, low, high), len(known.labels), size)


def _one_class(known: Judged) -> str:
    if not len(known.labels):
        return "no lead has an answer that counts yet"
    return "all answers that count are the same, so there is nothing to tell apart"


def _placed(ranks: Whole | Real, known: Judged) -> _Placed | None:
    good = known.labels == 1
    weights_good, weights_bad = known.weights[good], known.weights[~good]
    all_good, all_bad = weights_good.sum(), weights_bad.sum()
    if not all_good or not all_bad:
        return None
    _, place = np.unique(ranks, return_inverse=True)
    levels = int(place.max()) + 1
    at_good = np.bincount(place[good], weights_good, levels)
    at_bad = np.bincount(place[~good], weights_bad, levels)
    below = (np.cumsum(at_bad) - at_bad / 2) / all_bad
    above = (all_good - np.cumsum(at_good) + at_good / 2) / all_good
    of_good, of_bad = below[place[good]], above[place[~good]]
    return _Placed(float((of_good * weights_good).sum() / all_good), of_good, of_bad)


def _variance(of_good: Real, of_bad: Real, known: Judged) -> float | None:
    """The variance of a weighted area, or of a difference of two, from its components; None when a
    class has a single lead, whose spread nobody knows."""
    good = known.labels == 1
    parts = ((of_good, known.weights[good]), (of_bad, known.weights[~good]))
    variance = 0.0
    for components, weights in parts:
        size = effective_size(weights)
        if len(weights) < 2 or size <= 1:
            return None
        shares = weights / weights.sum()
        mean = (shares * components).sum()
        spread = (shares**2 * (components - mean) ** 2).sum()
        variance += float(spread) * size / (size - 1)
    return variance


@dataclass(frozen=True, slots=True)
class Point:
    """What another threshold would do."""

    threshold: int
    mqls: int
    precision: Estimate
    recall: Estimate


def curve(total: Whole, out: Mask, judged: Judged, most: int = 41) -> list[Point]:
    """Volume, precision and recall over thresholds, lowest first, at up to ``most`` of the scores
    that leads have, evenly by lead. ``out`` are those that no threshold lets in."""
    inside = total[~out]
    if not len(inside):
        return []
    steps = np.quantile(inside, np.linspace(0, 1, most), method="inverted_cdf")
    points = []
    for threshold in np.unique(steps).tolist():
        chosen = (total >= threshold) & ~out
        found = (precision(chosen, judged), recall(chosen, judged))
        points.append(Point(int(threshold), int(chosen.sum()), *found))
    return points


@dataclass(frozen=True, slots=True)
class Part:
    """A week or a segment: how many leads it has, and how the chosen ones did."""

    name: str
    leads: int
    mqls: int
    labelled: int
    precision: Estimate
    good_share: Estimate
    """The share of good ones among all whose label is known, chosen or not."""


def by_part(names: Sequence[str], of_rows: Whole, chosen: Mask, judged: Judged) -> list[Part]:
    """The figures of each part; ``of_rows`` says which one a lead is in."""
    parts = []
    for index, name in enumerate(names):
        inside = of_rows == index
        own, picked = judged.select(inside), chosen[inside]
        known = own.select(own.known)
        parts.append(
            Part(
                name,
                int(inside.sum()),
                int(picked.sum()),
                len(known.labels),
                precision(picked, own),
                share(known.labels == 1, known.weights, "nothing is known of it yet"),
            )
        )
    return parts


def segments(column: Column, most: int = 8, other: str = "other") -> tuple[list[str], Whole]:
    """The most frequent values of a field, everything else together, and who has none: their names
    and which each row is in."""
    texts = ["not known" if value in (None, "", []) else _text(value) for value in column.values]
    unique, place = np.unique(np.array(texts, object).astype(str), return_inverse=True)
    of_rows = place[column.codes]
    counts = np.bincount(of_rows, minlength=len(unique))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    if len(order) <= most:
        names, kept = [str(unique[one]) for one in order], order
    else:
        kept = order[: most - 1]
        names = [*(str(unique[one]) for one in kept), other]
    index = np.full(len(unique), len(kept), np.int64)
    index[kept] = np.arange(len(kept))
    return names, index[of_rows]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def load(mqls: int, reps: int, weeks: float) -> float | None:
    """MQLs for each rep and week; None without reps or time."""
    return mqls / reps / weeks if reps and weeks > 0 else None


def flips(before: Mask, after: Mask) -> tuple[Mask, Mask]:
    """Who comes in, and who falls out."""
    return ~before & after, before & ~after
