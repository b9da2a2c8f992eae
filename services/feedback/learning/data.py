"""What learning looks at: leads with their facts and answers, and what a marketer wants."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from shared.conditions import FactValue
from shared.scorecard.scoring import Activity, Inputs

MOST_STANDS_FOR: Final = 3.0
"""For how many leads an explored one stands at most, where criteria are weighed and where two
definitions are compared: a few such answers would decide everything. What a criterion says of a
lead does not depend on how leads were selected by their score, so little is lost; shares such as
precision and recall do, and take the whole weight."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A lead as it was when it was qualified, and what became of it.

    ``label`` is 1 or 0, None without an answer that is due; ``weight`` how many leads it stands
    for: 1, or 1 ÷ exploration rate; ``mql`` whether it reached a rep; ``definition_version`` and
    ``score`` are those that decided.
    """

    lead_id: str
    at: datetime
    facts: Mapping[str, FactValue]
    attribution: Mapping[str, str | None] = field(default_factory=dict)
    activities: Mapping[str, Activity] = field(default_factory=dict)
    label: int | None = None
    answered_at: datetime | None = None
    rep_id: str | None = None
    weight: float = 1.0
    mql: bool = True
    definition_version: int = 0
    score: int = 0

    @property
    def inputs(self) -> Inputs:
        """What a definition scores."""
        return Inputs(self.facts, self.attribution, self.activities)


@dataclass(frozen=True, slots=True)
class Target:
    """What the threshold is for: a share of MQLs that are accepted (0 to 1), or leads per rep and
    week for a number of reps. Neither: as many MQLs as today."""

    acceptance: float | None = None
    leads_per_rep: float | None = None
    reps: int | None = None

    @property
    def per_week(self) -> float | None:
        """The leads all reps together can take in a week."""
        if self.leads_per_rep is None or self.reps is None:
            return None
        return self.leads_per_rep * self.reps


@dataclass(frozen=True, slots=True)
class Settings:
    """A marketer's wishes and limits.

    ``never`` names facts that are not to be used, ``fixed`` criteria that are not to change,
    ``trusted`` facts that may be used though they look like the label itself. ``signs`` maps a fact
    or a criterion's id to ``more`` (more of it, or having it, never takes points), ``less`` (never
    gives any) or ``free``. ``max_points`` is per level, whatever the threshold. ``margin`` is the
    least gain in AUC that is worth a person's time. ``alpha`` is the chance of a false proposal in
    a year. ``half_lives`` are the days after which an answer counts half, to choose from; None:
    for ever.
    """

    label: str = "accepted"
    target: Target = Target()
    never: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()
    signs: Mapping[str, str] = field(default_factory=dict)
    max_criteria: int = 12
    max_points: int = 40
    min_answers: int = 100
    margin: float = 0.01
    alpha: float = 0.05
    proposals_per_year: int = 5
    half_lives: tuple[float | None, ...] = (None, 180.0, 60.0)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Settings":
        """Settings from JSON; what is left out or null has its default.

        Raises ValueError for an unknown member or one out of range.
        """
        known = {name: value for name, value in document.items() if value is not None}
        if "target" in known:
            known["target"] = Target(**known["target"])
        for name in ("never", "fixed", "trusted"):
            if name in known:
                known[name] = frozenset(known[name])
        if "half_lives" in known:
            known["half_lives"] = tuple(known["half_lives"])
        try:
            made = cls(**known)
        except TypeError as error:
            raise ValueError(str(error)) from None
        made.check()
        return made

    def check(self) -> None:
        """Raises ValueError with what is out of range."""
        acceptance = self.target.acceptance
        if acceptance is not None and not 0 < acceptance < 1:
            raise ValueError("target.acceptance: a share between 0 and 1")
        if self.target.per_week is not None and self.target.per_week <= 0:
            raise ValueError("target: leads_per_rep and reps are more than 0")
        if not 1 <= self.max_criteria <= 100 or not 5 <= self.max_points <= 1000:
            raise ValueError("max_criteria is 1 to 100, max_points 5 to 1000")
        if not 0 < self.alpha < 0.5 or not 0 <= self.margin < 0.5:
            raise ValueError("alpha and margin are above 0 and below 0.5")
        if wrong := sorted(set(self.signs.values()) - {"more", "less", "free"}):
            raise ValueError(f"signs: more, less or free, not {', '.join(wrong)}")


def usable(samples: Sequence[Sample]) -> list[Sample]:
    """The samples in time order, whatever order they came in; one for each lead, the newest."""
    newest: dict[str, Sample] = {}
    for sample in sorted(samples, key=lambda one: (one.at, one.lead_id)):
        newest[sample.lead_id] = sample
    return sorted(newest.values(), key=lambda one: (one.at, one.lead_id))


def weight_of(sample: Sample) -> float:
    """How many leads a sample stands for; 1 when the weight is no number above 1."""
    weight = sample.weight
    return weight if math.isfinite(weight) and weight > 1 else 1.0
