"""Checks that hold for the real runtime, and must fail for one with a planted fault."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from shared.bus.api import Message
from shared.db import inbox, outbox
from shared.runtime.consumer import Consumer
from shared.runtime.relay import Relay
from tests.shared.toy.service import NOW, Log, Toy, ToyUnit, captured, places
from tests.shared.toy.waiting import until


class Crash(TimeoutError):
    """A failure that says nothing about the event: the process might as well have died here."""


CRASH_POINTS = ("advance", "fresh", "load", "handler", "write", "outbox", "commit")


def plant_crash(point: str, toy: Toy, patch: pytest.MonkeyPatch) -> None:
    """Make the transaction fail right after this step; ``commit``: instead of committing."""

    def after(real: Callable[..., Any]) -> Callable[..., Any]:
        def crashing(*args: Any, **named: Any) -> Any:
            real(*args, **named)
            raise Crash

        return crashing

    match point:
        case "advance" | "fresh":
            patch.setattr(inbox, point, after(getattr(inbox, point)))
        case "outbox":
            patch.setattr(outbox, "add", after(outbox.add))
        case "load" | "write":
            patch.setattr(ToyUnit, point, after(getattr(ToyUnit, point)))
        case "handler":
            patch.setattr(toy, "during", after(lambda *_: None))
        case "commit":
            engine = toy.db._writer

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
    """A broker that takes everything and remembers it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, messages: Any) -> None:
        self.messages.extend(messages)

    @property
    def ids(self) -> list[str]:
        return [m.headers["ce_id"] for m in self.messages]


def relay_of(toy: Toy, broker: Any, kind: type[Relay] = Relay, **options: Any) -> Relay:
    """A relay of the toy's outbox that each of its commits wakes."""
    relay = kind("qualify", toy.db, broker, **options)
    toy.transactions.told = lambda rows: relay.woken.set()
    return relay


async def check_that_a_late_commit_is_published(toy: Toy, kind: type[Relay] = Relay) -> None:
    """A lower sequence number becomes visible after a higher one has been published."""
    late, early = captured("late"), captured("early")
    recorder = Recorder()
    relay = relay_of(toy, recorder, kind)
    with toy.db.begin() as slow:
        outbox.add(slow, "qualify", [late], NOW)  # takes the lower number
        with toy.db.begin() as quick:
            outbox.add(quick, "qualify", [early], NOW)
        await relay.start()
        await until(lambda: early.id in recorder.ids)
        assert late.id not in recorder.ids
    try:
        await until(lambda: late.id in recorder.ids, seconds=3)
        await until(lambda: empty(toy), seconds=3)
    finally:
        await relay.stop()
    assert recorder.ids == [early.id, late.id]


async def empty(toy: Toy) -> bool:
    """Whether nothing waits in the toy's outbox."""
    await asyncio.sleep(0)
    return (await toy.counts())["outbox"] == 0


async def check_that_nothing_leaves_the_outbox_unconfirmed(
    toy: Toy, broker: Any, kind: type[Relay] = Relay
) -> None:
    """``broker`` fails its first publishes (``failures``), then takes everything."""
    events = [captured("lead", n) for n in range(5)]
    with toy.db.begin() as conn:
        outbox.add(conn, "qualify", events, NOW)
    relay = relay_of(toy, broker, kind)
    await relay.start()
    try:
        await until(lambda: broker.failures < 2)
        if broker.failures:
            assert (await toy.counts())["outbox"] == 5
        await until(lambda: empty(toy))
        await until(lambda: not broker.failures)
        assert await relay.check() is None
    finally:
        await relay.stop()
    assert list(dict.fromkeys(broker.ids)) == [event.id for event in events]
