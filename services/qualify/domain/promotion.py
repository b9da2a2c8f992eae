"""The evidence that a challenger needs before it takes the place of the published version."""

from dataclasses import dataclass
from typing import Final

from shared.scorecard.intervals import Interval

MIN_LABELLED: Final = 100
"""Leads with a label that both versions scored: fewer say little of either."""
TOLERANCE: Final = 0.02
"""By so much the lower bound of the difference in AUC may lie below zero for a challenger whose
MQLs are better: it draws the line elsewhere, and orders leads no worse as far as can be told."""
MQLS_AT_LEAST: Final = 0.5
"""A challenger that passes fewer than this share of the leads that pass today is judged by
somebody, not by figures alone: the rest would never be answered again."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the same leads, those with a label: before is published, after challenges.

    AUC and its paired difference are after minus before; precision is the share of a version's own
    MQLs whose label is good, None where it has no MQL; the MQLs are of all leads compared.
    """

    labelled: int
    auc_before: float | None
    auc_after: float | None
    auc_difference: Interval | None
    precision_before: Interval | None
    precision_after: Interval | None
    mqls_before: int
    mqls_after: int


def missing_evidence(found: Comparison | None) -> list[str]:
    """What keeps a challenger from being promoted without an override, in words; [] if nothing."""
    if found is None:
        return ["the two versions have not been compared"]
    missing = []
    if found.labelled < MIN_LABELLED:
        missing.append(
            f"{found.labelled} leads that both scored have a label, {MIN_LABELLED} are needed"
        )
    before, after, difference = found.precision_before, found.precision_after, found.auc_difference
    if difference is None:
        missing.append("all labels are equal, so neither version tells good leads from bad ones")
    elif difference.low <= 0 and not (difference.low >= -TOLERANCE and _purer(before, after)):
        missing.append(
            f"it is not better by more than chance: AUC differs by {difference.estimate:+.3f}, "
            f"between {difference.low:+.3f} and {difference.high:+.3f}"
        )
    if before is not None and after is None:
        missing.append("it makes no lead an MQL that has a label")
    elif before is not None and after is not None and after.high < before.estimate:
        missing.append(
            f"fewer of its MQLs are good: {after.estimate:.0%} (at most {after.high:.0%}) "
            f"against {before.estimate:.0%}"
        )
    if found.mqls_after < MQLS_AT_LEAST * found.mqls_before:
        missing.append(
            f"it makes MQLs of {found.mqls_after} of these leads, against {found.mqls_before} now"
        )
    return missing


def _purer(before: Interval | None, after: Interval | None) -> bool:
    """Whether more of its MQLs are good, by more than chance."""
    return before is not None and after is not None and after.low > before.estimate
