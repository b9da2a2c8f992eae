"""Working hours and leave as people type them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.domain.calendar import WEEKDAYS
from services.routing.domain.reps import Leave
from services.routing.hours_text import hours_of, hours_text, leave_of, leave_text

MORNING, AFTERNOON = ("09:00", "12:00"), ("13:00", "17:30")


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("", None),
        (" \n ", None),
        ("mon-fri 9-12, 13-17:30", {day: [MORNING, AFTERNOON] for day in WEEKDAYS[:5]}),
        ("Sat: 09:00 - 12:00", {"sat": [MORNING]}),
        ("sat-mon 9–12", {"sat": [MORNING], "sun": [MORNING], "mon": [MORNING]}),
        ("mon 13-17:30\nmon 9-12", {"mon": [MORNING, AFTERNOON]}),
    ],
)
def test_hours_are_understood(text: str, hours: object) -> None:
    assert hours_of(text) == hours


@pytest.mark.parametrize("text", ["9-12", "mon", "monday 9-12 maybe", "xyz 9-12", "mon nine"])
def test_what_can_not_be_read_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="like"):
        hours_of(text)


days = st.dictionaries(
    st.sampled_from(WEEKDAYS),
    st.sampled_from([[MORNING], [AFTERNOON], [MORNING, AFTERNOON], [("00:00", "24:00")]]),
    min_size=1,
)


@given(days)
def test_what_is_shown_is_read_back(hours: dict[str, list[tuple[str, str]]]) -> None:
    assert hours_of(hours_text(hours)) == hours


def test_leave_is_understood_and_shown() -> None:
    leave = (
        Leave(date(2026, 12, 24), date(2027, 1, 2), "Christmas at home"),
        Leave(date(2027, 5, 1), date(2027, 5, 1)),
    )
    text = "2026-12-24 - 2027-01-02 Christmas at home\n2027-05-01 2027-05-01"
    assert leave_of(text) == leave
    assert leave_of(leave_text(leave)) == leave
    for wrong in ("tomorrow", "2026-12-24", "2026-02-30 2026-03-01"):
        with pytest.raises(ValueError, match="“"):
            leave_of(wrong)
