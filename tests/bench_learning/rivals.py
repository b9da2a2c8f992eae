"""What the learned scorecard is compared with: each is fitted on some leads and scores others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from tests.bench_learning.figures import Floats

Facts = Mapping[str, Any]
Codes = NDArray[np.int64]
BINS = 5
SMOOTHING = 0.1
UNKNOWN = 0
"""The code of a value that is missing."""


@dataclass(frozen=True)
class Bins:
    """Facts as codes: a number by quantiles of the leads it was made from, a category by itself.

    A category that those leads did not have is unknown.
    """

    names: tuple[str, ...]
    cuts: Mapping[str, Floats]
    categories: Mapping[str, tuple[Any, ...]]

    @classmethod
    def of(cls, leads: Sequence[Facts]) -> "Bins":
        """Bins for every fact of these leads."""
        names = tuple(sorted({name for lead in leads for name in lead}))
        cuts: dict[str, Floats] = {}
        categories: dict[str, tuple[Any, ...]] = {}
        for name in names:
            known = [lead[name] for lead in leads if lead.get(name) is not None]
            if all(_is_number(value) for value in known):
                inner = np.quantile(np.array(known, float), np.linspace(0, 1, BINS + 1)[1:-1])
                cuts[name] = np.unique(inner)
            else:
                categories[name] = tuple(sorted(set(known), key=str))
        return cls(names, cuts, categories)

    def codes(self, leads: Sequence[Facts]) -> Codes:
        """A row for each lead, a column for each fact; ``UNKNOWN`` where it has none."""
        return np.array(
            [[self._code(name, lead.get(name)) for name in self.names] for lead in leads]
        )

    def sizes(self) -> list[int]:
        """How many codes each column has."""
        return [
            len(self.cuts[name]) + 2 if name in self.cuts else len(self.categories[name]) + 1
            for name in self.names
        ]

    def numbers(self, leads: Sequence[Facts]) -> Floats:
        """For trees: numbers as they are, categories as codes, NaN where a fact is missing."""
        return np.array(
            [
                [
                    math.nan
                    if (value := lead.get(name)) is None
                    else float(value)
                    if name in self.cuts
                    else self._code(name, value)
                    for name in self.names
                ]
                for lead in leads
            ],
            float,
        )

    def _code(self, name: str, value: Any) -> int:
        if value is None:
            return UNKNOWN
        if name in self.cuts:
            return int(np.searchsorted(self.cuts[name], float(value), side="right")) + 1
        found = self.categories[name]
        return found.index(value) + 1 if value in found else UNKNOWN


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def naive_bayes(codes: Codes, labels: Floats, judged: Codes, sizes: Sequence[int]) -> Floats:
    """Log-odds as Odoo's predictive lead scoring has them: for each value of each field, how many
    leads were won and how many lost, each count with 0.1 added; a missing value says nothing.
    (odoo/addons/crm/models/crm_lead.py, ``_pls_get_naive_bayes_probabilities``.)"""
    won, lost = labels.sum() + SMOOTHING, (1 - labels).sum() + SMOOTHING
    total = np.full(len(judged), math.log(won / lost))
    for column, size in enumerate(sizes):
        wins = np.bincount(codes[:, column], labels, minlength=size)
        losses = np.bincount(codes[:, column], 1 - labels, minlength=size)
        seen = wins + losses > 0
        wins, losses = wins + SMOOTHING * seen, losses + SMOOTHING * seen
        wins[UNKNOWN] = losses[UNKNOWN] = 0.0
        seen[UNKNOWN] = False
        says = np.zeros(size)
        says[seen] = np.log(wins[seen] / wins.sum()) - np.log(losses[seen] / losses.sum())
        total += says[judged[:, column]]
    return total


def logistic(codes: Codes, labels: Floats, judged: Codes, sizes: Sequence[int]) -> Floats:
    """Log-odds of a logistic regression on bins; cross-validation picks its L2 penalty."""
    model = LogisticRegressionCV(
        Cs=[0.003, 0.01, 0.03, 0.1, 0.3, 1.0], cv=5, scoring="neg_log_loss", l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )  # fmt: skip
    model.fit(_one_hot(codes, sizes), labels)
    return np.asarray(model.decision_function(_one_hot(judged, sizes)), float)


def _one_hot(codes: Codes, sizes: Sequence[int]) -> Floats:
    blocks = [codes[:, [at]] == np.arange(size) for at, size in enumerate(sizes)]
    return np.hstack(blocks).astype(float)


def boosting(bins: Bins, train: Sequence[Facts], labels: Floats, judged: Sequence[Facts]) -> Floats:
    """Log-odds of gradient boosting, the ceiling; cross-validation picks how much it may bend, so
    that it is a ceiling for a few hundred leads too."""
    numbers, kinds = bins.numbers(train), [name in bins.categories for name in bins.names]
    models = [
        HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=rounds, max_leaf_nodes=leaves, l2_regularization=1.0,
            min_samples_leaf=20, categorical_features=kinds, random_state=0,
        )
        for leaves, rounds in ((2, 60), (2, 150), (4, 60), (8, 80))
    ]  # fmt: skip
    best = max(models, key=lambda model: _cross_validated(model, numbers, labels))
    best.fit(numbers, labels)
    return np.asarray(best.decision_function(bins.numbers(judged)), float)


def _cross_validated(model: HistGradientBoostingClassifier, x: Floats, y: Floats) -> float:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(model, x, y, cv=folds, scoring="roc_auc").mean())


def all_rivals(
    train: Sequence[Facts], labels: Floats, judged: Sequence[Facts]
) -> dict[str, Floats]:
    """Each rival's scores of ``judged``, by name; none when all answers are alike."""
    if len(set(labels)) < 2 or min(labels.sum(), (1 - labels).sum()) < 5:
        return {}
    bins = Bins.of(train)
    codes, others, sizes = bins.codes(train), bins.codes(judged), bins.sizes()
    with threadpool_limits(1):  # threads that wait for each other take minutes on busy cores
        return {
            "naive Bayes": naive_bayes(codes, labels, others, sizes),
            "logistic": logistic(codes, labels, others, sizes),
            "boosting": boosting(bins, train, labels, judged),
        }
