"""The fair choice: shares follow weights, capacity holds, nobody is flooded."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.domain.choice import (
    KEPT,
    Group,
    Pool,
    Standing,
    Unrouted,
    level,
    undecided,
)

EVERYBODY = Group()
weights = st.lists(st.integers(1, 20), min_size=1, max_size=8)


def pool_of(*reps: Standing) -> Pool:
    return Pool.of(reps)


def rep(rep_id: str, weight: int = 1, capacity: int = 10**6, **more: object) -> Standing:
    return Standing(rep_id, weight, capacity, **more)  # type: ignore[arg-type]


def hand_out(pool: Pool, count: int) -> Counter[str]:
    """Give out leads that are answered at once."""
    got: Counter[str] = Counter()
    for _ in range(count):
        decision = pool.choose(EVERYBODY, {})
        assert decision.rep_id is not None
        pool.give(decision.rep_id)
        pool.release(decision.rep_id)
        got[decision.rep_id] += 1
    return got


@given(weights, st.integers(1, 300))
def test_shares_follow_weights(ws: list[int], count: int) -> None:
    pool = pool_of(*(rep(f"r{i}", w) for i, w in enumerate(ws)))
    got = hand_out(pool, count)
    for i, w in enumerate(ws):
        # The one in front may be a lead ahead; who is behind may be owed a little over one.
        assert abs(got[f"r{i}"] - count * w / sum(ws)) <= 2


@given(weights, st.integers(0, 200), st.integers(1, 20))
def test_a_newcomer_starts_level(ws: list[int], before: int, weight: int) -> None:
    pool = pool_of(*(rep(f"r{i}", w) for i, w in enumerate(ws)))
    hand_out(pool, before)
    newcomer = rep("new", weight)
    newcomer.calibration = level(newcomer, pool.reps.values())
    pool.join(newcomer)
    total = sum(ws) + weight
    for _ in range(3):
        got = hand_out(pool, 2 * total)["new"]
        assert abs(got - 2 * weight) <= 3


@given(weights, st.integers(0, 100), st.integers(0, 300))
def test_back_from_leave_without_a_flood(ws: list[int], before: int, meanwhile: int) -> None:
    pool = pool_of(*(rep(f"r{i}", w) for i, w in enumerate([2, *ws])))
    hand_out(pool, before)
    away = pool.reps["r0"]
    away.active = False
    pool.join(away)
    hand_out(pool, meanwhile)
    away.active = True
    away.calibration = level(away, pool.reps.values())
    pool.join(away)
    total = 2 + sum(ws)
    assert abs(hand_out(pool, 2 * total)["r0"] - 4) <= 3


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=6),
    st.integers(0, 40),
)
def test_capacity_is_never_exceeded_and_never_wasted(
    reps: list[tuple[int, int]], count: int
) -> None:
    pool = pool_of(*(rep(f"r{i}", w, c) for i, (w, c) in enumerate(reps)))
    room = sum(c for w, c in reps if w > 0)
    given_out = 0
    for _ in range(count):
        decision = pool.choose(EVERYBODY, {})
        if decision.rep_id is None:
            break
        pool.give(decision.rep_id)
        given_out += 1
    assert given_out == min(count, room)
    assert all(r.waiting <= r.capacity for r in pool.reps.values())


def test_a_first_lead_goes_to_the_larger_weight_and_ties_to_who_waited_longest() -> None:
    pool = pool_of(rep("a"), rep("b", 2), rep("c"))
    assert pool.choose(EVERYBODY, {}).rep_id == "b"
    assert pool.choose(EVERYBODY, {}).reason == "level with others, and has the largest weight"
    pool = pool_of(rep("a", last_turn=7), rep("b", last_turn=3))
    assert pool.choose(EVERYBODY, {}).rep_id == "b"


def test_every_candidate_says_why_not() -> None:
    pool = pool_of(
        rep("away", active=False),
        rep("full", capacity=5, waiting=5),
        rep("had"),
        rep("other"),
        rep("zero", weight=0),
        rep("free", capacity=3),
    )
    group = Group("emea", frozenset({"away", "full", "had", "zero", "free"}))
    decision = pool.choose(group, {"had": "had this lead already"})
    assert {c.rep_id: c.why for c in decision.candidates} == {
        "away": "inactive",
        "full": "full: 5 of 5 waiting",
        "had": "had this lead already",
        "other": "not in rule emea",
        "zero": "weight 0",
        "free": "room for 3 more",
    }
    assert decision.rep_id == "free"
    assert [c.rep_id for c in decision.candidates if c.eligible] == ["free"]
    shortfalls = {c.rep_id: c.shortfall for c in decision.candidates}
    assert shortfalls["away"] is None
    assert shortfalls["other"] is None
    assert shortfalls["zero"] is None
    assert sum(s for s in shortfalls.values() if s is not None) == pytest.approx(0)


@pytest.mark.parametrize(
    ("pool", "excluded", "expected"),
    [
        (pool_of(), {}, Unrouted.NO_REP),
        (pool_of(rep("a", active=False), rep("b", 0)), {}, Unrouted.NO_REP),
        (pool_of(rep("a", capacity=1, waiting=1)), {}, Unrouted.NO_ROOM),
        (pool_of(rep("a"), rep("b", capacity=0)), {"a": "had it"}, Unrouted.NO_ROOM),
        (pool_of(rep("a")), {"a": "had it"}, Unrouted.ALL_HAD_IT),
    ],
)
def test_nobody(pool: Pool, excluded: dict[str, str], expected: Unrouted) -> None:
    decision = pool.choose(EVERYBODY, excluded)
    assert decision.rep_id is None
    assert decision.unrouted is expected


def test_undecided_gives_to_nobody_whoever_has_room() -> None:
    decision = undecided(pool_of(rep("a")), EVERYBODY, Unrouted.ATTEMPTS_USED)
    assert decision.rep_id is None
    assert decision.candidates[0].why == "the last attempt ran out"


@given(weights, st.lists(st.booleans(), max_size=60))
def test_a_decision_can_be_replayed_from_what_it_stores(ws: list[int], moves: list[bool]) -> None:
    pool = pool_of(*(rep(f"r{i}", w, 5) for i, w in enumerate(ws)))
    for release in moves:
        decision = pool.choose(EVERYBODY, {})
        stored = [
            Standing(c.rep_id, c.weight, c.capacity, True, 0, c.given, c.waiting, c.last_turn)
            for c in decision.candidates
        ]
        assert Pool.of(stored).choose(EVERYBODY, {}).rep_id == decision.rep_id
        if decision.rep_id is not None:
            pool.give(decision.rep_id)
            if release:
                pool.release(decision.rep_id)


def test_of_many_reps_a_decision_tells_of_the_first_and_of_who_got_it() -> None:
    full = [rep(f"full{i:02}", capacity=1, waiting=1, assigned=0) for i in range(30)]
    behind = [rep(f"more{i:02}", assigned=9) for i in range(200)]
    away = [rep(f"away{i:02}", active=False) for i in range(70)]
    pool = pool_of(*full, *behind, *away)
    decision = pool.choose(EVERYBODY, {})
    assert decision.rep_id == "more00"
    assert len(decision.candidates) == KEPT
    assert decision.left_out == 300 - KEPT
    told = [c.rep_id for c in decision.candidates]
    assert told == [f"full{i:02}" for i in range(KEPT - 1)] + ["more00"]
    assert decision.candidates[0].why == "full: 1 of 1 waiting"
    few = pool_of(*full[:3], *away).choose(EVERYBODY, {})
    assert few.unrouted is Unrouted.NO_ROOM
    assert [c.why for c in few.candidates[2:5]] == ["full: 1 of 1 waiting", "inactive", "inactive"]
    assert (len(few.candidates), few.left_out) == (KEPT, 73 - KEPT)


@given(weights, st.lists(st.sampled_from(["give", "release", "join"]), max_size=40))
def test_what_the_pool_remembers_is_what_it_would_find(ws: list[int], moves: list[str]) -> None:
    """Sums and orders are kept from lead to lead: the choice is that of a new pool."""
    pool = pool_of(*(rep(f"r{i}", w, 4) for i, w in enumerate(ws)))
    groups = [EVERYBODY, Group("odd", frozenset(f"r{i}" for i in range(1, len(ws), 2)))]
    for at, move in enumerate(moves):
        group = groups[at % 2]
        decision = pool.choose(group, {})
        again = Pool.of(replace(one) for one in pool.reps.values()).choose(group, {})
        assert decision == again
        if move == "join":
            pool.join(replace(pool.reps["r0"], weight=at % 3, calibration=at / 2))
        elif move == "release":
            pool.release("r0")
        elif decision.rep_id is not None:
            pool.give(decision.rep_id)


def test_leads_of_whoever_shares_none_do_not_count_for_the_others() -> None:
    """An owner of weight 0 gets one, and one who was paused gives one back."""
    pool = pool_of(rep("a"), rep("b", assigned=1), rep("zero", 0), rep("paused", active=False))
    before = {one.rep_id: one.shortfall for one in pool.choose(EVERYBODY, {}).candidates}
    pool.give("zero")
    pool.reps["paused"].assigned = 3
    pool.give_back("paused")
    after = {one.rep_id: one.shortfall for one in pool.choose(EVERYBODY, {}).candidates}
    assert after == before
