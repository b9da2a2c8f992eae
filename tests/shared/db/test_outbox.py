"""The outbox: order, staying until removed, and one relay at a time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.envelope import decode
from shared.db import outbox
from shared.db.engine import Database
from shared.db.tables import relay_lease
from tests.shared.toy.service import NOW, Toy, captured


async def test_events_leave_in_the_order_they_came_and_stay_until_removed(toy: Toy) -> None:
    events = [captured("l1", n) for n in range(5)]
    async with toy.db.write() as conn:
        await outbox.add(conn, "qualify", events[:3], NOW)
        await outbox.add(conn, "qualify", [], NOW)
        await outbox.add(conn, "qualify", events[3:], NOW)
    async with toy.db.read() as conn:
        first = await outbox.take(conn, 2)
        again = await outbox.take(conn, 10)
        assert await outbox.backlog(conn) == 5
    assert [row.headers["ce_id"] for row in first] == [e.id for e in events[:2]]
    assert [row.headers["ce_id"] for row in again] == [e.id for e in events]
    async with toy.db.write() as conn:
        await outbox.remove(conn, [row.seq for row in first])
        assert [row.seq for row in await outbox.take(conn, 10)] == [r.seq for r in again[2:]]


async def test_a_row_says_all_that_the_event_said(toy: Toy) -> None:
    event = captured("l1", 3)
    async with toy.db.write() as conn:
        await outbox.add(conn, "qualify", [event], NOW)
        (row,) = await outbox.take(conn, 1)
    assert (row.topic, row.key) == ("lead.captured", "l1")
    assert decode(row.headers, row.value or b"") == event


async def test_a_rolled_back_transaction_leaves_no_event(toy: Toy) -> None:
    with pytest.raises(LookupError):  # noqa: PT012
        async with toy.db.write() as conn:
            await outbox.add(conn, "qualify", [captured("l1")], NOW)
            raise LookupError
    assert (await toy.counts())["outbox"] == 0


async def test_one_relay_has_the_lease(toy: Toy) -> None:
    async with toy.db.write() as conn:
        assert await outbox.lease(conn, "one", 60)
        assert await outbox.lease(conn, "one", 60), "its owner extends it"
        assert not await outbox.lease(conn, "two", 60)
        await outbox.release(conn, "two")
        assert not await outbox.lease(conn, "two", 60), "only the owner gives it back"


async def test_a_released_lease_is_free_at_once(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await outbox.lease(conn, "one", 60)
        await outbox.release(conn, "one")
        assert await outbox.lease(conn, "two", 60)
        assert not await outbox.lease(conn, "one", 60)


async def test_a_lapsed_lease_is_taken_over(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await outbox.lease(conn, "crashed", 60)
        await conn.execute(relay_lease.update().values(expires_at=datetime(2001, 1, 1, tzinfo=UTC)))
        assert await outbox.lease(conn, "two", 60)
        assert not await outbox.lease(conn, "crashed", 60), "it woke up too late"


async def test_a_clock_that_was_set_back_stops_nobody_for_long(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await outbox.lease(conn, "before", 6)
        later = datetime.now(UTC) + timedelta(days=1)
        await conn.execute(relay_lease.update().values(expires_at=later))
        assert await outbox.lease(conn, "after", 6)
        assert not await outbox.lease(conn, "before", 6)


async def test_of_many_at_once_one_gets_the_lease(toy: Toy, database_url: str) -> None:
    others = [Database.open(database_url, "qualify", checkpoints=False) for _ in range(4)]

    async def ask(number: int, db: Database) -> bool:
        async with db.write() as conn:
            return await outbox.lease(conn, f"relay {number}", 60)

    granted = await asyncio.gather(*(ask(n, db) for n, db in enumerate([toy.db, *others])))
    assert sum(granted) == 1
    for db in others:
        await db.close()
