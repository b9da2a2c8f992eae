"""Key figures against examples worked by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.kpis import Duration, Rate, quantile, spread, until

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_without_censoring_it_is_the_plain_quantile() -> None:
    ended = [Duration(s, True) for s in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
    assert quantile(ended, 0.5) == 5
    assert quantile(ended, 0.9) == 9


def test_who_still_waits_makes_it_longer() -> None:
    """Survival by hand: 4/5 = .8 at 1, .8 * 3/4 = .6 at 2; 3 is censored; .6 * 1/2 = .3 at 4."""
    rows = [
        Duration(1, True),
        Duration(2, True),
        Duration(3, False),
        Duration(4, True),
        Duration(5, False),
    ]
    assert quantile(rows, 0.5) == 4
    assert quantile(rows, 0.9) is None
    assert quantile([r for r in rows if r.ended], 0.5) == 2  # what dropping them would claim


def test_nobody_answered() -> None:
    assert quantile([Duration(10, False)] * 3, 0.5) is None
    assert quantile([], 0.5) is None
    assert spread([Duration(10, False)] * 3) == {
        "leads": 3,
        "censored": 3,
        "median_seconds": None,
        "p90_seconds": None,
    }


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=40))
def test_censoring_never_makes_it_shorter(rows: list[tuple[int, bool]]) -> None:
    durations = [Duration(s, ended) for s, ended in rows]
    all_ended = [Duration(s, True) for s, _ in rows]
    with_, without = quantile(durations, 0.5), quantile(all_ended, 0.5)
    assert with_ is None or (without is not None and with_ >= without)


def test_until() -> None:
    assert until(None, NOW, NOW) is None
    assert until(NOW - timedelta(seconds=5), None, NOW) == Duration(5, False)
    assert until(NOW - timedelta(seconds=5), NOW - timedelta(seconds=2), NOW) == Duration(3, True)
    assert until(NOW, NOW - timedelta(seconds=1), NOW) == Duration(0, True)  # clocks differ


def test_a_rate_says_how_much_it_knows() -> None:
    assert Rate(0, 0).document() == {"count": 0, "of": 0, "rate": None, "low": None, "high": None}
    document = Rate(81, 263).document()
    assert document["rate"] == pytest.approx(0.308)
    assert (document["low"], document["high"]) == (0.2553, 0.3662)
