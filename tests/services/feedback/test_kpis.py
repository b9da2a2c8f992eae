"""Shares against examples worked by hand."""

import pytest

from services.feedback.domain.kpis import Rate


def test_a_rate_says_how_much_it_knows() -> None:
    assert Rate(0, 0).document() == {"count": 0, "of": 0, "rate": None, "low": None, "high": None}
    document = Rate(81, 263).document()
    assert document["rate"] == pytest.approx(0.308)
    assert (document["low"], document["high"]) == (0.2553, 0.3662)
