"""The figures both sides are judged by, from counts and durations."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.feedback.domain.business_time import OFFICE, OpeningHours, add_business_time
from shared.scorecard.intervals import Interval, wilson

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
