"""Effect, inbox, position and outgoing events: all of them or none, and once."""

from typing import Any

import pytest

from shared.db import dead_letters, inbox, outbox
from shared.db.tables import consumer_offsets
from shared.db.tables import outbox as outbox_table
from shared.runtime.consumer import Consumer
from shared.runtime.relay import Relay
from tests.shared.runtime.checks import (
    CRASH_POINTS,
    check_that_a_crash_leaves_all_or_nothing,
    check_that_a_late_commit_is_published,
)
from tests.shared.toy.service import Log, Toy, activity, captured, message, places

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.mark.parametrize("point", CRASH_POINTS)
async def test_a_crash_leaves_all_or_nothing(toy: Toy, point: str) -> None:
    await check_that_a_crash_leaves_all_or_nothing(toy, point)


@pytest.mark.parametrize("point", ["handler", "fresh", "prefetch"])
async def test_the_check_notices_a_position_committed_before_the_effect(
    toy: Toy, point: str
) -> None:
    class Hasty(Consumer[Any]):
        async def apply(self, reads: Any) -> None:
            async with self._transactions.begin() as uow:
                await inbox.advance(uow.conn, self.group, self._moves(reads))
            async with self._transactions.begin() as uow:
                await self._handle(uow, reads)

    with pytest.raises(AssertionError):
        await check_that_a_crash_leaves_all_or_nothing(toy, point, Hasty)


@ON_POSTGRESQL
async def test_a_row_whose_lower_number_commits_later_is_published(toy: Toy) -> None:
    await check_that_a_late_commit_is_published(toy)


@ON_POSTGRESQL
async def test_the_check_notices_a_relay_that_walks_by_sequence(toy: Toy) -> None:
    class Walker(Relay):
        cursor = 0

        async def take(self) -> list[outbox.Pending]:
            rows = [row for row in await super().take() if row.seq > self.cursor]
            self.cursor = max([self.cursor, *(row.seq for row in rows)])
            return rows

    with pytest.raises(AssertionError):
        await check_that_a_late_commit_is_published(toy, Walker)


async def test_a_batch_is_one_transaction(toy: Toy) -> None:
    batch = Log().deliver(*(captured(f"lead-{n % 5}", n) for n in range(50)))
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    assert len(toy.units) == 1
    assert sorted(toy.units[0].prefetched) == [f"lead-{n}" for n in range(5)]
    assert await toy.counts() == {
        "effects": 50,
        "inbox": 50,
        "outbox": 50,
        "dead_letters": 0,
        "read": 50,
    }
    assert await toy.numbers("lead-3") == list(range(3, 50, 5))


async def test_events_go_out_in_the_order_of_their_causes(toy: Toy) -> None:
    batch = Log().deliver(*(captured("lead", n) for n in range(4)))
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    rows = await toy.rows(outbox_table)
    assert [row.key for row in rows] == ["lead"] * 4
    assert len({row.event_id for row in rows}) == 4


async def test_a_repeated_event_has_one_effect(toy: Toy) -> None:
    """In the same batch, in a later one, and at another place of the log."""
    log, event = Log(), captured("lead", 1)
    consumer = toy.consumer()
    first = log.deliver(event, event, captured("lead", 2))
    await consumer._load(places(first))
    await consumer.process(first)
    later = log.deliver(event, captured("lead", 3))
    await consumer.process(later)
    assert await toy.numbers("lead") == [1, 2, 3]
    assert toy.handled.count(event.id) == 1
    assert (await toy.counts())["read"] == 5, "positions pass repeats"


async def test_a_zombie_has_no_effect(toy: Toy) -> None:
    """Two members with the same batch; both loaded positions before either was done."""
    batch = Log().deliver(*(captured("lead", n) for n in range(3)))
    alive, zombie = toy.consumer(), toy.consumer()
    await alive._load(places(batch))
    await zombie._load(places(batch))
    await alive.process(batch)
    with pytest.raises(inbox.LostPosition):
        await zombie.process(batch)
    assert await toy.numbers("lead") == [0, 1, 2]
    assert len(await toy.rows(outbox_table)) == 3


async def test_a_zombie_sets_nothing_aside(toy: Toy) -> None:
    batch = Log().deliver(captured("lead", 0), captured("lead", 1))
    alive, zombie = toy.consumer(), toy.consumer()
    await alive._load(places(batch))
    await zombie._load(places(batch))
    await alive.process(batch)
    toy.poison = {message_.headers["ce_id"] for message_ in batch}
    with pytest.raises(inbox.LostPosition):
        await zombie.process(batch)
    assert (await toy.counts())["dead_letters"] == 0


async def test_what_concerns_nobody_is_passed_over(toy: Toy) -> None:
    """A type without a handler, a type of the future, a tombstone: positions move, nothing else."""
    future = message(captured("lead"))
    unknown = {**future.headers, "ce_type": "leadloop.lead.captured.v9"}
    batch = Log().deliver(
        activity("lead"),
        type(future)(future.topic, future.key, b"{}", unknown),
        type(future)(future.topic, future.key, None, {}),
    )
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    assert await toy.counts() == {
        "effects": 0,
        "inbox": 0,
        "outbox": 0,
        "dead_letters": 0,
        "read": 3,
    }


async def test_nothing_is_called_after_a_rollback(toy: Toy) -> None:
    called: list[str] = []
    with pytest.raises(LookupError):  # noqa: PT012
        async with toy.transactions.begin() as uow:
            uow.after_commit(lambda: called.append("rolled back"))
            raise LookupError
    async with toy.transactions.begin() as uow:
        uow.after_commit(lambda: called.append("committed"))
        assert called == []
    assert called == ["committed"]


async def test_the_relay_is_woken_for_events_and_for_nothing_else(toy: Toy) -> None:
    async with toy.transactions.begin():
        pass
    assert not await toy.transactions.woken.wait(0)
    batch = Log().deliver(captured("lead"))
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    assert await toy.transactions.woken.wait(0)


async def test_positions_are_kept_per_partition(toy: Toy) -> None:
    batch = Log().deliver(*(captured(f"lead-{n}") for n in range(12)))
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    stored = {(r.topic, r.partition): r.position for r in await toy.rows(consumer_offsets)}
    assert stored == {
        tuple(p): 1 + max(m.offset for m in batch if m.place == p) for p in places(batch)
    }
    async with toy.db.read() as conn:
        assert await dead_letters.count(conn, consumer.group) == 0
