"""What may be said about an accepted lead, and when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

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

_COMING: Final = frozenset(
    {Stage.INQUIRY, Stage.MQL, Stage.UNROUTED, Stage.ASSIGNED, Stage.ACKNOWLEDGED}
)
"""Where a lead may be that was accepted a moment ago and of which that has not been read yet."""

MOST_WAITING: Final = 20
"""Outcomes of one lead that may wait for its acceptance."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a lead, at ``step`` of the outcomes of its ``cycle``."""

    outcome_id: str
    lead_id: str
    cycle: int
    step: int
    stage: Stage
    reason: str | None
    amount: float | None
    definition_version: int | None
    source: str | None
    campaign: str | None
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingOutcome:
    """An outcome that came before the acceptance it follows; ``step`` is its place in the queue.

    A rep's word counts if it is this rep who accepts the lead.
    """

    lead_id: str
    step: int
    outcome_id: str
    stage: Stage
    reason: str | None
    amount: float | None
    occurred_at: datetime
    rep_id: str | None
    recorded_at: datetime

    def document(self) -> dict[str, Any]:
        """The outcome as JSON-ready members."""
        return {
            "lead_id": self.lead_id,
            "outcome_id": self.outcome_id,
            "stage": self.stage.value,
            "reason": self.reason,
            "amount": self.amount,
            "occurred_at": self.occurred_at.isoformat().replace("+00:00", "Z"),
            "status": "waiting",
        }


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


def may_wait(stage: Stage) -> bool:
    """Whether an acceptance may be on its way that the outcome of a lead in this stage follows."""
    return stage in _COMING
