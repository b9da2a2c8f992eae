"""Working time, held against a clock on the wall that is read minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.routing.domain.calendar import WEEKDAYS, Calendar, public_holidays
from services.routing.domain.reps import Hours, Leave

MINUTE = timedelta(minutes=1)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # half an hour of summer time
    "America/Sao_Paulo",
    "Asia/Beirut",  # clocks change at midnight
    "Pacific/Apia",
    "Africa/Casablanca",
)
OFFICE: Hours = {day: [("09:00", "12:00"), ("13:00", "17:30")] for day in WEEKDAYS[:5]}
CHANGES = [datetime(2026, month, day, tzinfo=UTC) for month in (3, 4, 10, 11) for day in (1, 24)]


def shown(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def periods(draw: st.DrawFn) -> list[tuple[str, str]]:
    edges = draw(st.lists(st.integers(0, 1440), min_size=0, max_size=6, unique=True))
    edges = sorted(edges)[: len(edges) // 2 * 2]
    return [(shown(a), shown(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    hours = draw(st.none() | st.dictionaries(st.sampled_from(WEEKDAYS), periods()))
    first = date(2026, 1, 1) + timedelta(days=draw(st.integers(0, 364)))
    leave = Leave(first, first + timedelta(days=draw(st.integers(0, 3))))
    return Calendar(
        ZoneInfo(draw(st.sampled_from(ZONES))),
        hours,
        draw(st.sampled_from([None, "DE-BY", "US"])),
        draw(st.sampled_from([(), (leave,)])),
    )


moments = st.builds(
    lambda begin, minutes: begin + minutes * MINUTE,
    st.sampled_from(CHANGES) | st.sampled_from([datetime(2026, 12, 23, tzinfo=UTC)]),
    st.integers(0, 12 * 1440),
)


def works(calendar: Calendar, moment: datetime) -> bool:
    """The definition, read off the wall."""
    wall = moment.astimezone(calendar.zone)
    if any(one.first <= wall.date() <= one.last for one in calendar.leave):
        return False
    if calendar.holidays and wall.date() in public_holidays(calendar.holidays, wall.year):
        return False
    if calendar.hours is None:
        return True
    now = shown(wall.hour * 60 + wall.minute)
    return any(a <= now < b for a, b in calendar.hours.get(WEEKDAYS[wall.weekday()], ()))


@settings(max_examples=150)
@given(calendars(), moments, st.integers(0, 3 * 1440))
def test_it_counts_as_a_clock_does_that_is_read_each_minute(
    calendar: Calendar, begin: datetime, minutes: int
) -> None:
    end = begin + minutes * MINUTE
    worked = sum(works(calendar, begin + n * MINUTE) for n in range(minutes))
    assert calendar.between(begin, end) == worked * MINUTE
    assert calendar.works_at(begin) == works(calendar, begin)


@settings(max_examples=150)
@given(calendars(), moments, st.integers(1, 600))
def test_a_deadline_is_the_first_moment_at_which_so_much_was_worked(
    calendar: Calendar, begin: datetime, minutes: int
) -> None:
    due = calendar.add(begin, minutes * MINUTE)
    if due is None:
        assert not any(works(calendar, begin + n * timedelta(hours=1)) for n in range(24 * 14))
        return
    assert calendar.between(begin, due) == minutes * MINUTE
    assert works(calendar, due - MINUTE), "it ends with work, not in the night after it"


@settings(max_examples=100)
@given(calendars(), moments)
def test_the_next_start_is_the_first_minute_of_work(calendar: Calendar, begin: datetime) -> None:
    found = calendar.next_start(begin)
    minute = next((n for n in range(4 * 1440) if works(calendar, begin + n * MINUTE)), None)
    if minute is None:
        assert found is None or found >= begin + timedelta(days=4)
    else:
        assert found == begin + minute * MINUTE


def berlin(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("begin", "hours", "end"),
    [
        (berlin(21, 18), 1, berlin(23, 10)),  # Saturday evening: Monday at ten
        (berlin(20, 17), 1, berlin(23, 9, 30)),  # half an hour on Friday, half on Monday
        (berlin(20, 11, 30), 1, berlin(20, 13, 30)),  # lunch
        (berlin(20, 16, 30), 1, berlin(20, 17, 30)),  # to the end of the day
        (berlin(27, 17), 8, berlin(30, 17, 30)),  # over the change of the clocks
    ],
)
def test_office_hours(begin: datetime, hours: int, end: datetime) -> None:
    calendar = Calendar(ZoneInfo("Europe/Berlin"), OFFICE)
    assert calendar.add(begin, timedelta(hours=hours)) == end


def test_holidays_and_leave_are_no_working_time() -> None:
    calendar = Calendar(
        ZoneInfo("Europe/Berlin"), OFFICE, "DE-BY", (Leave(date(2026, 1, 7), date(2026, 1, 8)),)
    )
    # Epiphany is a holiday in Bavaria.
    assert calendar.add(berlin(5, 17, month=1), timedelta(hours=1)) == berlin(9, 9, 30, month=1)
    elsewhere = Calendar(ZoneInfo("Europe/Berlin"), OFFICE, "DE-HH")
    assert elsewhere.add(berlin(5, 17, month=1), timedelta(hours=1)) == berlin(6, 9, 30, month=1)


def test_who_never_works_has_no_deadline() -> None:
    assert Calendar(ZoneInfo("UTC"), {}).add(CHANGES[0], MINUTE) is None
    assert Calendar(ZoneInfo("UTC"), {}).next_start(CHANGES[0]) is None
