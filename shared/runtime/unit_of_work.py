"""A unit of work: one transaction in which a handler loads, decides, saves and emits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.envelope import Event
from shared.contracts.events import EventData
from shared.db import outbox
from shared.db.engine import Database
from shared.runtime.clock import Clock, new_id
from shared.runtime.logs import current_traceparent


class Wake:
    """A flag that one waiter consumes: set means there is work."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Say that there is work."""
        self._event.set()

    async def wait(self, timeout: float) -> bool:
        """Wait until set or ``timeout`` seconds have passed; clears the flag."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class UnitOfWork:
    """What a handler sees of the database. A service's store subclasses it with repositories that
    keep what ``prefetch`` loaded and write in bulk in ``save``."""

    def __init__(self, conn: AsyncConnection, clock: Clock, service: str) -> None:
        self.conn = conn
        self.clock = clock
        self.service = service
        self._events: list[Event[Any]] = []
        self._after_commit: list[Callable[[], None]] = []

    async def prefetch(self, keys: Sequence[str]) -> None:
        """Load the state of these message keys (lead ids, mostly) in few queries."""

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]:
        """Queue an event; it is published if and only if this transaction commits."""
        event = Event(
            id=new_id(),
            type=data.type,
            source=f"/leadloop/{self.service}",
            time=at or self.clock.now(),
            subject=data.key(),
            traceparent=current_traceparent(),
            data=data,
        )
        self._events.append(event)
        return event

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this once the effects are visible to others; never when they are rolled back."""
        self._after_commit.append(call)

    async def save(self) -> None:
        """Write what the repositories changed, in bulk."""

    async def flush(self) -> None:
        """Write rows, then events: the events come last so that their order per lead is the order
        of the row locks."""
        await self.save()
        await outbox.add(self.conn, self.service, self._events, self.clock.now())

    @property
    def emitted(self) -> bool:
        return bool(self._events)

    def committed(self) -> None:
        """Make the calls that waited for the commit."""
        for call in self._after_commit:
            call()


U = TypeVar("U", bound=UnitOfWork)


class Transactions(Generic[U]):
    """Makes a service's units of work. ``woken`` is set whenever one has left events behind."""

    def __init__(
        self,
        db: Database,
        service: str,
        clock: Clock,
        make: Callable[[AsyncConnection], U],
    ) -> None:
        self.db = db
        self.service = service
        self.clock = clock
        self.woken = Wake()
        self._make = make

    @asynccontextmanager
    async def begin(self, keys: Sequence[str] = ()) -> AsyncIterator[U]:
        """One transaction around the block: prefetch, the block, save, events, COMMIT."""
        async with self.db.write() as conn:
            uow = self._make(conn)
            if keys:
                await uow.prefetch(keys)
            yield uow
            await uow.flush()
        if uow.emitted:
            self.woken.set()
        uow.committed()
