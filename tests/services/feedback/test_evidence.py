"""What answers say about criteria, and when nothing is said."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.evidence import (
    Change,
    Counts,
    Definition,
    Evidence,
    Rule,
    suggest,
    unmuted,
    weigh,
)
from services.feedback.domain.proposals import (
    Proposal,
    Propose,
    Refresh,
    Status,
    Withdraw,
    decide,
)

AT = datetime(2026, 11, 2, tzinfo=UTC)
DEFINITION = Definition(3, 50, (Rule("size", 20), Rule("title", 10)))
NEWCOMBE = {frozenset({"size"}): Counts(56, 14), frozenset(): Counts(48, 32)}


def evidence(having: tuple[int, int], lacking: tuple[int, int], points: int = 20) -> Evidence:
    definition = Definition(3, 100, (Rule("size", points),))
    tally = {frozenset({"size"}): Counts(*having), frozenset[str](): Counts(*lacking)}
    return weigh(definition, tally, 20)


def test_a_published_difference_in_words_and_points() -> None:
    weighed = weigh(DEFINITION, NEWCOMBE, 20)
    size = weighed.comparisons[0]
    assert size.words() == (
        "Accepted 80 % with, 60 % without; difference 20 points, 95 % interval 5 to 33; 150 leads."
    )
    # 0.0524 of a threshold of 50 is 2.6: two whole points.
    assert suggest(weighed) == (Change("size", 20, 22),)


def test_below_the_minimum_there_is_no_comparison() -> None:
    weighed = evidence((19, 0), (0, 200))
    assert weighed.comparisons[0].interval is None
    assert weighed.missing == 1
    assert weighed.comparisons[0].words().endswith("1 more answer needed to compare.")
    assert suggest(weighed) == ()
    assert suggest(evidence((20, 0), (0, 200))) != ()


def test_a_difference_that_may_be_none_changes_nothing() -> None:
    assert suggest(evidence((30, 30), (25, 35))) == ()


def test_fewer_points_but_never_against() -> None:
    assert suggest(evidence((0, 100), (100, 0), points=5)) == (Change("size", 5, 0),)
    assert suggest(evidence((100, 0), (0, 100), points=-5)) == (Change("size", -5, 0),)


def test_several_criteria_in_one_suggestion() -> None:
    tally = {frozenset({"size", "title"}): Counts(60, 0), frozenset[str](): Counts(0, 60)}
    assert [c.criterion_id for c in suggest(weigh(DEFINITION, tally, 20))] == ["size", "title"]


def test_a_threshold_of_zero_scales_by_all_points() -> None:
    definition = replace(DEFINITION, threshold=0)
    assert definition.scale == 30


sides = st.tuples(st.integers(0, 80), st.integers(0, 80))


@given(sides, sides, st.integers(-50, 50))
def test_suggestions_follow_the_evidence(
    having: tuple[int, int], lacking: tuple[int, int], points: int
) -> None:
    weighed = evidence(having, lacking, points)
    interval = weighed.comparisons[0].interval
    assert (interval is None) == (min(sum(having), sum(lacking)) < 20)
    for change in suggest(weighed):
        assert interval is not None
        assert not interval.low <= 0 <= interval.high
        assert (change.points_after > change.points_before) == (interval.estimate > 0)
        assert abs(change.points_after - change.points_before) <= abs(interval.estimate) * 100
        assert change.points_after * points >= 0


def earlier(status: Status, changes: tuple[Change, ...], answers: int = 150) -> Proposal:
    return Proposal("p1", status, 3, changes, {}, answers, answers, AT, AT)


WEIGHED = weigh(DEFINITION, NEWCOMBE, 20)
SIZE = (Change("size", 20, 22),)


def test_the_first_time_it_is_proposed() -> None:
    assert decide(WEIGHED, []) == Propose(SIZE)


def test_the_same_again_is_not_proposed_twice() -> None:
    assert decide(WEIGHED, [earlier(Status.OPEN, SIZE)]) is None
    assert decide(WEIGHED, [earlier(Status.OPEN, SIZE, answers=120)]) == Refresh("p1")


def test_other_points_wait_for_a_fifth_more_answers() -> None:
    louder = (Change("size", 20, 25),)
    assert decide(WEIGHED, [earlier(Status.OPEN, louder, answers=130)]) == Refresh("p1")
    assert decide(WEIGHED, [earlier(Status.OPEN, louder, answers=125)]) == Propose(SIZE, "p1")


@pytest.mark.parametrize("status", [Status.DISMISSED, Status.WITHDRAWN])
def test_what_was_turned_down_comes_back_with_half_as_much_again(status: Status) -> None:
    louder = (Change("size", 20, 25),)
    assert decide(WEIGHED, [earlier(status, louder, answers=101)]) is None
    assert decide(WEIGHED, [earlier(status, louder, answers=100)]) == Propose(SIZE)


def test_the_opposite_was_not_turned_down() -> None:
    assert decide(WEIGHED, [earlier(Status.DISMISSED, (Change("size", 20, 12),))]) == Propose(SIZE)


def test_an_open_proposal_goes_when_its_evidence_does() -> None:
    flat = evidence((30, 30), (30, 30))
    assert decide(flat, [earlier(Status.OPEN, SIZE)]) == Withdraw("p1")


def test_nothing_is_proposed_while_a_version_is_on_its_way() -> None:
    assert decide(WEIGHED, [earlier(Status.APPROVED, SIZE)]) is None


def test_unmuted_keeps_the_rest() -> None:
    changes = (Change("a", 1, 2), Change("b", 1, 2))
    assert unmuted(changes, {("a", 1): 100}, 149, 1.5) == changes[1:]
    assert unmuted(changes, {("a", 1): 100}, 150, 1.5) == changes
