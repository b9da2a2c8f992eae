"""Routing with its streams, and somebody who hands leads out: a process of its own.

``python -m tests.bench.desk.inboxes`` reads a JSON line, says ``ready`` once it serves, and for
each further line hands so many leads out; it prints when each was committed.
"""

import asyncio
import gc
import sys
import time
from typing import Any

import orjson
import uvicorn

from services.routing.consumer import HANDLERS
from services.routing.http.stream import Changes
from services.routing.service import NAME, build
from services.routing.settings import Settings
from services.routing.store.unit import Routing
from shared.access import Access
from shared.bus.local import LocalBus
from shared.contracts.envelope import Event, decode
from shared.db.database import Database
from shared.runtime.clock import SystemClock
from shared.runtime.consumer import Consumer
from shared.runtime.service import Infra
from shared.runtime.unit import Transactions
from shared.web.links import Links
from tests.bench.desk.worker import qualified


async def serve(asked: dict[str, Any]) -> None:
    """Until standard input ends."""
    db = Database.open(asked["url"], NAME)
    async with Access.open(asked["url"], admin_key=asked["key"]) as access:
        bus = LocalBus(lambda _: db)
        service = build(Settings(), Infra(db, bus, access, SystemClock(), Links()))
        hub = next(part for part in service.parts if isinstance(part, Changes))
        consumer = next(part for part in service.parts if isinstance(part, Consumer))
        config = uvicorn.Config(
            service.app, port=asked["port"], lifespan="off", log_level="error", backlog=2048
        )
        server = uvicorn.Server(config)
        await hub.start()
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        sys.setswitchinterval(0.0005)
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            committed = await hand_out(consumer._transactions, **orjson.loads(line))
            print(orjson.dumps(committed).decode(), flush=True)
        server.should_exit = True
        await hub.stop()
        await serving
    db.close()


async def hand_out(
    transactions: Transactions[Routing], leads: int, at_once: int, every: float
) -> dict[str, float]:
    """Some leads in a transaction, and again after so many seconds; returns by lead when it was
    committed, on the clock that all processes of the machine share."""
    events = [decode(one.headers, one.value or b"") for one in qualified(leads)]
    committed: dict[str, float] = {}
    for start in range(0, leads, at_once):
        began = time.perf_counter()
        part = events[start : start + at_once]
        moment: list[float] = []
        transactions.told = lambda rows: moment.append(time.perf_counter())  # noqa: B023
        await transactions.run(lambda unit: _handle(unit, part), [one.data.key() for one in part])  # noqa: B023
        committed |= {one.data.key(): moment[-1] for one in part}
        await asyncio.sleep(max(0.0, every - (time.perf_counter() - began)))
    return committed


def _handle(unit: Routing, events: list[Event[Any]]) -> None:
    for event in events:
        HANDLERS[type(event.data)](event, unit)


if __name__ == "__main__":
    asyncio.run(serve(orjson.loads(sys.stdin.readline())))
