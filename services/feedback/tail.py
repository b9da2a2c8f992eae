"""The end of the log, for whoever waits for what comes next."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from services.feedback.metrics import STREAMS
from services.feedback.store import feedback_log
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.parts import Loop

POLL_SECONDS: Final = 1.0
"""How often events of other processes are looked for while somebody listens."""
MOST_LISTENERS: Final = 200


class Tail(Loop):
    """Wakes those who listen when there are new events: this process's at once, by ``heard``; on
    PostgreSQL it looks for those of other processes each second while somebody listens. Who wakes
    reads for themselves, from their own place: a slow reader is nobody's burden."""

    def __init__(self, db: Database) -> None:
        super().__init__("feedback.stream")
        self._db = db
        self._polls = db.dialect == "postgresql"
        self._wake = asyncio.Event()
        self._listeners: set[asyncio.Event] = set()
        self._seen = -1
        self.leaving = asyncio.Event()
        """Set when streams have to end: a stop of the server would wait for them."""

    def heard(self) -> None:
        """There are new events; call it on the event loop."""
        for one in self._listeners:
            one.set()

    def leave(self) -> None:
        self.leaving.set()
        self.heard()

    async def stop(self) -> None:
        self.stopping.set()
        self._wake.set()
        self.leave()
        await super().stop()

    def check_room(self) -> None:
        """Raise Problem 503 when too many listen."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise Problem(
                503,
                "Too many streams",
                "Read /feedback/v1/events with a cursor, or come back later.",
                headers={"Retry-After": "30"},
            )

    @contextlib.contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """What is set when there is something new."""
        mine = asyncio.Event()
        self._listeners.add(mine)
        self._wake.set()
        STREAMS.inc()
        try:
            yield mine
        finally:
            STREAMS.dec()
            self._listeners.discard(mine)

    async def step(self) -> None:
        self._wake.clear()
        polls = self._polls and bool(self._listeners)
        if polls:
            newest = await self._db.read(feedback_log.head)
            if newest != self._seen:
                self._seen = newest
                self.heard()
        self.healthy()
        if self.stopping.is_set():
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), POLL_SECONDS if polls else None)
