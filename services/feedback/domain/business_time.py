"""Business hours: Monday to Friday, 09:00 to 17:00 UTC.

One rule for everybody, so that figures of different teams compare. A start outside opening hours
counts from the next opening; nothing keeps the time of day across a closed day.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """One opening per working day, on the clock of the datetimes given."""

    opens: time = time(9)
    closes: time = time(17)
    weekdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})
    """0 is Monday."""

    def __post_init__(self) -> None:
        if not self.weekdays or self.opens >= self.closes:
            raise ValueError("opening hours need a weekday and an opening before the closing")

    def day(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """Opening and closing on the day of this moment; None on a closed day."""
        if moment.weekday() not in self.weekdays:
            return None
        return (
            datetime.combine(moment.date(), self.opens, moment.tzinfo),
            datetime.combine(moment.date(), self.closes, moment.tzinfo),
        )


OFFICE: Final = OpeningHours()


def add_business_time(start: datetime, span: timedelta, hours: OpeningHours = OFFICE) -> datetime:
    """When ``span`` of open time has passed since ``start``. Saturday 18:00 and one hour is
    Monday 10:00."""
    left, at = max(span, timedelta(0)), start
    while True:
        opening = hours.day(at)
        if opening is not None:
            begins = max(at, opening[0])
            if begins <= opening[1] and left <= opening[1] - begins:
                return begins + left
            left -= max(opening[1] - begins, timedelta(0))
        at = datetime.combine(at.date() + timedelta(days=1), time(0), at.tzinfo)


def business_time_between(
    start: datetime, end: datetime, hours: OpeningHours = OFFICE
) -> timedelta:
    """How much open time lies between two moments; zero when ``end`` is not after ``start``."""
    total, at = timedelta(0), start
    while at < end:
        opening = hours.day(at)
        if opening is not None:
            total += max(min(end, opening[1]) - max(at, opening[0]), timedelta(0))
        at = datetime.combine(at.date() + timedelta(days=1), time(0), at.tzinfo)
    return total
