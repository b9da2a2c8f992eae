"""Scoring a lead: a pure function of a definition, stored inputs and a moment.

The same inputs give the same answer for ever, so a stored decision can be replayed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from services.qualify.domain.definition import ACTIVITY, DAYS_AGO, Criterion, Definition
from shared.conditions import FactValue

Verdict = Literal["MQL", "NURTURE", "DISQUALIFIED"]
_DAY: Final = timedelta(days=1)
ANY: Final = "any"


@dataclass(frozen=True, slots=True)
class Activity:
    """What a lead did of one kind: how often, and when last."""

    count: int
    last_at: datetime

    def and_at(self, moment: datetime) -> "Activity":
        """With one more; order does not matter."""
        return Activity(self.count + 1, max(self.last_at, moment))


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a score depends on, beside the definition and the moment."""

    facts: Mapping[str, FactValue]
    attribution: Mapping[str, str | None] = field(default_factory=dict)
    activities: Mapping[str, Activity] = field(default_factory=dict)


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
    contributions = tuple(
        _points(criterion, because, inputs, at)
        for criterion in definition.criteria
        if (because := criterion.condition.reason(context)) is not None
    )
    score = sum([one.points for one in contributions])
    grade = next((letter for letter, least in definition.grades if score >= least), None)
    verdict: Verdict = "MQL" if score >= definition.threshold else "NURTURE"
    reason = "threshold_reached" if verdict == "MQL" else "below_threshold"
    for disqualifier in definition.disqualifiers:
        if disqualifier.condition.matches(context):
            verdict, reason = "DISQUALIFIED", disqualifier.id
            break
    return Score(
        definition.version, score, definition.threshold, grade, verdict, reason, contributions
    )


def missed(definition: Definition, inputs: Inputs, at: datetime) -> list[Points]:
    """The criteria that gave nothing, and why not."""
    context = context_of(inputs, at)
    return [
        Points(one.id, 0, one.condition.because(context), one.points)
        for one in definition.criteria
        if not one.condition.matches(context)
    ]


def context_of(inputs: Inputs, at: datetime) -> dict[str, FactValue]:
    """What conditions look at: attribution, facts (which win), and counted activities."""
    context: dict[str, FactValue] = {**inputs.attribution, **inputs.facts}
    total, least = 0, math.inf
    for kind, activity in inputs.activities.items():
        days = _age_days(activity.last_at, at)
        total, least = total + activity.count, min(least, days)
        context[ACTIVITY + kind] = activity.count
        context[ACTIVITY + kind + DAYS_AGO] = int(days)
    if total:
        context[ACTIVITY + ANY] = total
        context[ACTIVITY + ANY + DAYS_AGO] = int(least)
    return context


def decayed(points: int, age_days: float, half_life_days: float) -> int:
    """``points`` × ½^(age ÷ half-life), rounded half to even, so that scores stay whole numbers."""
    return round(points * 0.5 ** (age_days / half_life_days))


def _points(criterion: Criterion, because: str, inputs: Inputs, at: datetime) -> Points:
    points = criterion.points
    if criterion.half_life_days is not None:
        last = _last(criterion, inputs)
        if last is not None:
            age = _age_days(last, at)
            points = decayed(criterion.points, age, criterion.half_life_days)
            if points != criterion.points:
                because += f"; {int(age)} days ago, so {points} of {criterion.points} points"
    return Points(criterion.id, points, because, criterion.points)


def _last(criterion: Criterion, inputs: Inputs) -> datetime | None:
    """The activity whose age counts: the newest of the criterion's kind, else the newest of all."""
    activities = inputs.activities
    own = activities.get(criterion.activity_kind) if criterion.activity_kind is not None else None
    if own is not None:
        return own.last_at
    return max([activity.last_at for activity in activities.values()], default=None)


def _age_days(moment: datetime, at: datetime) -> float:
    """Days since; what lies in the future (a wrong clock) is now."""
    return max((at - moment) / _DAY, 0.0)
