"""Faults, each planted into the product by a patch, never in its code.

``python faults.py NAME run capture`` is ``leadloop run capture`` with that fault. Each is a mistake
that is easy to make; slow handlers and slow commits, as on a busy machine, make it show sooner.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final


def offset_before_effect() -> None:
    """The position moves in a transaction of its own, before that of the effects."""
    from shared.contracts.envelope import Event, UnreadableEvent
    from shared.db import inbox
    from shared.runtime.consumer import Consumer

    def apply(self: Consumer[Any], reads: Any) -> None:
        moves = self._moves(reads)
        with self._transactions.db.begin() as conn:
            inbox.advance(conn, self.group, moves)
        self._moved(moves)
        time.sleep(0.1)
        with self._transactions.begin() as unit:
            garbage = [(m, e) for m, e in reads if isinstance(e, UnreadableEvent)]
            if garbage:
                self._set_aside(unit, garbage)
            events = [(m, e) for m, e in reads if isinstance(e, Event)]
            if events:
                self._handle(unit, events)

    Consumer.apply = apply  # type: ignore[method-assign]


def offset_without_compare() -> None:
    """The position moves to where this process has read, wherever it stands by now."""
    from sqlalchemy import update

    from shared.db import inbox
    from shared.db.tables import consumer_offsets
    from shared.runtime.consumer import Consumer

    def advance(conn: Any, consumer: str, moves: Any) -> None:
        for (topic, partition), (_, new) in moves.items():
            conn.execute(
                update(consumer_offsets)
                .where(consumer_offsets.c.consumer == consumer)
                .where(consumer_offsets.c.topic == topic)
                .where(consumer_offsets.c.partition == partition)
                .values(position=new)
            )

    process = Consumer.process

    async def slowly(self: Consumer[Any], messages: Any) -> None:
        await asyncio.sleep(0.3)
        await process(self, messages)

    inbox.advance = advance
    Consumer.process = slowly  # type: ignore[method-assign]


def positions_past_unread() -> None:
    """Whoever gets a partition reads on one message behind where the database says."""
    from shared.runtime.consumer import Consumer

    load, process = Consumer._load, Consumer.process

    async def load_further(self: Consumer[Any], places: Any) -> Any:
        return {place: at + 1 for place, at in (await load(self, places)).items()}

    async def slowly(self: Consumer[Any], messages: Any) -> None:
        await asyncio.sleep(0.4)
        await process(self, messages)

    Consumer._load = load_further  # type: ignore[method-assign]
    Consumer.process = slowly  # type: ignore[method-assign]


def relay_by_sequence() -> None:
    """The relay remembers how far it has published and looks only beyond that."""
    from sqlalchemy import text

    from shared.db import outbox

    lease, remove = outbox.lease, outbox.remove

    def lease_with_cursor(conn: Any, owner: str, seconds: float) -> bool:
        conn.execute(text("CREATE TABLE IF NOT EXISTS relay_cursor (seq bigint)"))
        return lease(conn, owner, seconds)

    def take(conn: Any, limit: int) -> Any:
        walked = conn.execute(text("SELECT max(seq) FROM relay_cursor")).scalar_one()
        names = ", ".join(outbox.Row._fields)
        rows = conn.execute(
            text(f"SELECT {names} FROM outbox WHERE seq > :seq ORDER BY seq LIMIT :limit"),
            {"seq": walked or 0, "limit": limit},
        )
        return [outbox.Row(*row) for row in rows]

    def remove_and_remember(conn: Any, seqs: Sequence[int]) -> None:
        remove(conn, seqs)
        conn.execute(text("INSERT INTO relay_cursor VALUES (:seq)"), {"seq": max(seqs)})

    add = outbox.add

    def add_slowly(conn: Any, service: str, events: Any, now: Any) -> Any:
        rows = add(conn, service, events, now)
        if events:
            time.sleep(random.choice((0.0, 0.1)))
        return rows

    outbox.lease, outbox.take, outbox.remove = lease_with_cursor, take, remove_and_remember
    outbox.add = add_slowly


def removed_before_published() -> None:
    """The relay takes rows out of the outbox before the broker has confirmed them."""
    from shared.bus.api import Message
    from shared.db import outbox
    from shared.runtime.relay import Relay

    async def publish_and_remove(self: Any, free: Any) -> None:
        await self._db.write(lambda conn: outbox.remove(conn, [row.seq for row in free]))
        await asyncio.sleep(0.1)
        await self._publish(
            [Message(r.topic, r.key, r.bytes(), r.headers(self._service)) for r in free]
        )

    Relay._publish_and_remove = publish_and_remove  # type: ignore[method-assign]


def answered_before_commit() -> None:
    """Capture answers when the work is done, and commits a moment later."""
    from shared.runtime.unit import Transactions

    run = Transactions.run

    async def run_and_answer(self: Any, work: Any, keys: Any = ()) -> Any:
        if self.db.service != "capture":
            return await run(self, work, keys)
        loop = asyncio.get_running_loop()
        early: asyncio.Future[Any] = loop.create_future()

        def working(unit: Any) -> Any:
            answer = work(unit)
            loop.call_soon_threadsafe(early.set_result, answer)
            time.sleep(0.15)
            return answer

        whole = asyncio.ensure_future(run(self, working, keys))
        await asyncio.wait({whole, early}, return_when=asyncio.FIRST_COMPLETED)
        return early.result() if early.done() else await whole

    Transactions.run = run_and_answer  # type: ignore[method-assign]


def no_unique_owner() -> None:
    """No unique index on open assignments, and nobody looks whether the lead has an owner."""
    from sqlalchemy import text

    from services.routing import consumer
    from services.routing.handlers import handing_out
    from shared.contracts.events import LeadQualified
    from shared.db import migrations

    migrate, make_lead = migrations.migrate, handing_out._lead
    known: dict[str, int] = {}

    def migrate_without(db: Any, folder: Any) -> None:
        migrate(db, folder)
        if db.service == "routing":
            with db.begin() as conn:
                conn.execute(text("DROP INDEX IF EXISTS assignments_one_owner"))

    def lead(data: Any, now: Any) -> Any:
        # Attempts go on counting: another unique key would refuse a second first one.
        return replace(make_lead(data, now), attempt=known.get(data.lead_id, 0))

    def on_lead_qualified(event: Any, unit: Any) -> None:
        before = unit.leads.get(event.data.lead_id)
        known[event.data.lead_id] = before.attempt if before is not None else 0
        get, owner = unit.leads.get, unit.owner
        unit.leads.get = unit.owner = lambda _lead_id: None
        try:
            handing_out.on_lead_qualified(event, unit)
        finally:
            unit.leads.get, unit.owner = get, owner

    migrations.migrate = migrate_without
    handing_out._lead = lead
    consumer.HANDLERS[LeadQualified] = on_lead_qualified  # type: ignore[index]


def waits_nowhere() -> None:
    """A lead whose last attempt ran out is told as waiting, and kept nowhere."""
    from services.routing.handlers import handing_out

    unroute = handing_out._unroute

    def unroute_and_forget(unit: Any, lead: Any, *rest: Any) -> Any:
        unroute(unit, lead, *rest)
        return lead

    handing_out._unroute = unroute_and_forget


def a_move_is_a_miss() -> None:
    """Whoever gives a lead away in time is said to have missed the deadline."""
    from services.routing.handlers import handing_out
    from shared.contracts.events import SlaBreached

    end = handing_out._end

    def end_and_tell(unit: Any, before: Any, cause: Any) -> None:
        end(unit, before, cause)
        names = ("lead_id", "assignment_id", "rep_id", "attempt", "cycle", "due_at")
        known = {name: getattr(before, name) for name in names}
        unit.emit(SlaBreached(**known, breached_at=unit.now))

    handing_out._end = end_and_tell


def slow() -> None:
    """No fault: only the slowness with which the others are planted, and more of it."""
    from shared.db import outbox
    from shared.runtime.consumer import Consumer

    process, add, remove = Consumer.process, outbox.add, outbox.remove

    async def process_slowly(self: Consumer[Any], messages: Any) -> None:
        await asyncio.sleep(random.choice((0.0, 0.3)))
        await process(self, messages)

    def add_slowly(conn: Any, service: str, events: Any, now: Any) -> Any:
        rows = add(conn, service, events, now)
        if events:
            time.sleep(random.choice((0.0, 0.0, 0.1)))
        return rows

    def remove_slowly(conn: Any, seqs: Sequence[int]) -> None:
        time.sleep(random.choice((0.0, 0.2)))
        remove(conn, seqs)

    outbox.remove, outbox.add = remove_slowly, add_slowly
    Consumer.process = process_slowly  # type: ignore[method-assign]


@dataclass(frozen=True)
class Fault:
    """A fault, how the torture gets at it, and what it finds then."""

    plant: Callable[[], None]
    kinds: frozenset[str]
    """The kinds of finding that name this fault."""
    mode: str
    blows: str = ""
    replicas: int | Mapping[str, int] = 1
    seconds: float = 4.0
    patience: float = 30.0


FAULTS: Final[dict[str, Fault]] = {
    "offset_before_effect": Fault(offset_before_effect, frozenset({"lost"}), "embedded"),
    "positions_past_unread": Fault(
        # What is passed over decides: a lead or an answer, or only the stage that it led to.
        positions_past_unread,
        frozenset({"lost", "stages"}),
        "embedded",
        patience=8.0,
    ),
    "answered_before_commit": Fault(answered_before_commit, frozenset({"lost"}), "embedded"),
    "removed_before_published": Fault(
        removed_before_published, frozenset({"lost"}), "distributed", patience=8.0
    ),
    "offset_without_compare": Fault(
        offset_without_compare, frozenset({"offset"}), "distributed", "freeze", {"qualify": 2}
    ),
    "relay_by_sequence": Fault(
        relay_by_sequence, frozenset({"lost"}), "distributed", "none", {"capture": 2}, patience=8.0
    ),
    "waits_nowhere": Fault(waits_nowhere, frozenset({"forgotten"}), "embedded", "none"),
    "a_move_is_a_miss": Fault(a_move_is_a_miss, frozenset({"no miss"}), "embedded", "none"),
    "no_unique_owner": Fault(no_unique_owner, frozenset({"two owners"}), "embedded"),
}


SLOW: Final = "slow"
"""The name of ``slow`` where a fault's name is expected."""


def command(name: str) -> list[str]:
    """What stands for ``leadloop`` when this fault is planted."""
    return [sys.executable, str(Path(__file__).absolute()), name]


def main() -> None:
    """Plant the fault that the first argument names, and be ``leadloop`` for the rest."""
    name = sys.argv.pop(1)
    slow() if name == SLOW else FAULTS[name].plant()
    from deploy.cli import main as leadloop

    leadloop()


if __name__ == "__main__":
    main()
