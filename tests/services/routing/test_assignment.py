"""The states of an attempt, and what they mean for the lead's stage."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from services.routing.domain.assignment import (
    CLOSED,
    MOVES,
    WAITING,
    Assignment,
    IllegalMove,
    Move,
    State,
    after,
    goes_to_another_rep,
    is_repeat,
    kept_out,
    kept_out_of_new_round,
)
from shared.contracts.vocabulary import REASON_CLASS, TRANSITIONS, RejectReason, Stage

STAGE = {
    State.ASSIGNED: Stage.ASSIGNED,
    State.ACKNOWLEDGED: Stage.ACKNOWLEDGED,
    State.ACCEPTED: Stage.ACCEPTED,
    State.REJECTED: Stage.REJECTED,
}


class ALeadsWay(RuleBasedStateMachine):
    """Whatever reps and the clock do in whatever order, the lead's stages follow the vocabulary."""

    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.stages = [Stage.MQL]
        self.states: dict[int, State] = {}

    def go(self, stage: Stage) -> None:
        assert stage in TRANSITIONS[self.stages[-1]], (self.stages[-1], stage)
        self.stages.append(stage)

    @property
    def open(self) -> list[int]:
        return [n for n, state in self.states.items() if state not in CLOSED]

    @rule(target=attempts)
    def assign(self) -> object:
        if self.open or Stage.ASSIGNED not in TRANSITIONS[self.stages[-1]]:
            return multiple()
        self.go(Stage.ASSIGNED)
        number = len(self.states) + 1
        self.states[number] = State.ASSIGNED
        return number

    @rule(number=attempts, move=st.sampled_from(Move), nobody=st.booleans())
    def try_to(self, number: int, move: Move, nobody: bool) -> None:
        before = self.states[number]
        if before not in MOVES[move][0]:
            with pytest.raises(IllegalMove):
                after(before, move)
            return
        state = after(before, move)
        assert self.open == [number], "only the one owner can change anything"
        self.states[number] = state
        if state in STAGE:
            self.go(STAGE[state])
        elif nobody:
            self.go(Stage.UNROUTED)

    @invariant()
    def one_owner_at_most(self) -> None:
        assert len(self.open) <= 1


TestALeadsWay = ALeadsWay.TestCase


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", Move)
def test_only_waiting_attempts_move(state: State, move: Move) -> None:
    if state in WAITING and not (state is State.ACKNOWLEDGED and move is Move.ACKNOWLEDGE):
        assert after(state, move) is MOVES[move][1]
    else:
        with pytest.raises(IllegalMove):
            after(state, move)


@pytest.mark.parametrize("reason", RejectReason)
def test_what_follows_a_rejection_is_a_transition(reason: RejectReason) -> None:
    follows = (
        {Stage.ASSIGNED, Stage.UNROUTED}
        if goes_to_another_rep(reason)
        else {Stage.NURTURE, Stage.DISQUALIFIED}
    )
    assert follows <= TRANSITIONS[Stage.REJECTED]
    assert goes_to_another_rep(reason) == (REASON_CLASS[reason] == "procedural")


def test_the_same_answer_again_is_a_repeat() -> None:
    assert is_repeat(State.ACCEPTED, Move.ACCEPT, None, None)
    assert is_repeat(State.REJECTED, Move.REJECT, "SPAM", "SPAM")
    assert not is_repeat(State.REJECTED, Move.REJECT, "SPAM", "DUPLICATE")
    assert not is_repeat(State.ACCEPTED, Move.ACKNOWLEDGE, None, None)


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def attempt(
    rep_id: str, number: int, state: State, reason: RejectReason | None = None
) -> Assignment:
    times = {"assigned_at": NOON, "due_at": NOON, "updated_at": NOON}
    return Assignment(f"a{number}", "l1", 1, rep_id, number, state, 1, 1, **times, reason=reason)


HISTORY = (
    attempt("a", 1, State.EXPIRED),
    attempt("b", 2, State.REJECTED, RejectReason.WRONG_TERRITORY),
    attempt("c", 3, State.REJECTED, RejectReason.NO_CAPACITY),
    attempt("d", 4, State.EXPIRED),
)


def test_nobody_gets_a_lead_twice_in_a_round() -> None:
    assert set(kept_out(HISTORY, 0)) == {"a", "b", "c", "d"}
    assert set(kept_out(HISTORY, 3)) == {"b", "d"}
    assert kept_out(HISTORY, 3)["b"] == "turned this lead down: WRONG_TERRITORY"


def test_a_new_round_prefers_fresh_reps_then_all_but_the_last_then_anybody() -> None:
    assert [set(out) for out in kept_out_of_new_round(HISTORY, rested=False)] == [
        {"a", "b", "c", "d"}
    ]
    assert [set(out) for out in kept_out_of_new_round(HISTORY, rested=True)] == [
        {"a", "b", "c", "d"},
        {"b", "d"},
        {"b"},
    ]
    assert [set(out) for out in kept_out_of_new_round((), rested=True)] == [set()]


def test_closing_an_attempt() -> None:
    before = NOON - timedelta(seconds=1)
    for state, then in ((State.ASSIGNED, State.EXPIRED), (State.ACCEPTED, State.ACCEPTED)):
        closed = attempt("a", 1, state).closed("WON", before)
        assert (closed.state, closed.closed_because) == (then, "WON")
        assert closed.closed_at == NOON, "no attempt ends before it began"
