"""Outbox → broker: publishes what was committed, in order, at least once."""

import asyncio
import logging
import time
from collections.abc import Sequence

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from shared.bus.api import Broker, BusUnavailable, Message, MissingTopics
from shared.contracts.envelope import UnreadableEvent
from shared.contracts.ids import new_id
from shared.db import dead_letters, outbox
from shared.db.database import Database, database_now
from shared.runtime import failpoints
from shared.runtime.consumer import DEAD
from shared.runtime.parts import Loop
from shared.runtime.unit import lock

log = logging.getLogger(__name__)

PUBLISHED = Counter("leadloop_relay_published_total", "Events published", ["service"])
BATCH = Gauge("leadloop_relay_batch", "Events in the newest batch", ["service"])


class Wake:
    """A flag that one waiter consumes: set means there is work. Any thread may set it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self) -> None:
        """Say that there is work."""
        if self._loop is None or self._loop.is_closed():
            self._event.set()
        else:
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout: float) -> bool:
        """Wait until set or ``timeout`` seconds have passed; clears the flag."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Relay(Loop):
    """The one relay of a service's outbox that publishes at a time.

    A lease in the database names it; the others stand by and take over when it lapses, or at once
    when it stops in good order. A row leaves the outbox only after the broker's acknowledgement,
    so a crash in between publishes it again, under the same event id. Reading the table rather
    than being handed rows in memory keeps the order per key even when several processes write:
    ``docs/adr/0003`` has the reasoning.

    A row that the broker refuses for good becomes a dead letter of ``<service>.relay``, and later
    rows of its topic and key are parked behind it: it never stops the others.
    """

    LEASE_SECONDS = 6.0

    def __init__(self, service: str, db: Database, broker: Broker, *, limit: int = 1000) -> None:
        super().__init__(f"{service}.relay", fatal=(MissingTopics,))
        self.group = f"{service}.relay"
        self.woken = Wake()
        self._service = service
        self._db = db
        self._broker = broker
        self._most = limit
        self._limit = limit
        self._owner = new_id()
        self._leased_until = 0.0
        # Another process may write too, except to SQLite, whose rows always wake this relay.
        self._poll_seconds = 1.0 if db.dialect == "sqlite" else 0.05

    async def step(self) -> None:
        if not await self._leased():
            await self.pause(0.5)
            return
        free, behind = await self._db.read(self._sorted)
        self.healthy()
        if behind:
            await self._db.write(lambda conn: self._park(conn, behind))
        if free:
            failpoints.reached("before-publish", self._service)
            await self._publish_and_remove(free)
            self._limit = min(self._limit + self._limit // 4 + 1, self._most)
        elif not behind:
            await self.woken.wait(self._poll_seconds)

    def take(self, conn: Connection) -> list[outbox.Row]:
        """The oldest rows that are there."""
        return outbox.take(conn, self._limit)

    async def _publish_and_remove(self, free: Sequence[outbox.Row]) -> None:
        try:
            await self._publish(
                [Message(r.topic, r.key, r.bytes(), r.headers(self._service)) for r in free]
            )
        except ValueError as refused:
            await self._find_refused(free, refused)
            return
        failpoints.reached("published-not-removed", self._service)
        await self._db.write(lambda conn: outbox.remove(conn, [row.seq for row in free]))
        failpoints.reached("removed", self._service)
        PUBLISHED.labels(self._service).inc(len(free))
        BATCH.labels(self._service).set(len(free))

    async def _find_refused(self, rows: Sequence[outbox.Row], refused: ValueError) -> None:
        """Halve until the row that the broker refuses stands alone, and set it aside. Whatever
        comes after that row is left for the next step, which finds what waits behind it."""
        if len(rows) > 1:
            await self._publish_and_remove(rows[: len(rows) // 2])
            return
        await self._db.write(lambda conn: self._set_aside(conn, rows[0], str(refused)))
        log.error("%s: the broker refuses an event: set aside", self.name)
        DEAD.labels(self.group).inc()

    def _sorted(self, conn: Connection) -> tuple[list[outbox.Row], list[outbox.Row]]:
        """The oldest rows that may go, and those that wait behind one that was refused.

        What is refused is asked first. The other way round a replay could come in between: rows
        that waited would seem to be free, and go before what is put back in front of them.
        """
        refused = dead_letters.waiting(conn, self.group)
        rows: tuple[list[outbox.Row], list[outbox.Row]] = ([], [])
        for row in self.take(conn):
            rows[dead_letters.stored_key(_name(row)) in refused].append(row)
        return rows

    def _park(self, conn: Connection, rows: Sequence[outbox.Row]) -> None:
        # Asked again where it counts: a replay may have cleared the way meanwhile.
        blocked = dead_letters.blocked(conn, self.group, {_name(row) for row in rows})
        waiting = [row for row in rows if _name(row) in blocked]
        now = database_now(conn)
        dead_letters.park(conn, self.group, [self._letter(row) for row in waiting], now)
        outbox.remove(conn, [row.seq for row in waiting])

    def _set_aside(self, conn: Connection, row: outbox.Row, why: str) -> None:
        letter = self._letter(row)
        dead_letters.add(conn, self.group, [(letter, UnreadableEvent(why))], database_now(conn))
        outbox.remove(conn, [row.seq])

    def _letter(self, row: outbox.Row) -> dead_letters.Unpublished:
        return dead_letters.Unpublished(
            row.topic, row.seq, _name(row), row.bytes(), row.headers(self._service)
        )

    async def replay(self, letter: dead_letters.DeadLetter) -> None:
        """Queue a letter again, with all others of its key: those left would make it wait anew,
        behind them. Does nothing about one that was queued with an earlier one."""

        def again(conn: Connection) -> None:
            # Who writes events of this key just now does so before this or behind it.
            lock(conn, self._service, [letter.headers["ce_subject"]])
            letters = dead_letters.of_key(conn, self.group, letter.key)
            for one in letters:
                dead_letters.remove(conn, one.id)
            outbox.put_back(conn, letters)

        await self._db.write(again)
        self.woken.set()

    async def _publish(self, messages: list[Message]) -> None:
        """Publish, but for no longer than the lease lasts: after it another relay may be at it,
        and what arrived late would stand behind what is newer."""
        try:
            async with asyncio.timeout(self._leased_until - time.monotonic()):
                await self._broker.publish(messages)
        except TimeoutError:
            # Large events and a slow broker: what never fits into a lease would be tried for ever.
            self._limit = max(1, self._limit // 2)
            raise BusUnavailable("the broker did not confirm while the lease lasted") from None

    async def stop(self) -> None:
        self.stopping.set()
        self.woken.set()
        await super().stop()

    async def close(self) -> None:
        if self._leased_until:
            await self._db.write(lambda conn: outbox.release(conn, self._owner))

    async def _leased(self) -> bool:
        """Hold the lease with at least half of it ahead, so that no publish outlasts it."""
        now = time.monotonic()
        if now < self._leased_until - self.LEASE_SECONDS / 2:
            return True
        held = await self._db.write(
            lambda conn: outbox.lease(conn, self._owner, self.LEASE_SECONDS)
        )
        failpoints.reached("lease-taken", self._service)
        self._leased_until = now + self.LEASE_SECONDS if held else 0.0
        return held


def _name(row: outbox.Row) -> str:
    """What must keep its order: a key within its topic."""
    return f"{row.topic} {row.key}"
