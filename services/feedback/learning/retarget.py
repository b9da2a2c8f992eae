"""When the criteria are as good as any but the threshold misses its target."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from services.feedback.learning.card import CALIBRATED_BY, Learner
from services.feedback.learning.threshold import Population, place, recent
from shared.scorecard.definition import InvalidDefinition, compile_definition
from shared.scorecard.intervals import wilson
from shared.scorecard.table_scoring import scores

FAR_OFF: Final = 0.25
"""A load is worth a proposal when it misses its target by more than a quarter."""
NEAR: Final = 0.05
LEAST_WEEKS: Final = 3.0
LEAST: Final = 50


@dataclass(frozen=True, slots=True)
class Retarget:
    """Another threshold for the same criteria, and why."""

    document: dict[str, Any]
    text: str


def retarget(learner: Learner, z: float) -> Retarget | None:
    """The base with another threshold, when recent leads miss the target beyond chance."""
    target = learner.settings.target
    material, base = learner.material, learner.base_scored
    rows, weeks = recent(material.days, np.arange(len(material.days)))
    if not len(rows):
        return None
    mql = base.mql[rows]
    if target.acceptance is not None:
        labels = material.labels[rows]
        known = mql & ~np.isnan(labels)
        now = wilson(int(labels[known].sum()), int(known.sum()), z)
        enough = known.sum() >= LEAST
        if now is None or not enough or now.low <= target.acceptance <= now.high:
            return None
        if abs(now.estimate - target.acceptance) < NEAR:
            return None
        text = (
            f"{now.estimate:.0%} of the MQLs of the last {weeks:.0f} weeks were accepted; the "
            f"target is {target.acceptance:.0%}."
        )
    elif target.per_week is not None:
        per_week, wanted = mql.sum() / weeks, target.per_week
        off = abs(per_week - wanted)
        if weeks < LEAST_WEEKS or off < FAR_OFF * wanted or off < z * sqrt(wanted / weeks):
            return None
        text = f"{per_week:.0f} MQLs a week; the reps can take {wanted:.0f}."
    else:
        return None
    population = Population(rows, weeks, mql, ~base.disqualified[rows])
    at = place(base.total[rows].astype(float), chances(learner)[rows], population, target)
    document = _moved(learner.base, at)
    try:
        after = scores(compile_definition(1, document), material.table).mql[rows]
    except InvalidDefinition:
        return None
    return None if (after == mql).all() else Retarget(document, text)


def _moved(base: Mapping[str, Any], threshold: int) -> dict[str, Any]:
    by = threshold - base["threshold"]
    document = {k: v for k, v in base.items() if v is not None and k not in ("version", "status")}
    document["threshold"] = threshold
    if base.get("grades"):
        document["grades"] = [{**one, "min_score": one["min_score"] + by} for one in base["grades"]]
    return document


def chances(learner: Learner) -> Any:
    """How often a score of the base is accepted now (Platt 1999)."""
    material = learner.material
    rows, totals = material.answered, learner.base_scored.total / 10.0
    age = material.known[rows].max(initial=0.0) - material.known[rows]
    weights = material.weights[rows] * 0.5 ** (age / CALIBRATED_BY)
    model = LogisticRegression(C=10.0, solver="newton-cholesky")
    model.fit(totals[rows, None], material.labels[rows], sample_weight=weights)
    return model.predict_proba(totals[:, None])[:, 1]
