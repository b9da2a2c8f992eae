"""The live stream of a rep's assignments (server-sent events)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.sse import format_sse_event
from sqlalchemy import Connection
from starlette.responses import Response, StreamingResponse

from services.routing.callers import managed_by, only_rep
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

_may_stream = allow(Role.REP, Role.MANAGER, Role.ADMIN)
Queue = asyncio.Queue[bytes]
_STILL_HERE: Final = b": still here\n\n"


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
        for queues in self._listeners.values():
            for queue in queues:
                _put(queue, b"")

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

    async def may_hear(self, caller: Principal, rep_id: str | None) -> str:
        """Whose changes a caller asks for: a rep's own, a manager's reps', anybody's by an admin.
        Raises Problem 403, and 422 where nobody is named."""
        own, manager_id = only_rep(caller), managed_by(caller)
        wanted = rep_id or own or manager_id
        if wanted is None:
            raise Problem(422, "Whose stream?", "Name the rep: /routing/v1/stream?rep_id=…")
        if own is not None and wanted != own:
            raise Problem(403, "Not your leads", "A rep sees only the leads given to them.")
        if manager_id is not None and wanted != manager_id:
            managed = await self._db.read(lambda conn: queries.managed_reps(conn, manager_id))
            if wanted not in managed:
                raise Problem(403, "Not your team", "This rep is in another team.")
        return wanted

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


def _event(change: Change) -> bytes:
    a = change.assignment
    return format_sse_event(
        event=change.kind,
        id=f"{a.assignment_id}.{a.attempt}.{a.state}",
        data_str=orjson.dumps(assignment_json(a)).decode(),
    )


def _put(queue: Queue, event: bytes) -> None:
    if queue.full():  # a reader that slow has to read the list anew
        _all_of(queue)
        event = format_sse_event(event="ready", data_str="{}")
    queue.put_nowait(event)


def _all_of(queue: Queue) -> list[bytes]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def stream_router(hub: Changes) -> APIRouter:
    """The route ``/routing/v1/stream``."""
    router = APIRouter(prefix="/routing/v1", tags=["assignments"])

    @router.get(
        "/stream",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def stream(
        request: Request,
        caller: Annotated[Principal, Depends(_may_stream)],
        rep_id: str | None = None,
    ) -> Response:
        """Changes of a rep's assignments as they happen.

        The event ``ready`` comes first, and again when events were left out because they were not
        taken fast enough: read the list anew. Then ``assignment`` for each change of state (the
        data is the assignment) and ``contact`` when the contact data of a lead they own has
        changed.
        """
        return StreamingResponse(
            _told(request, hub, await hub.may_hear(caller, rep_id)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _told(request: Request, hub: Changes, rep_id: str) -> AsyncIterator[bytes]:
    """What the hub has for this rep; all that has gathered in one piece."""
    with hub.listen(rep_id) as queue:
        ready = orjson.dumps({"rep_id": rep_id}).decode()
        yield format_sse_event(event="ready", data_str=ready, retry=2000)
        checked = monotonic()
        while not hub.leaving.is_set():
            try:
                first = await asyncio.wait_for(queue.get(), CHECK_SECONDS)
            except TimeoutError:
                first = _STILL_HERE
            if hub.leaving.is_set():
                return
            if first is _STILL_HERE or monotonic() >= checked + CHECK_SECONDS:
                if not await _still_allowed(request):
                    return
                checked = monotonic()
            yield b"".join([first, *_all_of(queue)])


async def _still_allowed(request: Request) -> bool:
    try:
        await _may_stream(request)
    except Problem:
        return False
    return True
