"""What operators call on every service: health, metrics, dead letters."""

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection

from shared.access import Principal, Role, allow
from shared.contracts.envelope import UnreadableEvent
from shared.contracts.problems import Problem
from shared.db import dead_letters
from shared.db.errors import is_transient
from shared.runtime.consumer import Consumer, failure
from shared.runtime.paging import LARGEST, decode_number, listing
from shared.runtime.parts import Part, describe
from shared.runtime.relay import Relay
from shared.runtime.service import Infra

Operator = Annotated[Principal, Depends(allow(Role.ADMIN))]
LetterId = Annotated[int, Path(ge=0, le=LARGEST)]
CHECK_SECONDS = 2.0


def operations_router(name: str, infra: Infra) -> APIRouter:
    """Routes under ``/<name>``; ``request.app.state.parts`` holds the service's parts."""
    router = APIRouter(prefix=f"/{name}", tags=["operations"])

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @router.get("/health/ready")
    async def ready(request: Request) -> Response:
        """Whether requests are answered; 503 names what is missing. The loop may stand still
        meanwhile (``loop``): capture takes leads as long as its own database lives."""
        document = await _health(name, infra, parts_of(request))
        return JSONResponse(document, 503 if document["not_ready"] else 200)

    @router.get("/health/loop")
    async def loop(request: Request) -> Response:
        """Whether events move: broker, consumer, relay, timers; 503 names what stands still."""
        document = await _health(name, infra, parts_of(request))
        stands = document["not_ready"] or document["not_moving"]
        return JSONResponse(document, 503 if stands else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus metrics of this process."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/dead-letters")
    async def list_letters(
        _: Operator, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> dict[str, Any]:
        """Events this service could not process, and those parked behind them."""
        after = decode_number(cursor)
        letters = await infra.db.read(lambda conn: dead_letters.listed(conn, after, limit))
        more = letters[-1].id if len(letters) == limit else None
        return listing([_summary(letter) for letter in letters], more)

    @router.get("/v1/dead-letters/{letter_id}")
    async def show_letter(_: Operator, letter_id: LetterId) -> dict[str, Any]:
        """One letter with its event. The event may hold personal data: mind where it goes."""
        letter = await _existing(infra, letter_id)
        try:
            text = (letter.value or b"").decode()
        except UnicodeDecodeError:
            text = base64.b64encode(letter.value or b"").decode()
        return {**_summary(letter), "headers": letter.headers, "event": text}

    @router.delete("/v1/dead-letters/{letter_id}", status_code=204)
    async def discard_letter(_: Operator, letter_id: LetterId) -> None:
        """Give an event up for good."""
        await _existing(infra, letter_id)
        await infra.db.write(lambda conn: dead_letters.remove(conn, letter_id))

    @router.post("/v1/dead-letters/replay")
    async def replay(
        _: Operator, request: Request, id: Annotated[int | None, Query(ge=0, le=LARGEST)] = None
    ) -> dict[str, Any]:
        """Try again: one letter with all of its key, or everything. In order per key."""
        consumers = {p.group: p for p in parts_of(request) if isinstance(p, Consumer | Relay)}
        if id is not None:
            letter = await _existing(infra, id)
            keys = [(letter.consumer, letter.key)]
        else:
            keys = await _all_keys(infra)
        replayed = failed = 0
        for consumer, key in keys:
            if consumer in consumers:
                done, stuck = await _replay_key(infra, consumers[consumer], key)
                replayed, failed = replayed + done, failed + stuck
        return {"replayed": replayed, "failed": failed}

    return router


def parts_of(request: Request) -> list[Part]:
    """The parts of the service that serves this request."""
    parts: list[Part] = getattr(request.app.state, "parts", [])
    return parts


async def _health(name: str, infra: Infra, parts: list[Part]) -> dict[str, Any]:
    async def database() -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await infra.db.ping()
        except Exception as error:
            return f"database: {describe(error)}"
        return None

    async def letters() -> int:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await infra.db.read(dead_letters.count_all)
        except Exception:
            return 0  # the database's trouble is told above

    serving = [part.check() for part in parts if part.serves]
    moving = [part.check() for part in parts if not part.serves]
    answers = await asyncio.gather(database(), infra.access.check(), *serving)
    stands = await asyncio.gather(*moving)
    dead = await letters()
    not_ready = [trouble for trouble in answers if trouble]
    not_moving = [trouble for trouble in stands if trouble]
    return {
        "service": name,
        "status": "not ready" if not_ready else "ready",
        "not_ready": not_ready,
        "loop": "standing still" if not_moving or not_ready else "moving",
        "not_moving": not_moving,
        "dead_letters": dead,
    }


async def _existing(infra: Infra, letter_id: int) -> dead_letters.DeadLetter:
    letter = await infra.db.read(lambda conn: dead_letters.get(conn, letter_id))
    if letter is None:
        raise Problem(404, "No such dead letter", "It may have been replayed already.")
    return letter


async def _all_keys(infra: Infra) -> list[tuple[str, str]]:
    def read(conn: Connection) -> list[tuple[str, str]]:
        keys: dict[tuple[str, str], None] = {}
        after = 0
        while letters := dead_letters.listed(conn, after, 500):
            keys.update({(letter.consumer, letter.key): None for letter in letters})
            after = letters[-1].id
        return list(keys)

    return await infra.db.read(read)


async def _replay_key(infra: Infra, consumer: "Consumer[Any] | Relay", key: str) -> tuple[int, int]:
    """Replay a key's letters in order, up to the first that fails again."""
    done = 0
    while True:
        letters = await infra.db.read(lambda conn: dead_letters.of_key(conn, consumer.group, key))
        if not letters:
            return done, 0
        for letter in letters:
            try:
                await consumer.replay(letter)
            except Exception as error:
                if is_transient(error):
                    raise
                reason = str(error) if isinstance(error, UnreadableEvent) else failure(error)
                number = letter.id
                await infra.db.write(
                    lambda conn: dead_letters.failed_again(conn, number, reason)  # noqa: B023
                )
                return done, 1
            done += 1


def _summary(letter: dead_letters.DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "consumer": letter.consumer,
        "state": letter.state,
        "key": letter.key,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "reason": letter.reason,
        "failed_at": letter.failed_at,
    }
