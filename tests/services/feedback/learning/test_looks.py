"""How often one looks, and the error that all looks together may make."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.feedback.learning.looks import MOST, Looks

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_next_look_is_half_as_many_more_answers_away() -> None:
    looks = Looks()
    assert looks.missing(60, NOW, 100) == 40
    looks = looks.with_look(NOW, 100, looks.allowed(0.05))
    assert looks.missing(100, NOW, 100) == 50
    assert looks.missing(150, NOW, 100) == 0


def test_after_a_month_some_new_answers_are_enough() -> None:
    looks = Looks().with_look(NOW, 1000, 0.025)
    later = NOW + timedelta(days=40)
    assert looks.missing(1020, later, 100) == 10
    assert looks.missing(1030, later, 100) == 0
    assert looks.missing(1030, NOW, 100) == 470


def test_looks_survive_json() -> None:
    looks = Looks().with_look(NOW, 100, 0.025).with_look(NOW, 130, 0.01).with_proposal()
    assert Looks.of(looks.document()) == looks
    assert looks.proposals == 1
    assert Looks.of(None) == Looks.of({}) == Looks()


@given(st.lists(st.tuples(st.floats(0.01, 90), st.integers(0, 400)), min_size=1, max_size=80))
def test_no_year_spends_more_than_alpha(steps: list[tuple[float, int]]) -> None:
    """Whoever asks whenever they like, in any window of a year."""
    looks, now, answers, spent = Looks(), NOW, 0, []
    for days, more in steps:
        now, answers = now + timedelta(days=days), answers + more
        looks = looks.at(now)
        if looks.missing(answers, now, 100) == 0:
            alpha = looks.allowed(0.05)
            looks = looks.with_look(now, answers, alpha)
            spent.append((now, alpha))
    for first, _ in spent:
        year = [alpha for at, alpha in spent if first <= at < first + timedelta(days=365)]
        assert sum(year) < 0.05 + 1e-9
        assert len(year) <= MOST
