"""Changes as sentences that a marketer reads."""

from shared.scorecard.differences import Difference


def in_words(change: Difference) -> str:
    """``Threshold: 60 instead of 50``; what comes or goes says so."""
    if change.before is None:
        return f"{change.what} is new: {change.after}"
    if change.after is None:
        return f"{change.what} goes: {change.before}"
    return f"{change.what}: {change.after} instead of {change.before}"
