"""The pure parts of the learning benchmark: the figures it judges by, and its plainest rival."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.bench_learning.figures import auc, top_precision
from tests.bench_learning.rivals import Bins, naive_bayes


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_scikit_learns_with_ties_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 300)
    scores = np.round(rng.normal(labels * 0.8, 1) * 3)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))


def test_auc_of_chances_is_what_many_draws_give_on_average() -> None:
    rng = np.random.default_rng(1)
    chances = rng.uniform(0.05, 0.95, 400)
    scores = np.round(chances * 10 + rng.normal(0, 2, 400))
    drawn = [auc(scores, rng.random(400) < chances) for _ in range(200)]
    assert auc(scores, chances) == pytest.approx(np.mean(drawn), abs=0.005)


def test_auc_of_one_class_is_no_number() -> None:
    assert math.isnan(auc([1, 2, 3], [1, 1, 1]))


def test_precision_at_the_top_shares_ties_out() -> None:
    # Ten leads, two places: one for the lead with 9 points, one for the four with 5, half good.
    scores = [9, 5, 5, 5, 5, 1, 1, 1, 1, 1]
    labels = [1, 1, 1, 0, 0, 0, 0, 0, 0, 1]
    assert top_precision(scores, labels) == pytest.approx((1 + 0.5) / 2)
    assert top_precision(list(range(10)), [0] * 8 + [1, 1]) == 1.0


def test_naive_bayes_counts_as_odoo_does() -> None:
    train = [{"size": "big"}, {"size": "big"}, {"size": "small"}, {"size": "small"}, {}]
    labels = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    bins = Bins.of(train)
    judged = bins.codes([{"size": "big"}, {"size": "small"}, {}, {"size": "never seen"}])
    found = naive_bayes(bins.codes(train), labels, judged, bins.sizes())
    prior = math.log(3.1 / 2.1)
    big = math.log(2.1 / 3.2) - math.log(0.1 / 1.2)
    small = math.log(1.1 / 3.2) - math.log(1.1 / 1.2)
    assert found == pytest.approx([prior + big, prior + small, prior, prior])


def test_numbers_are_binned_by_quantiles_and_missing_is_a_code_of_its_own() -> None:
    leads = [{"visits": number} for number in range(10)] + [{"visits": None}]
    bins = Bins.of(leads)
    assert bins.codes(leads)[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0]
    assert np.isnan(bins.numbers(leads)[-1, 0])
