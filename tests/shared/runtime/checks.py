"""Checks that hold for the real runtime, and must fail for one with a planted fault."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from shared.bus.api import Bus, Message
from shared.db import inbox, outbox
from shared.runtime.consumer import Consumer
from shared.runtime.relay import Relay
from tests.shared.toy.service import NOW, Log, Toy, captured, places
from tests.shared.toy.waiting import until


class Crash(TimeoutError):
    """A failure that says nothing about the event: the process might as well have died here."""


CRASH_POINTS = ("advance", "fresh", "prefetch", "handler", "save", "outbox", "commit")


def plant_crash(point: str, toy: Toy, patch: pytest.MonkeyPatch) -> None:
    """Fail right after this step of the transaction did its work."""

    def after(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def crashing(*args: Any, **named: Any) -> Any:
            await real(*args, **named)
            raise Crash

        return crashing

    match point:
        case "advance" | "fresh":
            patch.setattr(inbox, point, after(getattr(inbox, point)))
        case "outbox":
            patch.setattr(outbox, "add", after(outbox.add))
        case "prefetch" | "save":
            from tests.shared.toy.service import ToyUnit

            patch.setattr(ToyUnit, point, after(getattr(ToyUnit, point)))
        case "handler":

            async def fail(*_: Any) -> None:
                raise Crash

            patch.setattr(toy, "during", fail)
        case "commit":
            engine = toy.db._writer.sync_engine

            def refused(_connection: Any) -> None:
                event.remove(engine, "commit", refused)
                raise Crash

            event.listen(engine, "commit", refused)


async def check_that_a_crash_leaves_all_or_nothing(
    toy: Toy, point: str, kind: type[Consumer[Any]] = Consumer
) -> None:
    """Crash at the point, look, then let it run again: nothing, then everything once."""
    batch = Log().deliver(*(captured(f"lead-{n % 3}", n) for n in range(9)))
    consumer = toy.consumer(kind=kind)
    await consumer._load(places(batch))
    with pytest.MonkeyPatch.context() as patch:
        plant_crash(point, toy, patch)
        with pytest.raises(Crash):
            await consumer.process(batch)
    after_crash = await toy.counts()
    assert after_crash == {"effects": 0, "inbox": 0, "outbox": 0, "dead_letters": 0, "read": 0}
    again = toy.consumer(kind=kind)
    await again._load(places(batch))
    await again.process([m for m in batch if m.offset >= again._positions[m.place]])
    done = await toy.counts()
    assert done == {"effects": 9, "inbox": 9, "outbox": 9, "dead_letters": 0, "read": 9}


class Recorder:
    """A bus that takes everything and remembers it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, messages: Any) -> None:
        self.messages.extend(messages)

    @property
    def ids(self) -> list[str]:
        return [m.headers["ce_id"] for m in self.messages]


async def check_that_a_late_commit_is_published(toy: Toy, kind: type[Relay] = Relay) -> None:
    """A lower sequence number becomes visible after a higher one has been published."""
    late, early = captured("late"), captured("early")
    recorder = Recorder()
    bus: Any = recorder
    assert isinstance(bus, object)
    typed: Bus = bus
    relay = kind("qualify", toy.db, typed, toy.transactions.woken)
    async with toy.db.write() as slow:
        await outbox.add(slow, "qualify", [late], NOW)  # takes the lower number
        async with toy.db.write() as quick:
            await outbox.add(quick, "qualify", [early], NOW)
        await relay.start()
        await until(lambda: early.id in recorder.ids)
        assert late.id not in recorder.ids
    try:
        await until(lambda: late.id in recorder.ids, seconds=3)
        await until(lambda: _empty(toy), seconds=3)
    finally:
        await relay.stop()
    assert recorder.ids == [early.id, late.id]


async def _empty(toy: Toy) -> bool:
    await asyncio.sleep(0)
    return (await toy.counts())["outbox"] == 0
