"""``lead.feedback``: what marketing consumes."""

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.events.base import LeadEvent
from shared.contracts.vocabulary import (
    DisqualifyReason,
    ReasonClass,
    RecycleReason,
    RejectReason,
    Stage,
)


class FeedbackRecorded(LeadEvent):
    """A rep's answer joined with the decision it judges: what marketing learns from."""

    type = "leadloop.feedback.recorded.v1"
    topic = "lead.feedback"

    assignment_id: str
    rep_id: str
    answer: Literal["accepted", "rejected"]
    reason: RejectReason | None = None
    reason_class: ReasonClass | None = None
    definition_version: int
    score: int
    criteria: list[str]
    """Ids of the criteria that gave points."""
    source: str | None = None
    campaign: str | None = None
    answered_at: AwareDatetime


class OutcomeRecorded(LeadEvent):
    """What became of an accepted lead."""

    type = "leadloop.outcome.recorded.v1"
    topic = "lead.feedback"

    outcome_id: str
    cycle: int = 0
    """The cycle that it ends; 0: from before outcomes named it."""
    stage: Literal[
        Stage.SQL, Stage.OPPORTUNITY, Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED
    ]
    reason: RecycleReason | DisqualifyReason | str | None = None
    amount: float | None = None
    """Deal value in the company's own currency."""
    definition_version: int | None = None
    source: str | None = None
    campaign: str | None = None
    occurred_at: AwareDatetime
