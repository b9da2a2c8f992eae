"""Effect, inbox, position and outgoing events: all of them or none, and once."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from shared.db import dead_letters, inbox, outbox
from shared.db.errors import Conflict
from shared.db.tables import consumer_offsets
from shared.db.tables import outbox as outbox_table
from shared.runtime.clock import SystemClock
from shared.runtime.consumer import Consumer
from shared.runtime.relay import Relay
from shared.runtime.unit import ATTEMPTS, Transactions
from tests.shared.runtime.checks import (
    CRASH_POINTS,
    check_that_a_crash_leaves_all_or_nothing,
    check_that_a_late_commit_is_published,
)
from tests.shared.toy.service import (
    NOW,
    Effect,
    Log,
    Toy,
    ToyUnit,
    activity,
    captured,
    message,
    places,
)
from tests.shared.toy.waiting import until

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.mark.parametrize("point", CRASH_POINTS)
async def test_a_crash_leaves_all_or_nothing(toy: Toy, point: str) -> None:
    await check_that_a_crash_leaves_all_or_nothing(toy, point)


@pytest.mark.parametrize("point", ["handler", "fresh", "load"])
async def test_the_check_notices_a_position_committed_before_the_effect(
    toy: Toy, point: str
) -> None:
    class Hasty(Consumer[Any]):
        def apply(self, reads: Any) -> None:
            with self._transactions.begin() as unit:
                inbox.advance(unit.conn, self.group, self._moves(reads))
            with self._transactions.begin() as unit:
                self._handle(unit, reads)

    with pytest.raises(AssertionError):
        await check_that_a_crash_leaves_all_or_nothing(toy, point, Hasty)


async def test_the_check_notices_an_effect_committed_before_the_position(toy: Toy) -> None:
    class Late(Consumer[Any]):
        def apply(self, reads: Any) -> None:
            with self._transactions.begin() as unit:
                self._handle(unit, reads)
            moves = self._moves(reads)
            with self._transactions.begin() as unit:
                inbox.advance(unit.conn, self.group, moves)
            self._moved(moves)

    with pytest.raises(AssertionError):
        await check_that_a_crash_leaves_all_or_nothing(toy, "advance", Late)


@ON_POSTGRESQL
async def test_a_row_whose_lower_number_commits_later_is_published(toy: Toy) -> None:
    await check_that_a_late_commit_is_published(toy)


@ON_POSTGRESQL
async def test_the_check_notices_a_relay_that_walks_by_sequence(toy: Toy) -> None:
    class Walker(Relay):
        cursor = 0

        def take(self, conn: Any) -> list[outbox.Row]:
            rows = [row for row in super().take(conn) if row.seq > self.cursor]
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
    assert sorted(toy.units[0].loaded) == [f"lead-{n}" for n in range(5)]
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

    def rolled_back(unit: ToyUnit) -> None:
        unit.after_commit(lambda: called.append("rolled back"))
        raise LookupError

    def committed(unit: ToyUnit) -> None:
        unit.after_commit(lambda: called.append("committed"))
        assert called == []

    with pytest.raises(LookupError):
        await toy.transactions.run(rolled_back)
    await toy.transactions.run(committed)
    await until(lambda: called)
    assert called == ["committed"]


async def test_what_comes_after_a_commit_is_called_on_the_event_loop(toy: Toy) -> None:
    threads: list[threading.Thread] = []

    def work(unit: ToyUnit) -> None:
        threads.append(threading.current_thread())
        unit.after_commit(lambda: threads.append(threading.current_thread()))

    await toy.transactions.run(work)
    await until(lambda: len(threads) == 2)
    assert threads[0] is not threading.current_thread()
    assert threads[1] is threading.current_thread()


async def test_a_commit_tells_its_events_and_one_without_any_nothing(toy: Toy) -> None:
    told: list[Any] = []

    def tell(rows: Any) -> None:
        told.append(rows)

    toy.transactions.told = tell
    await toy.transactions.run(lambda unit: None)
    assert told == []
    batch = Log().deliver(captured("lead", 1), captured("lead", 2))
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    (rows,) = told
    stored = [row.event_id for row in await toy.rows(outbox_table)]
    # PostgreSQL gives the places out: nobody is told which.
    assert [row.event_id for row in rows] == (stored if toy.db.dialect == "sqlite" else [])


async def test_who_was_not_the_first_does_it_again(toy: Toy) -> None:
    """A Conflict, or an insert of a key that is taken by now: from the start, with a new unit."""
    seen: list[int] = []

    def work(unit: ToyUnit) -> str:
        seen.append(len(seen))
        unit.effects.put(Effect(f"e-{len(seen)}", "lead", "event", len(seen)))
        if len(seen) == 1:
            raise Conflict("effects")
        if len(seen) == 2:
            raise IntegrityError("INSERT", None, Exception("planted"))
        return "done"

    assert await toy.transactions.run(work) == "done"
    assert await toy.numbers("lead") == [3]
    seen.clear()

    def never(unit: ToyUnit) -> None:
        seen.append(1)
        raise Conflict("effects")

    with pytest.raises(Conflict):
        await toy.transactions.run(never)
    assert len(seen) == ATTEMPTS


async def test_a_caller_that_goes_away_takes_no_transaction_back(toy: Toy) -> None:
    """Also not one that still waits for its thread."""
    held, go_on = threading.Event(), threading.Event()

    def wait(unit: ToyUnit) -> None:
        held.set()
        go_on.wait(10)

    def put(unit: ToyUnit) -> None:
        unit.effects.put(Effect("e", "lead", "event", 7))

    busy = [asyncio.create_task(toy.transactions.run(wait)) for _ in range(4)]
    await asyncio.to_thread(held.wait, 10)
    gone = asyncio.create_task(toy.transactions.run(put))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    go_on.set()
    await asyncio.gather(*busy)

    async def there() -> bool:
        return await toy.numbers("lead") == [7]

    await until(there)


@ON_POSTGRESQL
async def test_processes_on_one_database_share_its_clock(toy: Toy) -> None:
    """One whose own clock is wrong says the same as the others."""
    times = Transactions(toy.db, SystemClock(), toy._make)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SystemClock, "now", lambda self: NOW)
        shown = await times.run(lambda unit: unit.now)
    assert abs(shown - datetime.now(UTC)) < timedelta(minutes=1)
    assert await toy.transactions.run(lambda unit: unit.now) == NOW, "but a fixed clock is fixed"


@ON_POSTGRESQL
async def test_transactions_on_one_lead_wait_for_each_other(toy: Toy) -> None:
    """Also on one that does not exist yet, and in whatever order they name several."""
    inside: list[str] = []
    most = 0

    def work(unit: ToyUnit) -> None:
        nonlocal most
        inside.append("x")
        most = max(most, len(inside))
        unit.conn.exec_driver_sql("SELECT pg_sleep(0.02)")  # type: ignore[union-attr]
        inside.pop()

    orders = [["a", "b"], ["b", "a"], ["a"], ["b", "a", "c"]]
    await asyncio.gather(*(toy.transactions.run(work, keys) for keys in orders))
    assert most == 1


async def test_positions_are_kept_per_partition(toy: Toy) -> None:
    batch = Log().deliver(*(captured(f"lead-{n}") for n in range(12)))
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    stored = {(r.topic, r.partition): r.position for r in await toy.rows(consumer_offsets)}
    assert stored == {
        tuple(p): 1 + max(m.offset for m in batch if m.place == p) for p in places(batch)
    }
    assert await toy.db.read(lambda conn: dead_letters.count(conn, consumer.group)) == 0
