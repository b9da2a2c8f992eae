"""Where each lead stands, put together from streams that are read independently.

Capture, qualify and routing each write a topic of their own. One lead's events keep their order
inside a topic and lose it across topics: an acceptance may be read before the decision it answers.
So a stage is not the last thing read but the furthest thing known: every event has a *place* in the
lead's life, and the greatest place wins. Taking a maximum gives the same state in whatever order
the topics are read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum
from typing import Any, Final, NamedTuple

from shared.contracts.vocabulary import RejectReason, Stage


class Phase(IntEnum):
    """The parts of one cycle, in the order in which they can only happen."""

    CAPTURED = 0
    DECIDED = 1
    """Qualify's first word of the cycle: MQL, or in cycle 0 nurtured or disqualified."""
    HANDED_OVER = 2
    """With sales: waiting for a rep, assigned, acknowledged, accepted, rejected."""
    SENT_BACK = 3
    """Qualify's word after a rejection: nurtured or disqualified."""
    WORKED = 4
    """What became of an accepted lead."""


class Place(NamedTuple):
    """When in a lead's life something happened; compared from left to right.

    ``cycle`` counts how often the lead became an MQL, ``attempt`` is routing's fencing number,
    ``step`` orders what happens within one attempt, or the outcomes of one cycle.
    """

    cycle: int
    phase: Phase
    attempt: int = 0
    step: int = 0


_STEP: Final = {Stage.ASSIGNED: 0, Stage.ACKNOWLEDGED: 1, Stage.ACCEPTED: 2, Stage.REJECTED: 2}
_AFTER_ATTEMPT: Final = 3

NOWHERE: Final = Place(-1, Phase.CAPTURED)

MILESTONES: Final = (
    Stage.MQL,
    Stage.ASSIGNED,
    Stage.ACKNOWLEDGED,
    Stage.ACCEPTED,
    Stage.REJECTED,
    Stage.SQL,
    Stage.OPPORTUNITY,
    Stage.WON,
)
"""The stages whose first time is kept for each lead: the funnel and what is measured between."""


@dataclass(frozen=True, slots=True)
class Lead:
    """One lead as far as it is known. Times are when things happened, not when they were read.

    ``firsts`` holds when the lead first reached each milestone.
    """

    lead_id: str
    stage: Stage = Stage.INQUIRY
    since: datetime | None = None
    place: Place = NOWHERE
    captured_at: datetime | None = None
    source: str | None = None
    campaign: str | None = None
    form_id: str | None = None
    definition_version: int | None = None
    score: int | None = None
    criteria: tuple[str, ...] = ()
    rep_id: str | None = None
    firsts: dict[Stage, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a lead's history."""

    lead_id: str
    stage: Stage
    at: datetime
    place: Place
    rep_id: str | None = None

    @property
    def cycle(self) -> int:
        """How often the lead had become an MQL by then."""
        return self.place.cycle

    @property
    def attempt(self) -> int:
        """Which of the cycle's hand-overs it belongs to; 0 when to none."""
        return self.place.attempt


def captured_place() -> Place:
    """A lead begins."""
    return Place(0, Phase.CAPTURED)


def decided_place(stage: Stage, cycle: int) -> Place:
    """Qualify moved the lead. Only MQL opens a cycle, so another decision in it follows a
    rejection."""
    opens = stage is Stage.MQL or cycle == 0
    return Place(cycle, Phase.DECIDED if opens else Phase.SENT_BACK)


def handed_over_place(stage: Stage, cycle: int, attempt: int) -> Place:
    """An assignment attempt began, was seen or was answered."""
    return Place(cycle, Phase.HANDED_OVER, attempt, _STEP[stage])


def unrouted_place(lead: Lead, cycle: int) -> Place:
    """Nobody could take the lead: right after the last attempt of this cycle that is known.

    Routing writes it in the same topic as its attempts, so those before it have been read.
    """
    here = lead.place.cycle == cycle and lead.place.phase is Phase.HANDED_OVER
    return Place(cycle, Phase.HANDED_OVER, lead.place.attempt if here else 0, _AFTER_ATTEMPT)


def worked_place(lead: Lead) -> Place:
    """The next outcome of the cycle the lead is in."""
    step = lead.place.step + 1 if lead.place.phase is Phase.WORKED else 0
    return Place(lead.place.cycle, Phase.WORKED, 0, step)


def moved(lead: Lead, move: Move, **learned: Any) -> Lead:
    """The lead after this move: further on, or where it was when the move is an older one.
    ``learned`` are the fields that the same event told.

    Equal places come from one topic, where the later one is the truth.
    """
    known = lead.firsts.get(move.stage)
    if move.stage in MILESTONES and (known is None or move.at < known):
        learned["firsts"] = {**lead.firsts, move.stage: move.at}
    if move.place >= lead.place:
        learned |= {"stage": move.stage, "since": move.at, "place": move.place}
    return replace(lead, **learned) if learned else lead


@dataclass(frozen=True, slots=True)
class Mql:
    """One time a lead became an MQL: the decision, and what sales made of it.

    Its two halves come from two topics; ``qualified_at`` and ``assigned_at`` tell which is known.
    ``accept_due_at`` is the end of the time in which an acceptance counts for the acceptance rate.
    """

    lead_id: str
    cycle: int
    definition_version: int | None = None
    score: int | None = None
    criteria: tuple[str, ...] = ()
    source: str | None = None
    campaign: str | None = None
    qualified_at: datetime | None = None
    assigned_at: datetime | None = None
    accept_due_at: datetime | None = None
    answered_at: datetime | None = None
    answer: str | None = None
    reason_class: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rep's turn with a lead. ``due_at`` is the deadline of the first answer.

    ``recorded_at`` is when its answer went out as feedback; an answer without it waits for the
    decision that it judges.
    """

    assignment_id: str
    lead_id: str
    cycle: int
    attempt: int
    rep_id: str
    definition_version: int | None = None
    source: str | None = None
    assigned_at: datetime | None = None
    due_at: datetime | None = None
    acknowledged_at: datetime | None = None
    breached_at: datetime | None = None
    answered_at: datetime | None = None
    answer: str | None = None
    reason: RejectReason | None = None
    reason_class: str | None = None
    recorded_at: datetime | None = None

    @property
    def waiting(self) -> bool:
        """Whether the rep has answered and nobody has been told."""
        return self.answer is not None and self.recorded_at is None


def handed_over(mql: Mql, at: datetime, accept_by: Callable[[datetime], datetime]) -> Mql:
    """The MQL given to a rep; the first assignment of a cycle starts the acceptance clock."""
    if mql.assigned_at is not None and mql.assigned_at <= at:
        return mql
    return replace(mql, assigned_at=at, accept_due_at=accept_by(at))


def answered(mql: Mql, attempt: Attempt) -> Mql:
    """The MQL with a rep's answer; a later answer of the cycle replaces a procedural one."""
    return replace(
        mql,
        answered_at=attempt.answered_at,
        answer=attempt.answer,
        reason_class=attempt.reason_class,
    )
