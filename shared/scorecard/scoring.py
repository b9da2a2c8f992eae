"""Scoring a lead: a pure function of a definition, stored inputs and a moment.

The same inputs give the same answer for ever, so a stored decision can be replayed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.conditions import FactValue
from shared.scorecard.definition import ACTIVITY, DAYS_AGO, Definition, Letters
from shared.scorecard.rules import ANY, Activity, Inputs, age_days, decayed

__all__ = ["Activity", "Inputs", "Points", "Score", "context_of", "decayed", "evaluate", "missed"]

Verdict = Literal["MQL", "NURTURE", "DISQUALIFIED"]


@dataclass(frozen=True, slots=True)
class Points:
    """What one criterion adds, and why. ``full`` is what it is worth undecayed and matched."""

    criterion_id: str
    points: int
    because: str
    full: int


@dataclass(frozen=True, slots=True)
class Score:
    """An evaluated lead. ``score`` is the exact sum of the contributions' points."""

    definition_version: int
    score: int
    threshold: int
    grade: str | None
    verdict: Verdict
    reason: str
    """Why the verdict, in a word: ``threshold_reached``, ``below_threshold`` or the id of the
    disqualifier that was met."""
    contributions: tuple[Points, ...]


def evaluate(definition: Definition, inputs: Inputs, at: datetime) -> Score:
    """Score a lead as of ``at``."""
    context = context_of(inputs, at)
    contributions = []
    score = engaged = 0
    for criterion in definition.criteria:
        earned = criterion.rule.earn(context, inputs, at)
        if earned is not None:
            contributions.append(Points(criterion.id, *earned))
            score += earned.points
            if criterion.group == "engagement":
                engaged += earned.points
    verdict: Verdict = "MQL" if score >= definition.threshold else "NURTURE"
    reason = "threshold_reached" if verdict == "MQL" else "below_threshold"
    for disqualifier in definition.disqualifiers:
        if disqualifier.test.matches(context):
            verdict, reason = "DISQUALIFIED", disqualifier.id
            break
    return Score(
        definition.version,
        score,
        definition.threshold,
        grade_of(definition, score - engaged, engaged),
        verdict,
        reason,
        tuple(contributions),
    )


def grade_of(definition: Definition, fit: int, engagement: int) -> str | None:
    """The grade of a score: a letter for all of it, or one each for fit and engagement."""
    if definition.matrix is not None:
        letters = (
            _letter(definition.matrix[0], fit),
            _letter(definition.matrix[1], engagement),
        )
        return None if None in letters else f"{letters[0]}{letters[1]}"
    return _letter(definition.grades, fit + engagement)


def missed(definition: Definition, inputs: Inputs, at: datetime) -> list[Points]:
    """The criteria that gave nothing, why not, and the most they could have given."""
    context = context_of(inputs, at)
    return [
        Points(one.id, 0, one.rule.because(context, inputs, at), one.rule.best or one.rule.worst)
        for one in definition.criteria
        if one.rule.earn(context, inputs, at) is None
    ]


def context_of(inputs: Inputs, at: datetime) -> dict[str, FactValue]:
    """What conditions look at: attribution, facts (which win), and counted activities."""
    context: dict[str, FactValue] = {**inputs.attribution, **inputs.facts}
    total, least = 0, math.inf
    for kind, activity in inputs.activities.items():
        days = age_days(activity.last_at, at)
        total, least = total + activity.count, min(least, days)
        context[ACTIVITY + kind] = activity.count
        context[ACTIVITY + kind + DAYS_AGO] = int(days)
    if total:
        context[ACTIVITY + ANY] = total
        context[ACTIVITY + ANY + DAYS_AGO] = int(least)
    return context


def _letter(letters: Letters, points: int) -> str | None:
    found: Sequence[str] = [letter for letter, least in letters if points >= least]
    return found[0] if found else None
