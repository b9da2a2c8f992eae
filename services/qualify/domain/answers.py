"""What reps and deals said of a lead, each time it was an MQL: the truth that scores are judged by.

Events of several topics come in any order. What is kept depends on what was said alone, never on
the order in which it was heard: of what reps said the weightiest stays, of each stage the first
moment.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from shared.contracts.vocabulary import ReasonClass, RejectReason, Stage


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one cycle of a lead, from its assignment to the end of its deal."""

    lead_id: str
    cycle: int
    rep_id: str | None = None
    """Who answered; before that, who has it."""
    attempt: int | None = None
    """The assignment that the rep, the answer and its reason belong to."""
    assigned_at: datetime | None = None
    answered_at: datetime | None = None
    answer: Literal["accepted", "rejected"] | None = None
    reason: RejectReason | None = None
    reason_class: ReasonClass | None = None
    breached_at: datetime | None = None
    """When a deadline last passed without an answer."""
    sql_at: datetime | None = None
    opportunity_at: datetime | None = None
    won_at: datetime | None = None
    lost_at: datetime | None = None
    disqualified_at: datetime | None = None
    recycled_at: datetime | None = None
    amount: float | None = None
    """The highest deal value that was told, in the company's own currency."""


@dataclass(frozen=True, slots=True)
class Said:
    """One assignment, and what its rep said of it so far."""

    attempt: int
    rep_id: str
    assigned_at: datetime
    answered_at: datetime | None = None
    answer: Literal["accepted", "rejected"] | None = None
    reason: RejectReason | None = None
    reason_class: ReasonClass | None = None

    @property
    def weight(self) -> tuple[bool, int, bool]:
        """What ends the search for a rep outweighs everything else; then a later attempt outweighs
        an earlier one, whose rep turned the lead down for a reason of their own."""
        ends = self.answer is not None and self.reason_class is not ReasonClass.PROCEDURAL
        return ends, self.attempt, self.answer is not None


_MOMENT: Final[dict[Stage, str]] = {
    Stage.SQL: "sql_at",
    Stage.OPPORTUNITY: "opportunity_at",
    Stage.WON: "won_at",
    Stage.LOST: "lost_at",
    Stage.DISQUALIFIED: "disqualified_at",
    Stage.RECYCLED: "recycled_at",
}


def with_said(before: Answer, said: Said) -> Answer:
    """With what a rep said, or that a rep has the lead."""
    if before.attempt is not None and _last_said(before).weight >= said.weight:
        return before
    return replace(
        before,
        rep_id=said.rep_id,
        attempt=said.attempt,
        assigned_at=said.assigned_at,
        answered_at=said.answered_at,
        answer=said.answer,
        reason=said.reason,
        reason_class=said.reason_class,
    )


def with_breach(before: Answer, at: datetime) -> Answer:
    """With a deadline that passed."""
    latest = at if before.breached_at is None else max(at, before.breached_at)
    return replace(before, breached_at=latest)


def with_outcome(before: Answer, stage: Stage, at: datetime, amount: float | None) -> Answer:
    """With a stage that it reached after the hand-off, and what the deal is worth."""
    name = _MOMENT[stage]
    known: datetime | None = getattr(before, name)
    values = [one for one in (before.amount, amount) if one is not None]
    moments = {name: at if known is None else min(at, known)}
    return replace(before, **moments, amount=max(values, default=None))  # type: ignore[arg-type]


def _last_said(answer: Answer) -> Said:
    assert answer.attempt is not None
    assert answer.rep_id is not None
    assert answer.assigned_at is not None
    return Said(
        answer.attempt,
        answer.rep_id,
        answer.assigned_at,
        answer.answered_at,
        answer.answer,
        answer.reason,
        answer.reason_class,
    )
