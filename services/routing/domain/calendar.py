"""When a rep is at work, and how long a deadline takes in working time.

A moment is working time when the clock on the rep's wall shows a time inside one of the day's
periods, and the day is neither a public holiday nor a day of leave. So a night in which clocks are
set back can hold an hour of work twice, and one in which they are set forward can lack one.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from services.routing.domain.reps import Hours, Leave, Rep

HORIZON: Final = timedelta(days=400)
"""Nobody is waited for longer: who has no working time until then has none."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MORNING: Final = ("08:00", "24:00")
"""The day of somebody who is always at work, where a day has to begin at some time."""
_STEP: Final = timedelta(hours=6)
"""Clocks are never changed twice within so short a time."""
_DAY: Final = timedelta(days=1)
_NOTHING: Final = timedelta(0)

Span = tuple[datetime, datetime]
"""From and to, in UTC; the end is not part of it."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working time of one rep."""

    zone: ZoneInfo
    hours: Hours | None = None
    """None: every hour of every day, holidays and leave apart."""
    holidays: str | None = None
    leave: tuple[Leave, ...] = ()

    @classmethod
    def of(cls, rep: Rep) -> "Calendar":
        """A rep's."""
        return cls(ZoneInfo(rep.time_zone), rep.hours, rep.holidays, rep.leave)

    @property
    def always(self) -> bool:
        """Whether there is no time that is not working time."""
        return self.hours is None and self.holidays is None and not self.leave

    def works_at(self, moment: datetime) -> bool:
        """Whether the rep is at work."""
        if self.always:
            return True
        return any(start <= moment < end for start, end in self._spans_of(self._day(moment)))

    def next_start(self, moment: datetime) -> datetime | None:
        """When the rep is at work from ``moment`` on at the earliest; None: not within the
        horizon."""
        if self.always:
            return moment
        return next((max(start, moment) for start, _ in self._spans_from(moment)), None)

    def next_day(self, moment: datetime) -> datetime | None:
        """When the next of the rep's working days begins after ``moment``; None: not within the
        horizon."""
        if self.hours is None:
            return replace(self, hours=dict.fromkeys(WEEKDAYS, (MORNING,))).next_day(moment)
        day = self._day(moment)
        while day - self._day(moment) <= HORIZON:
            spans = self._spans_of(day)
            if spans and spans[0][0] > moment:
                return spans[0][0]
            day += _DAY
        return None

    def add(self, moment: datetime, amount: timedelta) -> datetime | None:
        """When ``amount`` of working time after ``moment`` is over; None: not within the horizon.

        An amount that ends with a working day ends there, not at the start of the next.
        """
        if self.always:
            return moment + amount
        left = amount
        for start, end in self._spans_from(moment):
            begin = max(start, moment)
            if left <= end - begin:
                return begin + left
            left -= end - begin
        return None

    def spans(self, first: datetime, last: datetime) -> Iterator[Span]:
        """The spans of working time that overlap the time from ``first`` to ``last``, in order."""
        return itertools.takewhile(lambda span: span[0] < last, self._spans_from(first))

    def between(self, first: datetime, last: datetime) -> timedelta:
        """The working time from ``first`` to ``last``; nothing when that is the past."""
        if self.always:
            return max(last - first, _NOTHING)
        worked = _NOTHING
        for start, end in self._spans_from(first):
            if start >= last:
                break
            worked += min(end, last) - max(start, first)
        return worked

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def _spans_from(self, moment: datetime) -> Iterator[Span]:
        """Spans of working time that end after ``moment``, in order, up to the horizon."""
        day, until = self._day(moment), moment + HORIZON
        while True:
            # A day that clocks were set back over midnight begins before the one before it ends.
            for start, end in self._spans_of(day):
                if start >= until:
                    return
                if end > moment:
                    yield start, end
            day += _DAY
            if datetime.combine(day, time(), UTC) > until + 2 * _DAY:
                return

    def _spans_of(self, day: date) -> Sequence[Span]:
        if any(one.first <= day <= one.last for one in self.leave):
            return ()
        if self.holidays is not None and day in public_holidays(self.holidays, day.year):
            return ()
        if self.hours is None:
            periods: Sequence[tuple[str, str]] = (("00:00", "24:00"),)
        else:
            periods = self.hours.get(WEEKDAYS[day.weekday()], ())
        return _spans(self.zone.key, day, tuple(periods)) if periods else ()


def away_words(rep: Rep, back_at: datetime | None, zone: ZoneInfo) -> str:
    """Why somebody is not at work, as a decision tells it."""
    if back_at is None:
        return "not at work, and it is not known until when"
    return f"not at work until {back_at.astimezone(zone):%a %-d %b %H:%M} ({rep.time_zone})"


@lru_cache(maxsize=65_536)
def _spans(zone: str, day: date, periods: tuple[tuple[str, str], ...]) -> tuple[Span, ...]:
    """The moments of a day at which the clock on the wall shows a time in one of the periods."""
    midnight = datetime.combine(day, time())
    found = []
    for begin, end, offset in _offsets(zone, day):
        for start_text, end_text in periods:
            start = (midnight + _time_of_day(start_text) - offset).replace(tzinfo=UTC)
            stop = (midnight + _time_of_day(end_text) - offset).replace(tzinfo=UTC)
            start, stop = max(start, begin), min(stop, end)
            if start < stop:
                found.append((start, stop))
    return _joined(sorted(found))


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans without those that touch: each later one begins after the one before has ended."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)


@lru_cache(maxsize=65_536)
def _offsets(zone: str, day: date) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """Stretches of time with one offset from UTC that hold all of a day's moments."""
    info = ZoneInfo(zone)
    first = datetime.combine(day, time(), UTC) - _DAY
    last = first + 3 * _DAY
    stretches, begin, at = [], first, first
    while at < last:
        after = min(at + _STEP, last)
        if _offset(info, at) != _offset(info, after):
            change = _change(info, at, after)
            stretches.append((begin, change, _offset(info, at)))
            begin = change
        at = after
    stretches.append((begin, last, _offset(info, last - timedelta(microseconds=1))))
    return tuple(stretches)


def _change(info: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """When the offset changes, to the second: it does between ``low`` and ``high``."""
    before, second = _offset(info, low), timedelta(seconds=1)
    while high - low > second:
        middle = low + second * ((high - low) // second // 2)
        if _offset(info, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(info: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(info).utcoffset()
    assert offset is not None
    return offset


def _time_of_day(text: str) -> timedelta:
    """``HH:MM`` as time since midnight; ``24:00`` is the next one."""
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


@lru_cache(maxsize=1024)
def public_holidays(place: str, year: int) -> frozenset[date]:
    """The public holidays of a country (``DE``) or of a part of it (``DE-BY``) in a year.

    Raises NotImplementedError for a place that the library ``holidays`` does not know.
    """
    import holidays  # takes a fifth of a second, which only those pay who need it

    country, _, part = place.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
