"""What reps' answers say about each criterion of a lead definition.

Of the leads one version made MQLs, those that reps accepted and those they rejected for a reason
that concerns the definition are compared: with the criterion and without it. Procedural and
clerical rejections and missed deadlines say nothing about the definition and are no labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from shared.scorecard.intervals import Interval, newcombe

MAX_POINTS: Final = 1000
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Rule:
    """A criterion as far as evidence needs it."""

    criterion_id: str
    points: int


@dataclass(frozen=True, slots=True)
class Definition:
    """The version the answers judge."""

    version: int
    threshold: int
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Definition":
        """What a definition's document says that evidence needs."""
        rules = tuple(Rule(one["id"], one["points"]) for one in document["criteria"])
        return cls(document["version"], document["threshold"], rules)

    @property
    def scale(self) -> int:
        """What a difference of 100 % is worth in points: the threshold, or when that is no
        positive number, all the points that could be had."""
        if self.threshold > 0:
            return self.threshold
        return sum(abs(rule.points) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Counts:
    """Labelled answers on one side of a comparison."""

    accepted: int = 0
    rejected: int = 0

    @property
    def answers(self) -> int:
        """How many there are."""
        return self.accepted + self.rejected

    @property
    def share(self) -> float | None:
        """The accepted share; None without answers."""
        return self.accepted / self.answers if self.answers else None

    def document(self) -> dict[str, Any]:
        """The counts as JSON-ready members."""
        share = self.share
        return {
            "accepted": self.accepted,
            "answers": self.answers,
            "share": share if share is None else round(share, 4),
        }

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.accepted + other.accepted, self.rejected + other.rejected)

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(self.accepted - other.accepted, self.rejected - other.rejected)


Tally = Mapping[frozenset[str], Counts]
"""Answers by the set of criteria that gave points."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One criterion: answers with it and without it. ``missing`` is how many more answers, at
    least, it takes until both sides have the minimum; ``interval`` is known from then on."""

    criterion_id: str
    points: int
    having: Counts
    lacking: Counts
    missing: int
    interval: Interval | None

    def words(self) -> str:
        """The comparison as a sentence."""
        if self.interval is None:
            return (
                f"{self.having.answers} answered leads with it and {self.lacking.answers} without; "
                f"{self.missing} more {'answer' if self.missing == 1 else 'answers'} needed to "
                "compare."
            )
        with_, without = self.having.share or 0.0, self.lacking.share or 0.0
        return (
            f"Accepted {percent(with_)} % with, {percent(without)} % without; difference "
            f"{percent(self.interval.estimate)} points, 95 % interval "
            f"{percent(self.interval.low)} to {percent(self.interval.high)}; "
            f"{self.having.answers + self.lacking.answers} leads."
        )

    def document(self) -> dict[str, Any]:
        """The comparison as JSON-ready members."""
        interval = self.interval
        return {
            "criterion_id": self.criterion_id,
            "points": self.points,
            "with": self.having.document(),
            "without": self.lacking.document(),
            "missing": self.missing,
            "difference": interval and round(interval.estimate, 4),
            "low": interval and round(interval.low, 4),
            "high": interval and round(interval.high, 4),
            "text": self.words(),
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A suggested change of a criterion's points."""

    criterion_id: str
    points_before: int
    points_after: int

    @property
    def direction(self) -> tuple[str, int]:
        """What it says, without how loud: the criterion, and 1 for more or -1 for fewer points."""
        return self.criterion_id, 1 if self.points_after > self.points_before else -1

    def document(self) -> dict[str, Any]:
        """The change as JSON-ready members."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All comparisons of one version."""

    definition: Definition
    counts: Counts
    minimum: int
    comparisons: tuple[Comparison, ...]

    @property
    def missing(self) -> int:
        """How many more answers it takes until the first criterion can be compared."""
        return min((c.missing for c in self.comparisons), default=0)

    def document(self) -> dict[str, Any]:
        """The evidence as it travels and is stored: shares from 0 to 1."""
        return {
            "definition_version": self.definition.version,
            "threshold": self.definition.threshold,
            "answers": self.counts.answers,
            "accepted": self.counts.accepted,
            "rejected": self.counts.rejected,
            "minimum_per_side": self.minimum,
            "confidence": CONFIDENCE,
            "method": "Newcombe 1998, method 10 (hybrid score)",
            "criteria": [comparison.document() for comparison in self.comparisons],
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """What the reader must know before believing the numbers."""
        compared = sum(c.interval is not None for c in self.comparisons)
        chance = (
            f"Each of the {compared} criteria is compared at 95 %: of twenty that make no "
            "difference, one would seem to by chance."
            if compared > 1
            else "At 95 %, one criterion in twenty that makes no difference would seem to."
        )
        return [
            f"Only leads that version {self.definition.version} made MQLs and that a rep accepted "
            "or rejected as not fitting the definition. Other rejections and missed deadlines "
            "are left out.",
            "A correlation among routed leads, not a cause: criteria occur together, reps see the "
            "lead before they answer, and a lead without a criterion had to reach the threshold "
            "by others. Leads below the threshold were never answered.",
            chance,
            "The suggestion uses the end of the interval nearest to zero, times the threshold; "
            "it never turns points for a lead into points against it.",
        ]


def percent(share: float) -> str:
    """A share in whole percent, halves away from zero, with a real minus sign."""
    whole = int(abs(share) * 100 + 0.5)
    return f"\N{MINUS SIGN}{whole}" if share < 0 and whole else str(whole)


def weigh(definition: Definition, tally: Tally, minimum: int) -> Evidence:
    """Compare every criterion of the definition; ``minimum`` answers are needed on each side."""
    total = sum(tally.values(), Counts())
    comparisons = tuple(_compare(rule, tally, total, minimum) for rule in definition.rules)
    return Evidence(definition, total, minimum, comparisons)


def _compare(rule: Rule, tally: Tally, total: Counts, minimum: int) -> Comparison:
    having = sum((c for held, c in tally.items() if rule.criterion_id in held), Counts())
    lacking = total - having
    missing = max(minimum - having.answers, 0) + max(minimum - lacking.answers, 0)
    interval = (
        None
        if missing
        else newcombe(having.accepted, having.answers, lacking.accepted, lacking.answers)
    )
    return Comparison(rule.criterion_id, rule.points, having, lacking, missing, interval)


def suggest(evidence: Evidence) -> tuple[Change, ...]:
    """The changes the evidence supports: none where the interval contains zero or the step rounds
    to no whole point."""
    changes = (_change(c, evidence.definition.scale) for c in evidence.comparisons)
    return tuple(change for change in changes if change is not None)


def _change(comparison: Comparison, scale: int) -> Change | None:
    if comparison.interval is None:
        return None
    before = comparison.points
    after = before + int(comparison.interval.nearest_to_zero * scale)
    if before > 0:
        after = max(after, 0)
    elif before < 0:
        after = min(after, 0)
    after = max(-MAX_POINTS, min(MAX_POINTS, after))
    return Change(comparison.criterion_id, before, after) if after != before else None


def unmuted(
    changes: Sequence[Change], muted: Mapping[tuple[str, int], int], answers: int, growth: float
) -> tuple[Change, ...]:
    """The changes nobody has turned down, or not on so much evidence.

    ``muted`` maps the direction of a turned-down change to the answers it rested on; it comes back
    once there are ``growth`` times as many.
    """
    return tuple(
        change
        for change in changes
        if change.direction not in muted or answers >= muted[change.direction] * growth
    )
