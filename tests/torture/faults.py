"""Four faults, each planted into the product by a patch, never in its code.

``python faults.py NAME run capture`` is ``leadloop run capture`` with that fault. Each is a mistake
that is easy to make; slow handlers and slow commits, as on a busy machine, make it show sooner.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final


def offset_before_effect() -> None:
    """The position moves in a transaction of its own, before that of the effects."""
    from shared.bus.api import TopicPartition
    from shared.contracts.envelope import Event, UnreadableEvent
    from shared.db import inbox
    from shared.runtime.consumer import Consumer

    async def apply(self: Consumer[Any], reads: Any) -> None:
        moves = self._moves(reads)
        async with self._transactions.db.write() as conn:
            await inbox.advance(conn, self.group, moves)
        self._positions.update({TopicPartition(*p): new for p, (_, new) in moves.items()})
        await asyncio.sleep(0.1)
        async with self._transactions.begin() as uow:
            garbage = [(m, e) for m, e in reads if isinstance(e, UnreadableEvent)]
            if garbage:
                await self._set_aside(uow, garbage)
            events = [(m, e) for m, e in reads if isinstance(e, Event)]
            if events:
                await self._handle(uow, events)

    Consumer.apply = apply  # type: ignore[method-assign]


def offset_without_compare() -> None:
    """The position moves to where this process has read, wherever it stands by now."""
    from sqlalchemy import update

    from shared.db import inbox
    from shared.db.tables import consumer_offsets
    from shared.runtime.consumer import Consumer

    async def advance(conn: Any, consumer: str, moves: Any) -> None:
        for (topic, partition), (_, new) in moves.items():
            await conn.execute(
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


def relay_by_sequence() -> None:
    """The relay remembers how far it has published and looks only beyond that."""
    from sqlalchemy import select, text

    from shared.db import outbox
    from shared.runtime.unit_of_work import UnitOfWork

    lease, remove = outbox.lease, outbox.remove

    async def lease_with_cursor(conn: Any, owner: str, seconds: float) -> bool:
        await conn.execute(text("CREATE TABLE IF NOT EXISTS relay_cursor (seq bigint)"))
        return await lease(conn, owner, seconds)

    async def take(conn: Any, limit: int) -> Any:
        walked = (await conn.execute(text("SELECT max(seq) FROM relay_cursor"))).scalar_one()
        table = outbox.outbox
        rows = await conn.execute(
            select(table).where(table.c.seq > (walked or 0)).order_by(table.c.seq).limit(limit)
        )
        pending = outbox.Pending
        loads = outbox.orjson.loads
        return [pending(r.seq, r.topic, r.key, loads(r.headers), r.value) for r in rows]

    async def remove_and_remember(conn: Any, seqs: Sequence[int]) -> None:
        await remove(conn, seqs)
        await conn.execute(text("INSERT INTO relay_cursor VALUES (:seq)"), {"seq": max(seqs)})

    flush = UnitOfWork.flush

    async def flush_slowly(self: UnitOfWork) -> None:
        await flush(self)
        if self.emitted:
            await asyncio.sleep(random.choice((0.0, 0.1)))

    outbox.lease, outbox.take, outbox.remove = lease_with_cursor, take, remove_and_remember
    UnitOfWork.flush = flush_slowly  # type: ignore[method-assign]


def no_unique_owner() -> None:
    """No unique index on open assignments, and nobody looks whether the lead has an owner."""
    from sqlalchemy import text

    from deploy import prepare
    from services.routing import consumer
    from services.routing.handlers import handing_out
    from shared.contracts.events import LeadQualified

    migrate, make_lead = prepare.migrate, handing_out._lead
    known: dict[str, int] = {}

    async def migrate_without(db: Any, folder: Any) -> None:
        await migrate(db, folder)
        if db.service == "routing":
            async with db.write() as conn:
                await conn.execute(text("DROP INDEX IF EXISTS assignments_one_owner"))

    def lead(data: Any, now: Any) -> Any:
        # Attempts go on counting: another unique key would refuse a second first one.
        return replace(make_lead(data, now), attempt=known.get(data.lead_id, 0))

    async def on_lead_qualified(event: Any, work: Any, clock: Any) -> None:
        before = work.leads.get(event.data.lead_id)
        known[event.data.lead_id] = before.attempt if before is not None else 0
        get, owner = work.leads.get, work.leads.owner
        work.leads.get = work.leads.owner = lambda _lead_id: None
        try:
            await handing_out.on_lead_qualified(event, work, clock)
        finally:
            work.leads.get, work.leads.owner = get, owner

    prepare.migrate = migrate_without
    handing_out._lead = lead
    consumer.HANDLERS[LeadQualified] = on_lead_qualified  # type: ignore[index]


def slow() -> None:
    """No fault: only the slowness with which the others are planted, and more of it."""
    from shared.db import outbox
    from shared.runtime.consumer import Consumer
    from shared.runtime.unit_of_work import UnitOfWork

    process, flush, remove = Consumer.process, UnitOfWork.flush, outbox.remove

    async def process_slowly(self: Consumer[Any], messages: Any) -> None:
        await asyncio.sleep(random.choice((0.0, 0.3)))
        await process(self, messages)

    async def flush_slowly(self: UnitOfWork) -> None:
        await flush(self)
        if self.emitted:
            await asyncio.sleep(random.choice((0.0, 0.0, 0.1)))

    async def remove_slowly(conn: Any, seqs: Sequence[int]) -> None:
        await asyncio.sleep(random.choice((0.0, 0.2)))
        await remove(conn, seqs)

    outbox.remove = remove_slowly
    Consumer.process = process_slowly  # type: ignore[method-assign]
    UnitOfWork.flush = flush_slowly  # type: ignore[method-assign]


@dataclass(frozen=True)
class Fault:
    """A fault, how the torture gets at it, and what it finds then."""

    plant: Callable[[], None]
    kind: str
    """The kind of finding that names this fault."""
    mode: str
    blows: str = ""
    replicas: int | Mapping[str, int] = 1
    seconds: float = 4.0
    patience: float = 30.0


FAULTS: Final[dict[str, Fault]] = {
    "offset_before_effect": Fault(offset_before_effect, "lost", "embedded"),
    "offset_without_compare": Fault(
        offset_without_compare, "offset", "distributed", "freeze", {"qualify": 2}
    ),
    "relay_by_sequence": Fault(
        relay_by_sequence, "lost", "distributed", "none", {"capture": 2}, patience=8.0
    ),
    "no_unique_owner": Fault(no_unique_owner, "two owners", "embedded"),
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
