"""Judging on leads that were not seen: rolling origin, and both definitions on the same leads.

The answers after the oldest three tenths are cut into blocks in time order. For each block a
definition is learned from the answers that were there when it began, and scores the block's leads
beside the base. Areas are compared within blocks, where scores have one meaning, and pooled by the
number of pairs. What is judged so is the way of learning, on every block anew; the definition
proposed is then learned the same way from all answers.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from services.feedback.learning import reps
from services.feedback.learning.binning import Rows
from services.feedback.learning.card import Card, Learner
from services.feedback.learning.data import MOST_STANDS_FOR
from services.feedback.learning.facts import Floats
from services.feedback.learning.material import Material
from shared.scorecard.definition import compile_definition
from shared.scorecard.figures import Estimate, Judged, auc, auc_difference
from shared.scorecard.intervals import Z95, Interval
from shared.scorecard.table_scoring import Scored, scores

Mask = NDArray[np.bool_]

BLOCKS: Final = 5
TRAINED_FIRST: Final = 0.3
LEAST_TRAINED: Final = 40
LEAST_UNSEEN: Final = 150
RIDGE: Final = 1e-3
LIKELY: Final = 0.1
"""The chance that the gain in AUC itself is none, at most."""
TOGETHER: Final = 0.008
"""That chance times the one that there is nothing to gain, at most, as a part of what the latter
may be: who is only just sure of the one must be surer of the other."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A block of leads, of which some are ``judged``, and the answers known before it began."""

    trained: Rows
    before: Rows
    rows: Rows
    judged: Mask


@dataclass(frozen=True, eq=False)
class Unseen:
    """Leads of all blocks, in time order, as the base and as learned definitions score them.
    ``counts`` says whose answer is judged, ``block`` which block each is in, ``trust`` how much its
    rep's answer tells."""

    rows: Rows
    counts: Mask
    block: NDArray[np.intp]
    rank_before: Floats
    rank_after: Floats
    mql_before: Mask
    mql_after: Mask
    trust: Floats
    half_lives: tuple[float | None, ...]

    def judged(self, material: Material, most: float | None = None) -> Judged:
        """The leads with labels and weights; none above ``most``."""
        weights = material.weights[self.rows] * self.trust
        labels = material.labels[self.rows]
        return Judged(
            np.where(np.isnan(labels) | ~self.counts, -1, labels).astype(np.int64),
            weights if most is None else np.minimum(weights, most * self.trust),
            material.explored[self.rows],
        )


def folds(material: Material, base_knew: float = -np.inf) -> Iterator[Fold]:
    """The blocks, oldest first; those with too few answers before them are left out.

    ``base_knew`` is until when, in days, the base knew answers itself: on those it would have the
    advantage, so they are no part of a block as long as enough others are left.
    """
    answered = material.answered
    judged = answered[int(TRAINED_FIRST * len(answered)) :]
    new_to_base = judged[material.known[judged] > base_knew]
    if len(new_to_base) >= LEAST_UNSEEN:
        judged = new_to_base
    edges = np.linspace(0, len(judged), BLOCKS + 1).astype(int)
    for start, end in itertools.pairwise(edges):
        if start == end:
            continue
        first = judged[start]
        last = judged[end] if end < len(judged) else len(material.labels)
        begin = material.days[first]
        earlier = answered[answered < first]
        trained = earlier[material.known[earlier] <= begin]
        if len(trained) < LEAST_TRAINED:  # answers that came late, or all in one go
            trained = earlier
        labels = material.labels[trained]
        if len(trained) < LEAST_TRAINED or len(np.unique(labels)) < 2:
            continue
        rows = np.arange(first, last)
        yield Fold(trained, np.arange(first), rows, np.isin(rows, judged))


