"""How values are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.web.formats import duration, number, percent, signed, when

NARROW = "\u202f"


def test_moments_are_written_in_utc_and_machines_can_read_them() -> None:
    moment = datetime(2026, 11, 3, 15, 5, tzinfo=timezone(timedelta(hours=1)))
    text = '<time datetime="2026-11-03T14:05:00+00:00">3 Nov 2026, 14:05 UTC</time>'
    assert when(moment) == when(moment.astimezone(UTC)) == text
    assert when(None) == "–"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(1234567), f"1{NARROW}234{NARROW}567"),
        (number(-3.25, 1), "−3.3"),
        (signed(-2.5), "−3"),
        (signed(0.5), "+1"),
        (signed(-0.4), "0"),
        (number(None), "–"),
        (percent(0.374), f"37{NARROW}%"),
        (percent(0.374, 1), f"37.4{NARROW}%"),
        (percent(None), "–"),
        (signed(12), "+12"),
        (signed(-12), "−12"),
        (signed(0), "0"),
        (signed(-0.04, 1), "0.0"),
        (signed(None), "–"),
        (duration(0), f"0{NARROW}s"),
        (duration(59.6), f"1{NARROW}min"),
        (duration(7500), f"2{NARROW}h 5{NARROW}min"),
        (duration(3600 + 5), f"1{NARROW}h"),
        (duration(2 * 86400 + 3600), f"2{NARROW}d 1{NARROW}h"),
        (duration(None), "–"),
    ],
)
def test_numbers_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected
