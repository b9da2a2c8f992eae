"""What evidence lets a challenger take over."""

from dataclasses import replace

import pytest

from services.qualify.domain.promotion import MIN_LABELLED, Comparison, missing_evidence
from shared.scorecard.intervals import Interval, wilson

GOOD = Comparison(
    labelled=400,
    auc_before=0.61,
    auc_after=0.68,
    auc_difference=Interval(0.07, 0.02, 0.12),
    precision_before=wilson(60, 200),
    precision_after=wilson(90, 210),
    mqls_before=300,
    mqls_after=310,
)


def test_a_better_challenger_on_enough_leads_passes():
    assert missing_evidence(GOOD) == []
    elsewhere = replace(GOOD, auc_difference=Interval(0.0, -0.019, 0.02))
    assert missing_evidence(elsewhere) == []  # it orders leads as before, and its MQLs are better
    assert missing_evidence(replace(elsewhere, precision_after=wilson(60, 200)))
    assert missing_evidence(replace(GOOD, precision_before=None)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labelled": MIN_LABELLED - 1}, "99 leads that both scored have a label, 100 are needed"),
        ({"auc_difference": Interval(0.01, -0.05, 0.07)}, "between -0.050 and +0.070"),
        ({"auc_difference": Interval(-0.1, -0.15, -0.05)}, "not better by more than chance"),
        ({"auc_difference": None}, "all labels are equal"),
        ({"precision_after": wilson(20, 200)}, "fewer of its MQLs are good: 10%"),
        ({"precision_after": None}, "makes no lead an MQL that has a label"),
        ({"mqls_after": 100}, "MQLs of 100 of these leads, against 300 now"),
    ],
)
def test_what_is_missing_is_said_in_words(change, says):
    (missing,) = missing_evidence(replace(GOOD, **change))
    assert says in missing


def test_without_a_comparison_nothing_is_known():
    assert missing_evidence(None) == ["the two versions have not been compared"]