def unseen(
    learner: Learner, learn: Callable[[Fold], Card | None], base_knew: float = -np.inf
) -> Unseen | None:
    """Every block scored by the base and by what was learned before it; None without blocks."""
    material = learner.material
    parts = []
    half_lives: list[float | None] = []
    for index, fold in enumerate(folds(material, base_knew)):
        card = learn(fold)
        after = learner.base_scored
        trust = np.ones(len(fold.rows))
        if card is not None:
            after = scores(compile_definition(1, card.document), material.table)
            trust = reps.trust(card.reps, card.log_odds, material.reps)[fold.rows]
            half_lives.append(card.half_life)
        parts.append((fold, np.full(len(fold.rows), index), after, trust))
    if not parts:
        return None
    base = learner.base_scored

    def joined(of: Callable[[Scored], NDArray[np.generic]]) -> Floats:
        return np.concatenate([of(after)[fold.rows] for fold, _, after, _ in parts])

    rows = np.concatenate([one[0].rows for one in parts])
    return Unseen(
        rows=rows,
        counts=np.concatenate([one[0].judged for one in parts]),
        block=np.concatenate([one[1] for one in parts]),
        rank_before=base.rank[rows].astype(float),
        rank_after=joined(lambda one: one.rank).astype(float),
        mql_before=base.mql[rows],
        mql_after=joined(lambda one: one.mql).astype(bool),
        trust=np.concatenate([one[3] for one in parts]),
        half_lives=tuple(half_lives),
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """Areas before and after on the same leads, their difference with its standard error and the
    degrees of freedom that error has; and how likely the learned score would tell so much beside
    the base's, if it told nothing (``chance``)."""

    before: Estimate
    after: Estimate
    difference: float
    error: float
    freedom: float
    chance: float

    def convinces(self, alpha: float, margin: float) -> bool:
        """Whether it is worth proposing: it tells what the base does not, by more than chance; the
        gain is as large as is asked for; and it is likely a gain."""
        none = float(t.sf(self.difference / self.error, self.freedom)) if self.error > 0 else 1.0
        return (
            self.difference >= margin
            and self.chance <= alpha
            and none <= LIKELY
            and self.chance * none <= alpha * TOGETHER
        )

    def low(self, alpha: float) -> float:
        """The lower end of the difference's one-sided interval: above it with chance 1 − alpha.

        By Student's t, because far out in the tails a handful of good leads is not normal yet.
        """
        return self.difference - float(t.isf(alpha, self.freedom)) * self.error


def compare(found: Unseen, material: Material) -> Compared | None:
    """The areas within blocks, pooled; None when no block has leads of both kinds."""
    judged = found.judged(material, MOST_STANDS_FOR)
    parts = []
    for index in np.unique(found.block):
        inside = found.block == index
        own = judged.select(inside)
        one = auc_difference(found.rank_after[inside], found.rank_before[inside], own)
        if one.interval is None or one.interval.high - one.interval.low >= 2:
            continue
        good = own.weights[own.labels == 1].sum()
        bad = own.weights[own.labels == 0].sum()
        areas = [auc(rank[inside], own) for rank in (found.rank_before, found.rank_after)]
        rarer = float(min((own.labels == 1).sum(), (own.labels == 0).sum()))
        parts.append((float(good * bad), areas[0], areas[1], one, rarer))
    if not parts:
        return None
    shares = np.array([one[0] for one in parts])
    shares = shares / shares.sum()
    before = _pooled(shares, [one[1] for one in parts])
    after = _pooled(shares, [one[2] for one in parts])
    difference = _pooled(shares, [one[3] for one in parts])
    assert difference.interval is not None
    error = (difference.interval.high - difference.interval.estimate) / Z95
    freedom = _freedom(shares, [one[3] for one in parts], [one[4] for one in parts])
    chance = chance_of(found, judged)
    return Compared(before, after, difference.interval.estimate, error, freedom, chance)


def chance_of(found: Unseen, judged: Judged) -> float:
    """How likely the learned score would tell so much of the unseen leads beside what the base's
    score tells, if it told nothing: a one-sided score test (Rao 1948) in a logistic regression on
    the base's score, with a robust variance (White 1980).

    Both scores are places within their block, 0 to 1: between blocks they mean different things.
    Comparing areas asks whether one is better than the other and needs several times the answers
    for it; this asks whether there is anything to gain. 1 when there are too few leads of a kind.
    """
    known = judged.labels >= 0
    labels, weights = judged.labels[known].astype(float), judged.weights[known]
    block = found.block[known]
    rarer = int(min(labels.sum(), (1 - labels).sum()))
    if rarer < 3:
        return 1.0
    base, learned = (_places(rank[known], block) for rank in (found.rank_before, found.rank_after))
    x = np.column_stack([block[:, None] == np.unique(block), base, base**2]).astype(float)
    chances = _logistic(x, labels, weights)
    curve = weights * chances * (1 - chances)
    shared = np.linalg.lstsq(x * np.sqrt(curve)[:, None], learned * np.sqrt(curve), rcond=None)[0]
    terms = weights * (labels - chances) * (learned - x @ shared)
    spread = float(np.sqrt(np.square(terms).sum()))
    return float(t.sf(terms.sum() / spread, rarer - 1)) if spread > 0 else 1.0


def _logistic(x: Floats, labels: Floats, weights: Floats) -> Floats:
    """The chances of a logistic regression with a slight ridge, by Newton's method."""
    beta = np.zeros(x.shape[1])
    chances = np.full(len(x), 0.5)
    for _ in range(30):
        chances = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        curve = (x * (weights * chances * (1 - chances))[:, None]).T @ x
        slope = x.T @ (weights * (labels - chances)) - RIDGE * beta
        step = np.linalg.solve(curve + RIDGE * np.eye(len(beta)), slope)
        beta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    return chances


def _places(rank: Floats, block: NDArray[np.intp]) -> Floats:
    """Each lead's place among those of its block."""
    placed = np.zeros(len(rank))
    for one in np.unique(block):
        inside = block == one
        placed[inside] = (rankdata(rank[inside]) - 0.5) / inside.sum()
    return placed


def _freedom(shares: Floats, parts: list[Estimate], sizes: list[float]) -> float:
    """Welch & Satterthwaite's degrees of freedom of a weighted mean: each part has as many as
    leads of its rarer kind, less one."""
    found = [one.interval or Interval(0.0, -1.0, 1.0) for one in parts]
    spread = [(s * (one.high - one.low)) ** 2 for s, one in zip(shares, found, strict=True)]
    below = sum(v**2 / max(size - 1, 1) for v, size in zip(spread, sizes, strict=True))
    return max(float(sum(spread) ** 2 / below), 1.0) if below > 0 else 1.0


def _pooled(shares: Floats, parts: list[Estimate]) -> Estimate:
    """A weighted mean of independent estimates."""
    found = [one.interval or Interval(0.5, 0.0, 1.0) for one in parts]
    mean = float(sum(s * one.estimate for s, one in zip(shares, found, strict=True)))
    reach = float(
        np.sqrt(
            sum((s * (one.high - one.low) / 2) ** 2 for s, one in zip(shares, found, strict=True))
        )
    )
    return Estimate(
        Interval(mean, mean - reach, mean + reach),
        sum(one.of for one in parts),
        sum(one.effective for one in parts),
    )
