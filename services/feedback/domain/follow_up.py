"""What became of a proposal that was published: predicted against happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.feedback.domain.kpis import Rate
from services.feedback.domain.samples import Group

LEAST_ANSWERS: Final = 30
"""Answers before a version is compared with what was predicted of it."""
WEEK: Final = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A published proposal's effect so far. ``before`` and ``predicted`` are the shares of good
    leads that its evidence gave of the version it replaced and of itself."""

    version: int
    base_version: int
    since: datetime
    in_force: bool
    counts: Mapping[Group, int]
    before: float | None
    predicted: float | None
    predicted_per_week: float | None
    until: datetime | None = None
    """When another version took its place; None while it is in force."""

    @property
    def rate(self) -> Rate:
        """The good ones of those with an answer."""
        good, bad = self.counts.get(Group.GOOD, 0), self.counts.get(Group.BAD, 0)
        return Rate(good, good + bad)

    @property
    def missing(self) -> int:
        """How many more answers it takes until it can be judged."""
        return max(LEAST_ANSWERS - self.rate.total, 0)

    @property
    def disappoints(self) -> bool:
        """Whether it is clearly worse than what was there before."""
        interval = self.rate.interval
        if self.missing or interval is None or self.before is None:
            return False
        return interval.high < self.before

    def document(self, now: datetime) -> dict[str, Any]:
        """The effect as JSON-ready members, shares from 0 to 1."""
        weeks = max(((self.until or now) - self.since) / WEEK, 0.0)
        mqls = sum(self.counts.values())
        back = self.disappoints and self.in_force
        return {
            "version": self.version,
            "since": self.since,
            "until": self.until,
            "in_force": self.in_force,
            "before": self.before,
            "predicted": {"rate": self.predicted, "mqls_per_week": self.predicted_per_week},
            "happened": {
                "mqls": mqls,
                "mqls_per_week": round(mqls / weeks, 1) if weeks >= 1 else None,
                "answered": self.rate.total,
                **self.rate.document(),
            },
            "too_early": bool(self.missing),
            "missing": self.missing,
            "suggestion": {"action": "rollback", "version": self.base_version} if back else None,
            "text": self.words(),
        }

    def words(self) -> str:
        """Where it stands, in a sentence."""
        if self.missing:
            return (
                f"Too early: {self.rate.total} leads of version {self.version} have an answer; "
                f"{self.missing} more are needed."
            )
        interval = self.rate.interval
        assert interval is not None
        found = (
            f"{_percent(interval.estimate)} % of {self.rate.total} answered leads were good, "
            f"95 % interval {_percent(interval.low)} to {_percent(interval.high)} %"
        )
        if self.predicted is not None:
            found += f"; {_percent(self.predicted)} % were predicted"
        if not self.disappoints:
            return f"{found}."
        return (
            f"{found}. That is below the {_percent(self.before or 0.0)} % of before: publish "
            f"version {self.base_version} again."
        )


def _percent(share: float) -> int:
    return round(100 * share)
