"""Figures against scikit-learn's on the same leads, and where there is nothing to tell."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from shared.scorecard.figures import (
    NOBODY_BELOW,
    Judged,
    auc,
    auc_difference,
    by_part,
    curve,
    effective_size,
    exploration_weights,
    flips,
    load,
    precision,
    recall,
    segments,
)
from shared.scorecard.intervals import Z95, wilson
from shared.scorecard.table import Column


def judged(labels, weights=None, below=None) -> Judged:
    size = len(labels)
    return Judged(
        np.array(labels, np.int64),
        np.ones(size) if weights is None else np.array(weights, float),
        np.ones(size, np.bool_) if below is None else np.array(below, np.bool_),
    )


leads = st.lists(
    st.tuples(
        st.sampled_from([1, 0, 1, 0, -1]), st.integers(-5, 5), st.integers(-5, 5),
        st.sampled_from([1.0, 1.0, 50.0, 20.0]),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


@given(leads, st.booleans())
def test_figures_are_those_of_scikit_learn(listed, weighted):
    labels, ranks, _, weights = map(np.array, zip(*listed, strict=True))
    made = judged(labels, weights if weighted else None)
    known, chosen = labels != -1, ranks >= 1
    more = {"sample_weight": weights[known] if weighted else None}
    found = precision(chosen, made)
    if (chosen & known).any():
        expected = precision_score(labels[known], chosen[known], **more)
        assert found.interval.estimate == pytest.approx(expected)
        assert found.interval.low <= expected <= found.interval.high + 1e-12
        assert found.of == (chosen & known).sum()
    else:
        assert found.interval is None
        assert found.why
    found = recall(chosen, made)
    if (labels == 1).any():
        expected = recall_score(labels[known], chosen[known], **more)
        assert found.interval.estimate == pytest.approx(expected)
    else:
        assert found.interval is None
        assert found.why
    found = auc(ranks, made)
    if len(set(labels[known])) == 2:
        expected = roc_auc_score(labels[known], ranks[known], **more)
        assert found.interval.estimate == pytest.approx(expected)
        assert -1e-9 <= found.interval.low <= expected + 1e-9
        assert expected - 1e-9 <= found.interval.high <= 1
    else:
        assert found.interval is None
        assert found.why


def _delong(labels, *scorings):
    """Areas and their covariance as the paper writes them, pair by pair."""
    good, bad = labels == 1, labels == 0
    kernel = [
        np.array([[1.0 * (x > y) + 0.5 * (x == y) for y in ranks[bad]] for x in ranks[good]])
        for ranks in scorings
    ]
    ten = np.array([one.mean(axis=1) for one in kernel])
    one = np.array([one.mean(axis=0) for one in kernel])
    covariance = np.cov(ten) / ten.shape[1] + np.cov(one) / one.shape[1]
    return [one.mean() for one in kernel], np.atleast_2d(covariance)


@given(leads)
def test_intervals_of_areas_are_delongs(listed):
    labels, first, second, _ = map(np.array, zip(*listed, strict=True))
    known = labels != -1
    if min((labels == 1).sum(), (labels == 0).sum()) < 2:
        return
    areas, covariance = _delong(labels[known], first[known], second[known])
    found = auc(first, judged(labels)).interval
    if covariance[0, 0] > 1e-12:
        assert found.low == pytest.approx(max(areas[0] - Z95 * sqrt(covariance[0, 0]), 0))
        assert found.high == pytest.approx(min(areas[0] + Z95 * sqrt(covariance[0, 0]), 1))
    found = auc_difference(first, second, judged(labels)).interval
    variance = max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0)
    assert found.estimate == pytest.approx(areas[0] - areas[1], abs=1e-9)
    low = max(found.estimate - Z95 * sqrt(variance), -1)
    assert found.low == pytest.approx(low, abs=1e-6)


@given(leads)
def test_a_ranking_is_as_good_as_itself(listed):
    labels, first, _, weights = map(np.array, zip(*listed, strict=True))
    found = auc_difference(first, first, judged(labels, weights)).interval
    assert found is None or found.estimate == 0
    other = auc(-first, judged(labels, weights)).interval
    if other is not None:
        assert auc(first, judged(labels, weights)).interval.estimate == pytest.approx(
            1 - other.estimate
        )


@pytest.mark.parametrize("labels", [[], [1], [0], [1, 1, 1], [0, 0], [-1, -1]])
def test_labels_that_tell_nothing_say_so(labels):
    ranks = np.arange(len(labels))
    for found in (auc(ranks, judged(labels)), auc_difference(ranks, -ranks, judged(labels))):
        assert found.interval is None
        assert found.why
    assert len(curve(ranks, ranks < 0, judged(labels))) == len(labels)
    assert by_part(["a"], ranks * 0, ranks >= 0, judged(labels))[0].leads == len(labels)


def test_a_single_lead_of_a_class_proves_nothing_and_neither_do_a_few():
    found = auc(np.array([2, 1, 1]), judged([1, 0, 0])).interval
    assert found == (1.0, 0.0, 1.0)
    few = auc(np.array([3, 3, 1, 1]), judged([1, 1, 0, 0])).interval
    many = auc(np.array([3] * 200 + [1] * 200), judged([1] * 200 + [0] * 200)).interval
    assert few.estimate == many.estimate == 1
    assert few.low < 0.5 < 0.95 < many.low


def test_what_was_never_looked_at_has_no_recall():
    chosen = np.array([True, True, False])
    found = recall(chosen, judged([1, 0, -1], below=[False, False, True]))
    assert (found.interval, found.why, found.of) == (None, NOBODY_BELOW, 1)
    found = recall(chosen, judged([1, 0, 1], below=[False, False, True]))
    assert found.interval.estimate == 0.5


def test_that_none_of_two_explored_was_good_does_not_say_that_nothing_is_missed():
    """164 good ones above the threshold; below it two of about a hundred were looked at."""
    labels = np.array([1] * 164 + [0] * 100 + [0, 0])
    below = np.array([False] * 264 + [True] * 2)
    found = recall(~below, Judged(labels, np.where(below, 50.0, 1.0), below)).interval
    assert found.estimate == found.high == 1
    missed = 100 * wilson(0, 2).high
    assert found.low == pytest.approx(164 / (164 + missed))


@pytest.mark.parametrize(("good_below", "rate"), [(0.03, 0.02), (0.1, 0.05), (0.3, 0.1)])
def test_the_interval_of_recall_holds_the_truth_as_often_as_it_says(good_below, rate):
    """600 leads above the threshold, 2000 below, of which few are explored."""
    random = np.random.default_rng(11)
    below = np.array([False] * 600 + [True] * 2000)
    held = 0
    runs = 400
    for _ in range(runs):
        good = random.random(2600) < np.where(below, good_below, 0.5)
        seen = ~below | (random.random(2600) < rate)
        judged_ones = Judged(
            np.where(seen, good, -1).astype(int),
            exploration_weights(below, np.full(2600, rate)),
            below,
        )
        found = recall(~below, judged_ones)
        truth = (good & ~below).sum() / good.sum()
        held += found.interval is None or found.interval.low <= truth <= found.interval.high
    assert held / runs >= 0.93


def test_weights_undo_the_selection():
    """10 000 leads, of which a scoring takes the upper half; 5 % of the rest are explored."""
    random = np.random.default_rng(7)
    truth = np.array([1] * 2000 + [0] * 8000)
    score = np.where(truth == 1, random.normal(0.8, 1, 10000), random.normal(0, 1, 10000))
    below = score < np.median(score)
    seen = ~below | (random.random(10000) < 0.05)
    labels = np.where(seen, truth, -1)
    weights = exploration_weights(below, np.full(10000, 0.05))
    assert set(weights) == {1.0, 20.0}
    found = recall(~below, Judged(labels, weights, below)).interval
    true_recall = (~below)[truth == 1].mean()
    assert found.low < true_recall < found.high
    naive = recall(~below, Judged(labels, np.ones(10000), below)).interval
    assert naive.low > true_recall
    area = auc(score, Judged(labels, weights, below)).interval
    assert area.low < roc_auc_score(truth, score) < area.high
    assert effective_size(np.ones(9)) == 9
    assert effective_size(np.array([])) == 0


def test_equal_weights_are_no_weights():
    labels, chosen = [1, 1, 0, 0, 1], np.array([True, True, True, False, False])
    one, ten = (precision(chosen, judged(labels, [w] * 5)) for w in (1, 10))
    assert one.interval == pytest.approx(ten.interval)
    assert one.interval == wilson(2, 3)


def test_a_curve_falls_in_volume_and_rests_on_what_is_known():
    total = np.array([10, 20, 20, 30, 40, 50])
    out = np.array([False] * 5 + [True])
    points = curve(total, out, judged([0, 0, 1, 1, -1, 1]))
    assert [(one.threshold, one.mqls) for one in points] == [(10, 5), (20, 4), (30, 2), (40, 1)]
    assert [one.precision.of for one in points] == [4, 3, 1, 0]
    assert points[-1].precision.interval is None
    assert points[1].precision.interval.estimate == pytest.approx(2 / 3)
    assert len(curve(np.arange(5000), np.zeros(5000, np.bool_), judged([1] * 5000))) == 41


def test_segments_name_the_frequent_and_gather_the_rest():
    values = [None, "DE", "", True, ["a", "b"], 5]
    codes = np.array([1, 1, 1, 2, 0, 3, 4, 5])
    names, of_rows = segments(Column(values, codes), most=3)
    assert names == ["DE", "not known", "other"]
    assert of_rows.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    names, of_rows = segments(Column(values, codes))
    assert set(names) == {"DE", "not known", "yes", "a, b", "5"}
    parts = by_part(names, of_rows, codes == 1, judged([1, 0, -1, 1, 1, 0, 0, 0]))
    german = parts[names.index("DE")]
    assert (german.leads, german.mqls, german.labelled) == (3, 3, 2)
    assert german.precision.interval.estimate == 0.5
    assert segments(Column([None], np.array([], np.int64))) == ([], pytest.approx([]))


def test_load_and_flips():
    assert load(120, 3, 4) == 10
    assert load(120, 0, 4) is None
    before, after = np.array([True, True, False, False]), np.array([True, False, True, False])
    into, out = flips(before, after)
    assert (into.tolist(), out.tolist()) == (
        [False, False, True, False],
        [False, True, False, False],
    )
