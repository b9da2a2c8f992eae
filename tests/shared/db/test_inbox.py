"""The reader's side: which events are new, and positions that move by compare-and-set."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import update

from shared.db import inbox
from shared.db.tables import consumer_offsets
from shared.runtime.clock import new_id
from tests.shared.toy.service import Toy

A, B = ("lead.captured", 0), ("lead.captured", 1)
Advance = Callable[..., Awaitable[None]]


async def test_an_event_is_new_once(toy: Toy) -> None:
    async with toy.db.write() as conn:
        assert await inbox.fresh(conn, "g", ["1", "2", "1"]) == {"1", "2"}
        assert await inbox.fresh(conn, "g", ["2", "3"]) == {"3"}
        assert await inbox.fresh(conn, "g", []) == set()
        assert await inbox.fresh(conn, "other", ["1"]) == {"1"}, "each consumer has its own inbox"


async def test_thousands_of_events_at_once(toy: Toy) -> None:
    ids = [new_id() for _ in range(5000)]
    async with toy.db.write() as conn:
        assert await inbox.fresh(conn, "g", ids[:3000]) == set(ids[:3000])
        assert await inbox.fresh(conn, "g", ids) == set(ids[3000:])


async def test_an_event_that_was_rolled_back_is_new_again(toy: Toy) -> None:
    with pytest.raises(LookupError):  # noqa: PT012
        async with toy.db.write() as conn:
            await inbox.fresh(conn, "g", ["1"])
            raise LookupError
    async with toy.db.write() as conn:
        assert await inbox.fresh(conn, "g", ["1"]) == {"1"}


async def test_old_events_are_forgotten_by_their_ids(toy: Toy) -> None:
    old, border, young = (new_id() for _ in range(3))
    async with toy.db.write() as conn:
        await inbox.fresh(conn, "g", [old, border, young])
        await inbox.prune(conn, border)
        assert await inbox.fresh(conn, "g", [old, border, young]) == {old}


async def test_positions_begin_at_the_beginning_and_are_kept(toy: Toy) -> None:
    async with toy.db.write() as conn:
        assert await inbox.positions(conn, "g", [B, A]) == {A: -1, B: -1}
        await inbox.advance(conn, "g", {A: (-1, 5)})
        assert await inbox.positions(conn, "g", [A, B]) == {A: 5, B: -1}
        assert await inbox.positions(conn, "g", [B]) == {B: -1}
        assert await inbox.positions(conn, "other", [A]) == {A: -1}


async def check_that_a_zombie_moves_nothing(toy: Toy, advance: Advance) -> None:
    """Two members believe they have the partition; the second to commit must not."""
    async with toy.db.write() as conn:
        await inbox.positions(conn, "g", [A, B])
        await advance(conn, "g", {A: (-1, 10), B: (-1, 4)})
    try:
        async with toy.db.write() as conn:
            await advance(conn, "g", {A: (-1, 7), B: (4, 9)})
    except inbox.LostPosition:
        pass
    async with toy.db.write() as conn:
        assert await inbox.positions(conn, "g", [A, B]) == {A: 10, B: 4}


async def test_a_zombie_moves_nothing(toy: Toy) -> None:
    await check_that_a_zombie_moves_nothing(toy, inbox.advance)


async def test_the_check_notices_positions_that_move_without_comparing(toy: Toy) -> None:
    async def careless(conn: Any, consumer: str, moves: Any) -> None:
        c = consumer_offsets.c
        for (topic, number), (_, new) in moves.items():
            await conn.execute(
                update(consumer_offsets)
                .where(c.consumer == consumer, c.topic == topic, c.partition == number)
                .values(position=new)
            )

    with pytest.raises(AssertionError):
        await check_that_a_zombie_moves_nothing(toy, careless)


async def test_a_position_without_a_row_is_lost(toy: Toy) -> None:
    with pytest.raises(inbox.LostPosition):
        async with toy.db.write() as conn:
            await inbox.advance(conn, "g", {A: (-1, 1)})


async def test_of_two_members_at_once_one_moves(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await inbox.positions(conn, "g", [A])

    async def move(to: int) -> str:
        try:
            async with toy.db.write() as conn:
                await inbox.advance(conn, "g", {A: (-1, to)})
        except inbox.LostPosition:
            return "lost"
        return "moved"

    assert sorted(await asyncio.gather(move(5), move(6))) == ["lost", "moved"]
