"""Choosing criteria and weighing them together: what each adds to what the others already say.

Criteria are taken one by one, each the one whose score test (Rao 1948) gains most on the answers
that the criteria so far leave unexplained; the gain must pay for the weights it sets free. The
weights are those of an L2-penalised logistic regression over all levels, with an offset for each
rep that is pulled towards none (see ``reps``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from services.feedback.learning.binning import Answers
from services.feedback.learning.candidates import Candidate
from services.feedback.learning.facts import Codes, Floats

KNOWN_BONUS: Final = 1.15
"""Of two candidates that say nearly the same, the one people already know is kept."""
SELECT_FROM: Final = 12_000
"""Answers that criteria are chosen on, at most; they are weighed on all."""
FREEDOM_COSTS: Final = 0.75
LEAST_SHARE: Final = 0.02
"""A criterion must gain more than this for each weight that it sets free, and at least this share
of what the criteria before it gain. AIC's 2 would leave weak but real drivers out, and where little
can be told all of them together tell most of it; where much can be told, the share keeps out what
hardly matters. Whether the card is worth anything is judged on unseen leads anyway."""
REP_PENALTY: Final = 0.4
"""The L2 penalty of a rep's offset until the spread of reps is known: weak, or a fact that goes
along with a rep would take the blame for him."""
NO_PENALTY: Final = 1e-4


@dataclass(frozen=True, eq=False)
class Weights:
    """A fitted model: for each candidate the log-odds of its levels, and each rep's offset."""

    candidates: tuple[Candidate, ...]
    levels: tuple[Floats, ...]
    intercept: float
    reps: Floats

    def log_odds(self, leads: int) -> Floats:
        """What each lead's criteria say, for an average rep."""
        total = np.full(leads, self.intercept)
        for candidate, weights in zip(self.candidates, self.levels, strict=True):
            total += candidate.design() @ weights
        return total


def choose(
    candidates: Sequence[Candidate],
    forced: Sequence[Candidate],
    answers: Answers,
    reps: Codes,
    limit: int,
) -> list[Candidate]:
    """The criteria, best first; ``forced`` ones are in whatever they say.

    ``reps`` is a code for each row of ``answers``, 0 for an unknown rep.
    """
    rows, labels, weights = answers.rows, answers.labels, answers.weights
    if len(rows) > SELECT_FROM:  # evenly in time, so that no period is left out
        pick = np.linspace(0, len(rows) - 1, SELECT_FROM).astype(int)
        rows, labels, weights, reps = rows[pick], labels[pick], weights[pick], reps[pick]
    every = [*forced, *candidates]
    if not every:
        return []
    blocks = [one.design()[rows] for one in every]
    edges = np.cumsum([0, *(block.shape[1] for block in blocks)])
    offsets = _one_hot(reps)
    x = np.hstack([np.ones((len(rows), 1)), offsets, *blocks])
    base = 1 + offsets.shape[1]
    penalty = np.concatenate(
        [[NO_PENALTY], np.full(offsets.shape[1], REP_PENALTY), np.full(edges[-1], 1.0)]
    )
    spans = [np.arange(base + edges[i], base + edges[i + 1]) for i in range(len(every))]
    chosen = list(range(len(forced)))
    beta = np.zeros(x.shape[1])
    told = 0.0  # what the criteria so far have told
    while True:
        active = np.concatenate([np.arange(base), *(spans[i] for i in chosen)])
        beta, hessian, gradient = _newton(x, labels, weights, penalty, beta, active)
        if len(chosen) >= limit:
            break
        taken = {every[i].field for i in chosen if every[i].levels > 2}
        left = [
            i
            for i in range(len(every))
            if i not in chosen and not (every[i].levels > 2 and every[i].field in taken)
        ]
        gains = {i: _gain(i, spans, active, hessian, gradient, penalty, every) for i in left}
        best = max(gains, key=lambda i: (gains[i], -i), default=None)
        if best is None or gains[best] <= LEAST_SHARE * told:
            break
        chosen.append(best)
        told += gains[best]
    return [every[i] for i in chosen]


def _gain(
    index: int,
    spans: Sequence[Codes],
    active: Codes,
    hessian: Floats,
    gradient: Floats,
    penalty: Floats,
    every: Sequence[Candidate],
) -> float:
    """The score statistic of a candidate, given what is in, less its price."""
    span = spans[index]
    inner = hessian[np.ix_(active, active)] + np.diag(penalty[active])
    cross = hessian[np.ix_(active, span)]
    adjusted = hessian[np.ix_(span, span)] - cross.T @ np.linalg.solve(inner, cross)
    adjusted += np.diag(penalty[span])
    slope = gradient[span]
    statistic = float(slope @ np.linalg.solve(adjusted, slope))
    if every[index].today is not None:
        statistic *= KNOWN_BONUS
    return statistic - FREEDOM_COSTS * every[index].freedom


def _newton(
    x: Floats, y: Floats, weights: Floats, penalty: Floats, beta: Floats, active: Codes
) -> tuple[Floats, Floats, Floats]:
    """Fit the active columns; returns the weights, and Hessian and gradient of all columns."""
    columns = x[:, active]
    for _ in range(25):
        chance = 1 / (1 + np.exp(-np.clip(columns @ beta[active], -30, 30)))
        slope = columns.T @ (weights * (y - chance)) - penalty[active] * beta[active]
        curve = (columns * (weights * chance * (1 - chance))[:, None]).T @ columns
        step = np.linalg.solve(curve + np.diag(penalty[active]), slope)
        beta[active] += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-4:
            break
    chance = 1 / (1 + np.exp(-np.clip(columns @ beta[active], -30, 30)))
    hessian = (x * (weights * chance * (1 - chance))[:, None]).T @ x
    return beta, hessian, x.T @ (weights * (y - chance))


def _one_hot(codes: Codes) -> Floats:
    """A column for each code above 0."""
    return (codes[:, None] == np.arange(1, codes.max(initial=0) + 1)).astype(float)


def weigh(
    chosen: Sequence[Candidate],
    answers: Answers,
    reps: Codes,
    strength: float,
    rep_penalty: float = REP_PENALTY,
) -> Weights:
    """Weigh the chosen criteria together. ``strength`` is the L2 penalty of a level's log-odds."""
    blocks = [one.design()[answers.rows] for one in chosen]
    offsets = _one_hot(reps)
    # One penalty for all columns is scikit-learn's; a scaled column has its own.
    scale = np.concatenate(
        [
            np.full(sum(block.shape[1] for block in blocks), 1.0 / np.sqrt(strength)),
            np.full(offsets.shape[1], 1.0 / np.sqrt(rep_penalty)),
        ]
    )
    x = np.hstack([*blocks, offsets]) * scale
    if x.shape[1] == 0:
        rate = min(max(answers.rate, 1e-6), 1 - 1e-6)
        return Weights((), (), float(np.log(rate / (1 - rate))), np.zeros(0))
    model = LogisticRegression(C=1.0, solver="newton-cholesky", max_iter=100, tol=1e-6)
    model.fit(x, answers.labels, sample_weight=answers.weights)
    beta = model.coef_[0] * scale
    levels, at = [], 0
    for block in blocks:
        levels.append(beta[at : at + block.shape[1]])
        at += block.shape[1]
    return Weights(tuple(chosen), tuple(levels), float(model.intercept_[0]), beta[at:])
