"""A unit of work: what a handler sees of one transaction. It loads, decides, changes, emits.

The whole transaction is one synchronous call on a worker thread: ``Transactions.run`` loads the
rows of the keys, calls the handler with the unit, and writes the differences and the events.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from zlib import crc32

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shared.contracts.envelope import Event
from shared.contracts.events import EventData
from shared.db import outbox
from shared.db.aggregates import Aggregate
from shared.db.database import Database, database_now
from shared.db.errors import Conflict
from shared.db.rows import Rows
from shared.db.statements import Statement
from shared.runtime import failpoints
from shared.runtime.clock import Clock, SystemClock

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_LOCKS = 1 << 20
_LOCK = Statement(
    "SELECT count(pg_advisory_xact_lock(:space, value::integer)) "
    "FROM jsonb_array_elements_text(CAST(:locks AS jsonb))"
)
ATTEMPTS = 3
"""How often a transaction is tried that others were faster than."""


class Unit:
    """One transaction of a service, which subclasses it and names its aggregates with ``rows``.

    Without a connection it is plain memory: that is how handlers are tested.
    """

    service: ClassVar[str]

    def __init__(self, now: datetime, conn: Connection | None = None) -> None:
        self.now = now
        """The time of this transaction, on the clock that all processes of the service share."""
        self.conn = conn
        self.events: list[Event[Any]] = []
        self._rows: list[Rows[Any]] = []
        self._after_commit: list[Callable[[], None]] = []

    def rows(self, aggregate: Aggregate[T]) -> Rows[T]:
        """The rows of an aggregate. They are written in the order in which they were named."""
        rows = Rows(aggregate, self.conn)
        self._rows.append(rows)
        return rows

    def load(self, keys: Sequence[str]) -> None:
        """Lock these keys (lead ids, mostly) and read what there is of them, at once."""
        self.lock(keys)
        for rows in self._rows:
            rows.load(keys)

    def lock(self, names: Sequence[str]) -> None:
        """Make others who want these names wait until this transaction ends."""
        if self.conn is not None:
            lock(self.conn, self.service, names)

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]:
        """Queue an event; it is published if and only if this transaction commits."""
        event = Event.of(data, self.service, at or self.now)
        self.events.append(event)
        return event

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this on the event loop once the effects are visible to others; never when they are
        rolled back."""
        self._after_commit.append(call)

    def warn(self, text: str, *values: object) -> None:
        """Log this once it is true: after the commit, however often it was tried. No value may be
        personal."""
        self.after_commit(partial(log.warning, text, *values))

    def write(self) -> None:
        """Write the differences of every aggregate, in bulk."""
        for rows in self._rows:
            rows.write()

    def committed(self) -> None:
        """Make the calls that waited for the commit."""
        for call in self._after_commit:
            call()


def lock(conn: Connection, service: str, names: Sequence[str]) -> None:
    """Make a service's other transactions that want these names wait until this one ends.

    What does not exist yet has no row to lock, so names are locked, in ascending order, so that two
    never wait for each other. SQLite has one writer and needs none.
    """
    if names and conn.dialect.name == "postgresql":
        locks = sorted({crc32(name.encode()) % _LOCKS for name in names})
        _LOCK.run(conn, space=crc32(service.encode()) >> 1, locks=locks)


U = TypeVar("U", bound=Unit)


class Committed(Protocol):
    """Told, on the writing thread, what has just become durable."""

    def __call__(self, rows: Sequence[outbox.Row]) -> None: ...


class Transactions(Generic[U]):
    """Makes a service's units of work. ``told`` hears of every commit that left events behind."""

    def __init__(
        self, db: Database, clock: Clock, make: Callable[[datetime, Connection], U]
    ) -> None:
        self.db = db
        self.clock = clock
        self.told: Committed = lambda rows: None
        self._make = make
        self._here = threading.local()

    async def run(self, work: Callable[[U], R], keys: Sequence[str] = ()) -> R:
        """One transaction: load ``keys``, ``work``, write, events, COMMIT, on one worker thread.

        When somebody else was faster (Conflict, or an insert of a taken key) it is done again from
        the start. Once handed in it is carried out, whether the caller still waits or not.
        """
        return await self.on_writer(lambda: self.run_here(work, keys))

    async def on_writer(self, work: Callable[[], R]) -> R:
        """Run ``work``, which begins its own transactions, on a thread for writing."""
        loop = asyncio.get_running_loop()

        def whole() -> R:
            self._here.loop = loop
            return work()

        return await self.db.on_writer(whole)

    def run_here(self, work: Callable[[U], R], keys: Sequence[str] = ()) -> R:
        """``run`` on the thread of the caller, which blocks meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.begin(keys) as unit:
                    return work(unit)
            except (Conflict, IntegrityError):
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def begin(self, keys: Sequence[str] = ()) -> Iterator[U]:
        """One transaction around the block, on the thread of the caller."""
        with self.db.begin() as conn:
            unit = self._make(self._now(conn), conn)
            if keys:
                unit.load(keys)
            yield unit
            unit.write()
            rows = outbox.add(conn, unit.service, unit.events, unit.now)
            failpoints.reached("before-commit", unit.service)
        failpoints.reached("after-commit", unit.service)
        if unit.events:
            self.told(rows)
        if unit._after_commit:
            self._on_loop(unit.committed)

    def _now(self, conn: Connection) -> datetime:
        """Processes that share a PostgreSQL share its clock; any other clock is asked itself."""
        if conn.dialect.name == "postgresql" and isinstance(self.clock, SystemClock):
            return database_now(conn)
        return self.clock.now()

    def _on_loop(self, call: Callable[[], None]) -> None:
        loop: asyncio.AbstractEventLoop | None = getattr(self._here, "loop", None)
        if loop is None or loop.is_closed():
            call()
        else:
            loop.call_soon_threadsafe(call)
