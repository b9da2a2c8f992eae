"""The live stream of a rep's assignments (server-sent events)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import Connection

from services.routing.documents import assignment_json
from services.routing.domain.assignment import Change
from services.routing.metrics import STREAMS
from services.routing.store import queries
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.db.database import Database, database_now
from shared.runtime.parts import Loop

POLL_SECONDS: Final = 1.0
"""How often changes of other processes are looked for while somebody listens."""
CHECK_SECONDS: Final = 5.0
"""How often a stream is checked: is its key still good, and, where nothing happens, is somebody
there."""
OVERLAP: Final = timedelta(seconds=5)
"""Transactions commit in another order than their times: look back, and drop what was seen."""
MAX_QUEUED: Final = 1000

_may_stream = allow(Role.REP, Role.ADMIN)
Queue = asyncio.Queue[ServerSentEvent]


class Changes(Loop):
    """Tells whoever listens of changes of a rep's assignments: of this process's at once, by
    ``tell``; on PostgreSQL it looks for those of other processes each second while somebody
    listens. SQLite has one process, and there it rests."""

    def __init__(self, db: Database) -> None:
        super().__init__("routing.stream")
        self._db = db
        self._wake = asyncio.Event()
        self._polls = db.dialect == "postgresql"
        self._listeners: dict[str, set[Queue]] = {}
        self._seen: dict[tuple[str, str, str, datetime], datetime] = {}
        self._looked_at: datetime | None = None
        self.leaving = asyncio.Event()
        """Set when streams have to end: a stop of the server would wait for them."""

    def leave(self) -> None:
        self.leaving.set()

    async def stop(self) -> None:
        self.stopping.set()
        self._wake.set()
        self.leave()
        await super().stop()

    def tell(self, changes: Sequence[Change]) -> None:
        """Tell of changes that are committed; each is told once, whoever brings it."""
        for change in changes:
            queues = self._listeners.get(change.assignment.rep_id)
            if not queues:
                continue
            if self._polls:
                if change.identity in self._seen:
                    continue
                self._seen[change.identity] = change.at
            event = _event(change)
            for queue in queues:
                _put(queue, event)

    @contextlib.contextmanager
    def listen(self, rep_id: str) -> Iterator[Queue]:
        """A queue of what changes for this rep from now on."""
        queue: Queue = asyncio.Queue(MAX_QUEUED)
        self._listeners.setdefault(rep_id, set()).add(queue)
        self._wake.set()
        STREAMS.inc()
        try:
            yield queue
        finally:
            STREAMS.dec()
            self._listeners[rep_id].discard(queue)
            if not self._listeners[rep_id]:
                del self._listeners[rep_id]

    async def step(self) -> None:
        self._wake.clear()
        if self._polls and self._listeners:
            await self._look()
        else:
            self._looked_at = None
        self.healthy()
        if self.stopping.is_set():
            return
        with contextlib.suppress(TimeoutError):
            polls = self._polls and self._listeners
            await asyncio.wait_for(self._wake.wait(), POLL_SECONDS if polls else None)

    async def _look(self) -> None:
        looked_at, listeners = self._looked_at, list(self._listeners)

        def read(conn: Connection) -> tuple[datetime, datetime, list[Change]]:
            now = database_now(conn)
            start = (looked_at or now) - OVERLAP
            return now, start, queries.changes_since(conn, listeners, start)

        self._looked_at, start, found = await self._db.read(read)
        self.tell(found)
        self._seen = {key: at for key, at in self._seen.items() if at > start}


def _event(change: Change) -> ServerSentEvent:
    a = change.assignment
    return ServerSentEvent(
        event=change.kind,
        id=f"{a.assignment_id}.{a.attempt}.{a.state}",
        data=assignment_json(a),
    )


def _put(queue: Queue, event: ServerSentEvent) -> None:
    if queue.full():  # a reader that slow has to read the list anew
        while not queue.empty():
            queue.get_nowait()
        event = ServerSentEvent(event="ready", data={})
    queue.put_nowait(event)


def stream_router(hub: Changes) -> APIRouter:
    """The route ``/routing/v1/stream``."""
    router = APIRouter(prefix="/routing/v1", tags=["assignments"])

    @router.get("/stream", response_class=EventSourceResponse)
    async def stream(
        request: Request, rep_id: Annotated[str, Depends(_whose)]
    ) -> AsyncIterator[ServerSentEvent]:
        """Changes of a rep's assignments as they happen.

        The event ``ready`` comes first, and again when events were left out because they were not
        taken fast enough: read the list anew. Then
        ``assignment`` for each change of state (the data is the assignment) and ``contact`` when
        the contact data of a lead they own has changed.
        """
        with hub.listen(rep_id) as queue:
            yield ServerSentEvent(event="ready", data={"rep_id": rep_id}, retry=2000)
            checked = monotonic()
            while not hub.leaving.is_set():
                event = await _next(queue, hub.leaving)
                if event is None or monotonic() >= checked + CHECK_SECONDS:
                    if hub.leaving.is_set() or not await _still_allowed(request):
                        return
                    checked = monotonic()
                yield event or ServerSentEvent(comment="still here")

    return router


async def _whose(
    request: Request,
    caller: Annotated[Principal, Depends(_may_stream)],
    rep_id: str | None = None,
) -> str:
    """Whose stream is asked for: a rep's own, or any by an admin."""
    if caller.role is Role.REP:
        if caller.rep_id is None or rep_id not in (None, caller.rep_id):
            raise Problem(403, "Not your leads", "A rep sees only the leads given to them.")
        return caller.rep_id
    if rep_id is None:
        raise Problem(422, "Whose stream?", "Name the rep: /routing/v1/stream?rep_id=…")
    return rep_id


async def _next(queue: Queue, leaving: asyncio.Event) -> ServerSentEvent | None:
    """The next event; None when there was none for a while, or when it is time to stop."""
    waits: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(queue.get()),
        asyncio.ensure_future(leaving.wait()),
    ]
    try:
        await asyncio.wait(waits, timeout=CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        got = waits[0]
        return got.result() if got.done() and not got.cancelled() else None
    finally:
        for wait in waits:
            wait.cancel()


async def _still_allowed(request: Request) -> bool:
    try:
        await _may_stream(request)
    except Problem:
        return False
    return True
