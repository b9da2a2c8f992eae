"""The reader's side: which events are new, and positions that move by compare-and-set."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from shared.contracts.ids import new_id
from shared.db import inbox
from shared.db.tables import consumer_offsets
from tests.shared.toy.service import Toy

A, B = ("lead.captured", 0), ("lead.captured", 1)
Advance = Callable[..., None]


async def test_an_event_is_new_once(toy: Toy) -> None:
    with toy.db.begin() as conn:
        assert inbox.fresh(conn, "g", ["1", "2", "1"]) == {"1", "2"}
        assert inbox.fresh(conn, "g", ["2", "3"]) == {"3"}
        assert inbox.fresh(conn, "g", []) == set()
        assert inbox.fresh(conn, "other", ["1"]) == {"1"}, "each consumer has its own inbox"


async def test_thousands_of_events_at_once(toy: Toy) -> None:
    ids = [new_id() for _ in range(5000)]
    with toy.db.begin() as conn:
        assert inbox.fresh(conn, "g", ids[:3000]) == set(ids[:3000])
        assert inbox.fresh(conn, "g", ids) == set(ids[3000:])


async def test_an_event_that_was_rolled_back_is_new_again(toy: Toy) -> None:
    with pytest.raises(LookupError), toy.db.begin() as conn:  # noqa: PT012
        inbox.fresh(conn, "g", ["1"])
        raise LookupError
    with toy.db.begin() as conn:
        assert inbox.fresh(conn, "g", ["1"]) == {"1"}


async def test_old_events_are_forgotten_by_their_ids(toy: Toy) -> None:
    old, border, young = (new_id() for _ in range(3))
    with toy.db.begin() as conn:
        inbox.fresh(conn, "g", [old, border, young])
        inbox.fresh(conn, "other", [old])
        assert inbox.prune(conn, "g", border, 10) == 1
        assert inbox.prune(conn, "g", border, 10) == 0
        assert inbox.fresh(conn, "g", [old, border, young]) == {old}
        assert inbox.fresh(conn, "other", [old]) == set(), "each consumer forgets its own"


async def test_no_more_than_a_limit_is_forgotten_at_once_the_oldest_first(toy: Toy) -> None:
    ids = [new_id() for _ in range(25)]
    with toy.db.begin() as conn:
        inbox.fresh(conn, "g", ids[::-1])
        assert [inbox.prune(conn, "g", ids[20], 8) for _ in range(4)] == [8, 8, 4, 0]
        inbox.fresh(conn, "g", ids[:10])
        assert inbox.prune(conn, "g", ids[20], 4) == 4
        assert inbox.fresh(conn, "g", ids) == {*ids[:4], *ids[10:20]}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_forgetting_walks_along_the_key(toy: Toy) -> None:
    """Never the whole inbox, of which 45 days' events are nobody's business here."""
    with toy.db.connect() as conn:
        sql, order, _ = inbox._PRUNE._for(conn)
        given = {"consumer": "g", "before": "x", "limit": 5}
        values = tuple(given[name] for name in order or ())
        plan = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert all(step.startswith(("SEARCH", "LIST SUBQUERY")) for step in plan), plan
    assert any("event_id<?" in step for step in plan), plan


async def test_positions_begin_at_the_beginning_and_are_kept(toy: Toy) -> None:
    with toy.db.begin() as conn:
        assert inbox.positions(conn, "g", [B, A]) == {A: -1, B: -1}
        inbox.advance(conn, "g", {A: (-1, 5)})
        assert inbox.positions(conn, "g", [A, B]) == {A: 5, B: -1}
        assert inbox.positions(conn, "g", [B]) == {B: -1}
        assert inbox.positions(conn, "other", [A]) == {A: -1}


async def check_that_a_zombie_moves_nothing(toy: Toy, advance: Advance) -> None:
    """Two members believe they have the partition; the second to commit must not."""
    with toy.db.begin() as conn:
        inbox.positions(conn, "g", [A, B])
        advance(conn, "g", {A: (-1, 10), B: (-1, 4)})
    try:
        with toy.db.begin() as conn:
            advance(conn, "g", {A: (-1, 7), B: (4, 9)})
    except inbox.LostPosition:
        pass
    with toy.db.begin() as conn:
        assert inbox.positions(conn, "g", [A, B]) == {A: 10, B: 4}


async def test_a_zombie_moves_nothing(toy: Toy) -> None:
    await check_that_a_zombie_moves_nothing(toy, inbox.advance)


async def test_the_check_notices_positions_that_move_without_comparing(toy: Toy) -> None:
    def careless(conn: Any, consumer: str, moves: Any) -> None:
        c = consumer_offsets.c
        for (topic, number), (_, new) in moves.items():
            conn.execute(
                update(consumer_offsets)
                .where(c.consumer == consumer, c.topic == topic, c.partition == number)
                .values(position=new)
            )

    with pytest.raises(AssertionError):
        await check_that_a_zombie_moves_nothing(toy, careless)


async def test_a_position_without_a_row_is_lost(toy: Toy) -> None:
    with pytest.raises(inbox.LostPosition), toy.db.begin() as conn:
        inbox.advance(conn, "g", {A: (-1, 1)})


async def test_of_two_members_at_once_one_moves(toy: Toy) -> None:
    with toy.db.begin() as conn:
        inbox.positions(conn, "g", [A])

    both = threading.Barrier(2 if toy.db.dialect == "postgresql" else 1)

    def move(to: int) -> Callable[[Any], None]:
        def work(conn: Any) -> None:
            both.wait(10)
            inbox.advance(conn, "g", {A: (-1, to)})

        return work

    ends = await asyncio.gather(
        toy.db.write(move(5)), toy.db.write(move(6)), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["LostPosition", "NoneType"]
