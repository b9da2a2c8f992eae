"""Business hours, with the traps others fell into."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.business_time import (
    OpeningHours,
    add_business_time,
    business_time_between,
)
from services.feedback.domain.kpis import accept_by

moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
spans = st.timedeltas(timedelta(0), timedelta(hours=200))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """November 2026: the 2nd is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (at(2, 10), 1, at(2, 11)),
        (at(2, 16, 30), 1, at(3, 9, 30)),
        (at(6, 16), 2, at(9, 10)),  # Friday into Monday
        (at(7, 18), 1, at(9, 10)),  # Saturday 18:00: not Monday 18:00, not Tuesday
        (at(2, 3), 1, at(2, 10)),  # before opening
        (at(2, 20), 8, at(3, 17)),  # a whole day ends at closing, not at the next opening
        (at(2, 9), 24, at(4, 17)),
    ],
)
def test_by_hand(start: datetime, hours: float, end: datetime) -> None:
    assert add_business_time(start, timedelta(hours=hours)) == end


def test_acceptance_has_three_working_days() -> None:
    assert accept_by(at(5, 12)) == at(10, 12)  # Thursday noon to Tuesday noon


@given(moments, spans)
def test_what_is_added_lies_between(start: datetime, span: timedelta) -> None:
    assert business_time_between(start, add_business_time(start, span)) == span


@given(moments, spans)
def test_time_ends_in_opening_hours(start: datetime, span: timedelta) -> None:
    end = add_business_time(start, span)
    assert end >= start
    assert end.weekday() < 5
    assert time(9) <= end.time() <= time(17)


@given(moments, spans, spans)
def test_adding_twice_is_adding_the_sum(start: datetime, a: timedelta, b: timedelta) -> None:
    twice = add_business_time(add_business_time(start, a), b)
    once = add_business_time(start, a + b)
    # Closing and the next opening are the same moment of business time.
    assert business_time_between(twice, once) == timedelta(0)
    assert business_time_between(once, twice) == timedelta(0)


@given(moments, st.timedeltas(timedelta(0), timedelta(days=40)), spans)
def test_later_starts_end_no_earlier(start: datetime, later: timedelta, span: timedelta) -> None:
    assert add_business_time(start, span) <= add_business_time(start + later, span)


def test_hours_that_never_open_are_refused() -> None:
    with pytest.raises(ValueError, match="weekday"):
        OpeningHours(weekdays=frozenset())
    with pytest.raises(ValueError, match="opening"):
        OpeningHours(opens=time(17), closes=time(9))
