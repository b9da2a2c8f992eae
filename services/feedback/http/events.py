"""The feedback events: page by page, as they come, and as a table."""

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from services.feedback.domain.event_filter import EventFilter
from services.feedback.event_filters import EventFilters
from services.feedback.http.callers import Limit, Reader, may_read
from services.feedback.store import feedback_log
from services.feedback.store.unit import Feedback
from services.feedback.tail import Tail
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.csv_cells import cell
from shared.runtime.paging import LARGEST, decode_number, listing
from shared.runtime.unit import Transactions

CHECK_SECONDS: Final = 5.0
"""How often a stream is checked: is its key still good, and, where nothing happens, is somebody
there."""
CHUNK: Final = 500
MOST_ROWS: Final = 100_000
COLUMNS: Final = (
    "number", "id", "type", "time", "lead_id", "answer", "stage", "reason", "reason_class",
    "amount", "source", "campaign", "definition_version", "score", "rep_id", "occurred_at",
)  # fmt: skip
EVENT_STREAM: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/event-stream": {}}}}


class EventTable(EventFilters):
    """A table of events."""

    cursor: str | None = None


class EventPage(EventTable):
    """A page of events."""

    limit: Limit = 100


def add_events(api: APIRouter, transactions: Transactions[Feedback], tail: Tail) -> None:
    """What marketing consumes."""
    db = transactions.db

    @api.get("/events", tags=["events"])
    async def get_events(_: Reader, asked: Annotated[EventPage, Query()]) -> dict[str, Any]:
        """Feedback events in order, as CloudEvents. ``next_cursor`` is null when nothing came after
        ``cursor``: keep that one and ask again later. With a filter a page may be empty and still
        have a next one: a long stretch held nothing that fits."""
        place, wanted = decode_number(asked.cursor), asked.wanted()
        found = await db.read(lambda conn: feedback_log.after(conn, place, asked.limit, wanted))
        return listing([orjson.loads(one.event) for one in found.events], found.reached)

    @api.get("/stream", tags=["events"], response_class=StreamingResponse, responses=EVENT_STREAM)
    async def stream(
        request: Request,
        _: Reader,
        asked: Annotated[EventTable, Query()],
        last_event_id: Annotated[str | None, Header(max_length=40)] = None,
    ) -> Response:
        """Feedback events as they come (server-sent events): the data is the CloudEvent, the id its
        number.

        It begins behind ``Last-Event-ID``, which clients send by themselves when they come back,
        else behind ``cursor``, else with what comes next; 0 is the beginning. ``ready`` comes first
        and has the place as its id. A line with a colon says every five seconds that it is alive.
        """
        if last_event_id is not None and last_event_id.strip():
            place: int | None = _number(last_event_id.strip())
        else:
            place = decode_number(asked.cursor) if asked.cursor else None
        begin = await db.read(feedback_log.head) if place is None else place
        tail.check_room()
        return StreamingResponse(
            _told(request, db, tail, begin, asked.wanted()),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @api.get("/events.csv", tags=["events"], response_class=StreamingResponse)
    async def download_events(_: Reader, asked: Annotated[EventTable, Query()]) -> Response:
        """Events as a table in order, up to 100,000 rows behind ``cursor``."""
        return StreamingResponse(
            _table(db, decode_number(asked.cursor), asked.wanted()),
            media_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": 'attachment; filename="feedback-events.csv"',
                "Cache-Control": "no-store",
            },
        )


def _number(last_event_id: str) -> int:
    if not (last_event_id.isdecimal() and last_event_id.isascii()) or int(last_event_id) > LARGEST:
        raise Problem(
            400, "Unknown Last-Event-ID", "Send the id of an event that you got, or leave it out."
        )
    return int(last_event_id)


async def _told(
    request: Request, db: Database, tail: Tail, place: int, wanted: EventFilter
) -> AsyncIterator[bytes]:
    """What comes behind a place, read a stretch at a time: no more is held for a slow reader."""
    with tail.listen() as news:
        yield b"id: %d\nevent: ready\nretry: 2000\ndata: {}\n\n" % place
        checked = monotonic()
        while not tail.leaving.is_set():
            news.clear()
            found = await _stretch(db, place, wanted)
            place = found.reached if found.reached is not None else place
            if found.events:
                yield b"".join(map(_event, found.events))
            if monotonic() >= checked + CHECK_SECONDS:
                if not await _still_allowed(request):
                    return
                checked = monotonic()
                # An id without data is told to nobody, but kept: where a client comes back to.
                yield b": still here\nid: %d\n\n" % place
            if found.reached is None:
                with contextlib.suppress(TimeoutError):
                    left = checked + CHECK_SECONDS - monotonic()
                    await asyncio.wait_for(news.wait(), max(left, 0))


async def _stretch(db: Database, place: int, wanted: EventFilter) -> feedback_log.Stretch:
    return await db.read(lambda conn: feedback_log.after(conn, place, CHUNK, wanted))


def _event(one: feedback_log.Logged) -> bytes:
    return b"id: %d\nevent: feedback\ndata: %s\n\n" % (one.seq, one.event.encode())


async def _still_allowed(request: Request) -> bool:
    try:
        await may_read(request)
    except Problem:
        return False
    return True


async def _table(db: Database, place: int, wanted: EventFilter) -> AsyncIterator[str]:
    """The rows in chunks, each of a read of its own: nothing is held open for a slow reader."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    told = 0
    while told < MOST_ROWS:
        found = await _stretch(db, place, wanted)
        for one in found.events:
            writer.writerow(_row(one))
        told += len(found.events)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
        if found.reached is None:
            return
        place = found.reached


def _row(one: feedback_log.Logged) -> list[str]:
    event = orjson.loads(one.event)
    members = {"number": one.seq, **event["data"], **{n: event[n] for n in ("id", "type", "time")}}
    if "occurred_at" not in members:
        members["occurred_at"] = members.get("answered_at")
    return [cell(members.get(name)) for name in COLUMNS]
