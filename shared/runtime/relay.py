"""Outbox → bus: publishes what was committed, in order, at least once."""

import asyncio
import time

from prometheus_client import Counter, Gauge

from shared.bus.api import Bus, BusUnavailable, Message, MissingTopics
from shared.db import outbox
from shared.db.engine import Database
from shared.runtime.clock import new_id
from shared.runtime.parts import PACE_SECONDS, Loop, Pace
from shared.runtime.unit_of_work import Wake

PUBLISHED = Counter("leadloop_relay_published_total", "Events published", ["service"])
BATCH = Gauge("leadloop_relay_batch", "Events in the newest batch", ["service"])


class Relay(Loop):
    """The one relay of a service's outbox that publishes at a time.

    A lease in the database names it; the others stand by and take over when it lapses, or at once
    when it stops in good order. A row leaves the outbox only after the broker's acknowledgement,
    so a crash in between publishes it again, under the same event id. Reading the table rather
    than being handed rows in memory keeps the order per key even when several processes write:
    ``docs/adr/0003`` has the reasoning.
    """

    LEASE_SECONDS = 6.0

    def __init__(
        self, service: str, db: Database, bus: Bus, woken: Wake, *, limit: int = 1000
    ) -> None:
        super().__init__(f"{service}.relay", fatal=(MissingTopics,))
        self._service = service
        self._db = db
        self._bus = bus
        self._woken = woken
        self._pace = Pace(PACE_SECONDS)
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
        await self._pace.turn()
        batch = await self.take()
        self.healthy()
        if not batch:
            await self._woken.wait(self._poll_seconds)
            return
        self._pace.begin(full=len(batch) >= self._limit)
        await self._publish([Message(r.topic, r.key, r.value, r.headers) for r in batch])
        async with self._db.write() as conn:
            await outbox.remove(conn, [row.seq for row in batch])
        self._limit = min(self._limit + self._limit // 4 + 1, self._most)
        PUBLISHED.labels(self._service).inc(len(batch))
        BATCH.labels(self._service).set(len(batch))

    async def take(self) -> list[outbox.Pending]:
        """The next rows to publish."""
        async with self._db.read() as conn:
            return await outbox.take(conn, self._limit)

    async def _publish(self, messages: list[Message]) -> None:
        """Publish, but for no longer than the lease lasts: after it another relay may be at it,
        and what arrived late would stand behind what is newer."""
        try:
            async with asyncio.timeout(self._leased_until - time.monotonic()):
                await self._bus.publish(messages)
        except TimeoutError:
            # Large events and a slow broker: what never fits into a lease would be tried for ever.
            self._limit = max(1, self._limit // 2)
            raise BusUnavailable("the broker did not confirm while the lease lasted") from None

    async def stop(self) -> None:
        self._woken.set()
        await super().stop()

    async def close(self) -> None:
        if self._leased_until:
            async with self._db.write() as conn:
                await outbox.release(conn, self._owner)

    async def _leased(self) -> bool:
        """Hold the lease with at least half of it ahead, so that no publish outlasts it."""
        now = time.monotonic()
        if now < self._leased_until - self.LEASE_SECONDS / 2:
            return True
        async with self._db.write() as conn:
            held = await outbox.lease(conn, self._owner, self.LEASE_SECONDS)
        self._leased_until = now + self.LEASE_SECONDS if held else 0.0
        return held
