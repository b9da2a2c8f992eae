"""What may be said about an accepted lead, and when."""

from typing import Final

from shared.contracts.vocabulary import TRANSITIONS, DisqualifyReason, RecycleReason, Stage

_RECYCLE: Final = tuple(reason.value for reason in RecycleReason)
_DISQUALIFY: Final = tuple(reason.value for reason in DisqualifyReason)

REASONS: Final[dict[Stage, tuple[str, ...]]] = {
    Stage.RECYCLED: _RECYCLE,
    Stage.DISQUALIFIED: _DISQUALIFY,
    Stage.LOST: _RECYCLE + _DISQUALIFY,
}
"""The reasons each outcome takes. They are words of a list: a free text could name a person."""

REASON_NEEDED: Final = frozenset({Stage.RECYCLED, Stage.DISQUALIFIED})

_WORKED: Final = frozenset({Stage.ACCEPTED, Stage.SQL, Stage.OPPORTUNITY, Stage.LOST})


def reason_fault(stage: Stage, reason: str | None) -> str | None:
    """What is wrong with the reason of an outcome; None when nothing is."""
    allowed = REASONS.get(stage, ())
    if reason is None:
        return f"{stage} needs one of: {', '.join(allowed)}" if stage in REASON_NEEDED else None
    if not allowed:
        return f"{stage} takes no reason"
    return None if reason in allowed else f"{stage} takes one of: {', '.join(allowed)}"


def may_become(stage: Stage, outcome: Stage) -> bool:
    """Whether a lead that sales is working on may go to this outcome now.

    Narrower than the transitions alone: an inquiry may be disqualified, but by qualify, not by an
    outcome.
    """
    return stage in _WORKED and outcome in TRANSITIONS[stage]
