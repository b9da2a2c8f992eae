"""The figures both sides are judged by, from counts and durations."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.feedback.domain.business_time import OFFICE, OpeningHours, add_business_time
from services.feedback.domain.intervals import Interval, wilson

ACCEPTANCE_HOURS: Final = 24
"""Business hours in which an acceptance counts for the acceptance rate."""

MQL_TO_SQL_DAYS: Final = 90
"""Days in which an MQL has to become an SQL; only cohorts at least as old are counted."""


def accept_by(assigned_at: datetime, hours: OpeningHours = OFFICE) -> datetime:
    """Until when an acceptance counts: 24 business hours, which is three working days."""
    return add_business_time(assigned_at, timedelta(hours=ACCEPTANCE_HOURS), hours)


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its counts, so that nobody reads 100 % of two as a fact."""

    hits: int
    total: int

    @property
    def interval(self) -> Interval | None:
        """The share with Wilson's 95 % interval; None of nothing."""
        return wilson(self.hits, self.total)

    def document(self) -> dict[str, int | float | None]:
        """The rate as JSON-ready members, shares from 0 to 1."""
        interval = self.interval
        return {
            "count": self.hits,
            "of": self.total,
            "rate": interval and round(interval.estimate, 4),
            "low": interval and round(interval.low, 4),
            "high": interval and round(interval.high, 4),
        }


@dataclass(frozen=True, slots=True)
class Duration:
    """How long something took, or has taken so far when it is still going on (censored)."""

    seconds: float
    ended: bool


def quantile(durations: Iterable[Duration], share: float) -> float | None:
    """The time by which ``share`` of all will have ended, in seconds (Kaplan and Meier 1958).

    Those still going on count as waiting for as long as they have; dropping them would make a team
    that never answers look fast. None when the curve never gets that far.
    """
    rows = sorted(durations, key=lambda d: (d.seconds, not d.ended))
    at_risk, survival, index = len(rows), 1.0, 0
    while index < len(rows):
        moment, ended, left = rows[index].seconds, 0, 0
        while index < len(rows) and rows[index].seconds == moment:
            ended += rows[index].ended
            left += 1
            index += 1
        survival *= 1 - ended / at_risk
        at_risk -= left
        if ended and survival <= 1 - share + 1e-12:
            return moment
    return None


def spread(durations: list[Duration]) -> dict[str, float | int | None]:
    """Median and p90 in seconds, with how many were counted and how many still go on."""
    return {
        "leads": len(durations),
        "censored": sum(not d.ended for d in durations),
        "median_seconds": quantile(durations, 0.5),
        "p90_seconds": quantile(durations, 0.9),
    }


def until(start: datetime | None, end: datetime | None, now: datetime) -> Duration | None:
    """From start to end, or to now while there is no end; None when it has not started."""
    if start is None:
        return None
    seconds = ((end or now) - start).total_seconds()
    return Duration(max(seconds, 0.0), end is not None)
