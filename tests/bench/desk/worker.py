"""One process that hands leads out: the consumer's own work on events that are there already.

``python -m tests.bench.desk.worker`` reads a JSON line, says ``ready``, waits for a second line,
and prints what it took.
"""

import cProfile
import gc
import pstats
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final, cast

import orjson

from services.routing.consumer import HANDLERS
from services.routing.domain.reps import Leave, Rep, Status
from services.routing.service import MIGRATIONS, NAME
from services.routing.store.unit import Routing
from shared.bus.api import Received
from shared.contracts.envelope import Event, headers_of
from shared.contracts.events import Attribution, Contribution, LeadQualified
from shared.contracts.ids import new_id
from shared.db import inbox, outbox
from shared.db.database import Database
from shared.runtime.clock import SystemClock
from shared.runtime.consumer import Consumer
from shared.runtime.unit import Transactions
from tests.bench.desk.report import opened

TOPIC: Final = LeadQualified.topic
ALWAYS: Final = {
    day: [("00:00", "12:00"), ("12:00", "24:00")]
    for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
}
"""Working hours that have to be looked at, and are always."""
ON_LEAVE: Final = (Leave(date.today() - timedelta(days=3), date.today() + timedelta(days=3)),)


class Watched(Routing):
    """Says how long it waited for others who hand out leads, and how long it kept them waiting."""

    waited: ClassVar[float] = 0.0
    held_since: ClassVar[float] = 0.0

    def lock(self, names: Sequence[str]) -> None:
        began = time.perf_counter()
        super().lock(names)
        if list(names) == ["pool"]:
            Watched.held_since = time.perf_counter()
            Watched.waited += Watched.held_since - began


def staffed(url: str, reps: int, away: int = 0, capacity: int = 1_000_000) -> Database:
    """Routing's database with so many reps of different weights, ``away`` of them on leave."""
    db = opened(url, NAME, MIGRATIONS)
    now = datetime.now(UTC)

    def work(unit: Routing) -> None:
        for number in range(reps):
            unit.reps.put(
                Rep(
                    f"rep-{number:04}", f"Rep {number}", None, 1 + number % 3, capacity,
                    Status.AVAILABLE, "Europe/Berlin", now, hours=ALWAYS,
                    leave=ON_LEAVE if number < away else (),
                )
            )  # fmt: skip

    Transactions(db, SystemClock(), Routing).run_here(work)
    return db


def qualified(number: int, partition: int = 0) -> list[Received]:
    """New MQLs as they come from the bus."""
    return [_received(at, partition) for at in range(number)]


def _received(offset: int, partition: int) -> Received:
    now = datetime.now(UTC)
    data = LeadQualified(
        lead_id=new_id(),
        definition_version=3,
        cycle=1,
        score=65,
        grade="A",
        threshold=50,
        facts={"country": "DE", "employees": 120, "industry": "software", "title": "VP Marketing"},
        attribution=Attribution(utm_source="newsletter"),
        contributions=[
            Contribution(criterion_id="big-company", points=40, because="employees 120"),
            Contribution(criterion_id="form", points=25, because="posted a form"),
        ],
        captured_at=now,
        decided_at=now,
    )
    event = Event.of(data, "qualify", now)
    headers = headers_of(
        event.id, event.type, "qualify", event.stamp(), data.key(), event.traceparent
    )
    return Received(TOPIC, partition, offset, data.key(), event.value(), headers)


def consumer_of(db: Database, held: list[float], partition: int = 0) -> Consumer[Any]:
    """Routing's consumer without a bus: it is handed what it is to handle. ``held`` gets how long
    each transaction had the pool to itself."""
    with db.begin() as conn:
        inbox.positions(conn, NAME, [(TOPIC, partition)])
    transactions = Transactions(db, SystemClock(), Watched)

    def told(rows: Sequence[outbox.Row]) -> None:
        held.append(time.perf_counter() - Watched.held_since)

    transactions.told = told
    return Consumer(NAME, [TOPIC], HANDLERS, transactions, cast(Any, None))


def main() -> None:
    asked = orjson.loads(sys.stdin.readline())
    db = Database.open(asked["url"], NAME)
    held: list[float] = []
    consumer = consumer_of(db, held, asked["partition"])
    messages, batch = qualified(asked["leads"], asked["partition"]), asked["batch"]
    print("ready", flush=True)
    sys.stdin.readline()
    profile = cProfile.Profile() if asked.get("profile") else None
    if profile:
        profile.enable()
    gc.freeze()  # as the product does
    gc.set_threshold(20_000, 20, 20)
    began, used = time.perf_counter(), time.process_time()
    for start in range(0, len(messages), batch):
        consumer.process_here(messages[start : start + batch])
    ended = time.perf_counter()
    if profile:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(45)
    told = {
        "began": began,
        "ended": ended,
        "waited": Watched.waited,
        "held": sum(held),
        "processor": time.process_time() - used,
    }
    print(orjson.dumps(told).decode(), flush=True)
    db.close()


if __name__ == "__main__":
    main()
