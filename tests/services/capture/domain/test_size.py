"""How many people, as forms and people write it."""

import pytest

from services.capture.domain.size import read_size


@pytest.mark.parametrize(
    ("written", "count"),
    [
        (120, 120),
        (120.0, 120),
        ("120", 120),
        (" 1,200 ", 1200),
        ("1.200 Mitarbeiter", 1200),
        ("10-50", 30),
        ("51 – 200 employees", 125),
        ("1,001 to 5,000", 3000),
        ("500+", 500),
        ("10k+", 10_000),
        ("ca. 80", 80),
        ("> 1000", 1000),
        (0, 0),
    ],
)
def test_a_number_or_a_range_is_understood(written: object, count: int) -> None:
    assert read_size(written) == count


@pytest.mark.parametrize(
    "written", [True, -1, 1.5, 10_000_001, "many", "", "10-", "50-10", "1e3", "9" * 200, None]
)
def test_anything_else_is_no_count_and_the_reason_does_not_quote_it(written: object) -> None:
    with pytest.raises(ValueError, match="is no number of people"):
        read_size(written)
