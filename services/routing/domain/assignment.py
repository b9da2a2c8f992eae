"""One assignment attempt: its states, the moves between them, and who may have the next attempt.

A move that is not allowed is a conflict, never an error of the caller's making: somebody else,
or the clock, was faster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from shared.contracts.vocabulary import REASON_CLASS, ReasonClass, RejectReason


class State(StrEnum):
    """Where one attempt stands."""

    ASSIGNED = "ASSIGNED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class Cause(StrEnum):
    """Why an attempt began."""

    RULES = "RULES"
    """A new MQL, or one that waited: chosen by the policy."""
    SLA_BREACHED = "SLA_BREACHED"
    """The attempt before ran out."""
    REJECTED = "REJECTED"
    """The rep before turned it down for a procedural reason."""
    HANDED_OVER = "HANDED_OVER"
    """The rep before gave it to a colleague."""
    PUT_BACK = "PUT_BACK"
    """The rep before gave it back, and the rules chose somebody else."""
    MOVED = "MOVED"
    """A manager gave it to somebody, or had the rules choose anew."""
    AWAY = "AWAY"
    """The rep before was away, paused or gone."""


class Move(StrEnum):
    """What can happen to an attempt. All but EXPIRE are a rep's answers."""

    ACKNOWLEDGE = "acknowledge"
    ACCEPT = "accept"
    REJECT = "reject"
    EXPIRE = "expire"


WAITING: Final = frozenset({State.ASSIGNED, State.ACKNOWLEDGED})
"""The lead waits for the rep's answer, and a deadline runs."""

MOVES: Final[Mapping[Move, tuple[frozenset[State], State]]] = {
    Move.ACKNOWLEDGE: (frozenset({State.ASSIGNED}), State.ACKNOWLEDGED),
    Move.ACCEPT: (WAITING, State.ACCEPTED),
    Move.REJECT: (WAITING, State.REJECTED),
    Move.EXPIRE: (WAITING, State.EXPIRED),
}
"""Of each move: the states it may start from, and the one it leads to."""

CLOSED: Final = frozenset({State.REJECTED, State.EXPIRED})
"""States in which the rep no longer owns the lead."""


class IllegalMove(Exception):
    """This state does not allow this move."""

    def __init__(self, state: State, move: Move) -> None:
        super().__init__(f"{move} is not possible in state {state}")
        self.state = state
        self.move = move


def after(state: State, move: Move) -> State:
    """The state that follows. Raises IllegalMove."""
    allowed, result = MOVES[move]
    if state not in allowed:
        raise IllegalMove(state, move)
    return result


def is_repeat(state: State, move: Move, reason: str | None, asked: str | None) -> bool:
    """Whether this answer was given before: the same answer, for the same reason."""
    return state is MOVES[move][1] and reason == asked


def goes_to_another_rep(reason: RejectReason) -> bool:
    """Whether a rejection says something about the rep's fit, not the lead's."""
    return REASON_CLASS[reason] is ReasonClass.PROCEDURAL


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt: a lead in one rep's hands. ``attempt`` is the fencing number."""

    assignment_id: str
    lead_id: str
    cycle: int
    rep_id: str
    attempt: int
    state: State
    policy_version: int
    definition_version: int
    assigned_at: datetime
    due_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None = None
    answered_at: datetime | None = None
    reason: RejectReason | None = None
    note: str | None = None
    closed_at: datetime | None = None
    closed_because: str | None = None
    grade: str | None = None
    """The lead's, for the order of an inbox."""
    cause: Cause = Cause.RULES
    given_by: str | None = None
    """The id of the key of whoever gave it; None: the rules did."""
    warn_at: datetime | None = None
    """When the rep is warned that the running deadline is near."""
    warned_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether the lead waits for the rep's answer."""
        return self.state in WAITING

    @property
    def next_at(self) -> datetime:
        """When the clock does something next: it warns, or the deadline passes."""
        if self.warn_at is None or self.warned_at is not None:
            return self.due_at
        return min(self.warn_at, self.due_at)

    def not_before(self, now: datetime) -> datetime:
        """Now, or when something happened to it last, if that is later: a transaction that had to
        wait for others began before them, and clocks are set back."""
        known = (self.assigned_at, self.acknowledged_at, self.answered_at)
        return max(now, *(one for one in known if one is not None))

    def closed(self, why: str, now: datetime) -> "Assignment":
        """The rep owns the lead no longer; an attempt that waited counts as expired."""
        at = self.not_before(now)
        state = State.EXPIRED if self.waits else self.state
        return replace(self, state=state, closed_at=at, closed_because=why, updated_at=at)


_HAD_IT: Final = "had this lead already"


def kept_out(history: Iterable[Assignment], round_base: int) -> dict[str, str]:
    """Who may not have the next attempt of the running round, and why, in words.

    A round is the attempts after ``round_base``. In one round nobody gets a lead twice; and whoever
    turned it down for good in this cycle never gets it again.
    """
    history = tuple(history)
    had = {past.rep_id: _HAD_IT for past in history if past.attempt > round_base}
    return had | _turned_down(history)


_FREE: Final = frozenset({Cause.HANDED_OVER, Cause.PUT_BACK, Cause.MOVED, Cause.AWAY})
"""Ends of an attempt that say nothing about whether anybody wants the lead."""


def attempts_used(history: Iterable[Assignment], round_base: int) -> int:
    """How many attempts of the running round came to nothing through a rep's silence or answer."""
    return sum(past.attempt > round_base and past.closed_because not in _FREE for past in history)


def kept_out_of_new_round(history: Iterable[Assignment], *, rested: bool) -> list[dict[str, str]]:
    """Who may not open a new round: one answer after the other, each to be tried in turn.

    First whoever never had the lead. Once it has rested, then anybody but the one who let it
    lapse last, and then that one too: better the same rep again than nobody.
    """
    history = tuple(history)
    turned_down = _turned_down(history)
    tries = [{past.rep_id: _HAD_IT for past in history} | turned_down]
    last = max(history, key=lambda past: past.attempt, default=None)
    if rested and last is not None:
        tries += [{last.rep_id: "just had this lead"} | turned_down, turned_down]
    return tries


def _turned_down(history: Iterable[Assignment]) -> dict[str, str]:
    # Somebody without capacity may have some later; a wrong territory stays wrong.
    return {
        past.rep_id: f"turned this lead down: {past.reason}"
        for past in history
        if past.state is State.REJECTED and past.reason not in (None, RejectReason.NO_CAPACITY)
    }


@dataclass(frozen=True, slots=True)
class Change:
    """One assignment that changed, or whose lead's contact data did."""

    kind: str
    """``assignment`` or ``contact``."""
    assignment: Assignment
    at: datetime

    @property
    def identity(self) -> tuple[str, str, str, datetime]:
        """Equal for the same change seen twice."""
        return (self.kind, self.assignment.assignment_id, self.assignment.state, self.at)
