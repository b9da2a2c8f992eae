"""What operators call on every service: health, metrics, dead letters."""

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.access import Principal, Role, allow
from shared.contracts.envelope import UnreadableEvent
from shared.contracts.problems import Problem
from shared.db import dead_letters
from shared.db.engine import is_transient
from shared.runtime.consumer import Consumer, failure
from shared.runtime.paging import LARGEST, decode_number, listing
from shared.runtime.parts import Part, describe
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
        """Whether every part works; 503 names those that do not."""
        troubles = await _troubles(infra, parts_of(request))
        status = {"status": "not ready" if troubles else "ready", "service": name}
        return JSONResponse({**status, "not_ready": troubles}, 503 if troubles else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus metrics of this process."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/dead-letters")
    async def list_letters(
        _: Operator, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> dict[str, Any]:
        """Events this service could not process, and those parked behind them."""
        async with infra.db.read() as conn:
            letters = await dead_letters.listed(conn, decode_number(cursor), limit)
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
        async with infra.db.write() as conn:
            await dead_letters.remove(conn, letter_id)

    @router.post("/v1/dead-letters/replay")
    async def replay(
        _: Operator, request: Request, id: Annotated[int | None, Query(ge=0, le=LARGEST)] = None
    ) -> dict[str, Any]:
        """Try again: one letter with all of its key, or everything. In order per key."""
        consumers = {p.group: p for p in parts_of(request) if isinstance(p, Consumer)}
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


async def _troubles(infra: Infra, parts: list[Part]) -> list[str]:
    async def database() -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await infra.db.ping()
        except Exception as error:
            return f"database: {describe(error)}"
        return None

    found = await asyncio.gather(database(), *(part.check() for part in parts))
    return [trouble for trouble in found if trouble]


async def _existing(infra: Infra, letter_id: int) -> dead_letters.DeadLetter:
    async with infra.db.read() as conn:
        letter = await dead_letters.get(conn, letter_id)
    if letter is None:
        raise Problem(404, "No such dead letter", "It may have been replayed already.")
    return letter


async def _all_keys(infra: Infra) -> list[tuple[str, str]]:
    keys: dict[tuple[str, str], None] = {}
    after = 0
    async with infra.db.read() as conn:
        while letters := await dead_letters.listed(conn, after, 500):
            keys.update({(letter.consumer, letter.key): None for letter in letters})
            after = letters[-1].id
    return list(keys)


async def _replay_key(infra: Infra, consumer: Consumer[Any], key: str) -> tuple[int, int]:
    """Replay a key's letters in order, up to the first that fails again."""
    done = 0
    while True:
        async with infra.db.read() as conn:
            letters = await dead_letters.of_key(conn, consumer.group, key)
        if not letters:
            return done, 0
        for letter in letters:
            try:
                await consumer.replay(letter)
            except Exception as error:
                if is_transient(error):
                    raise
                reason = str(error) if isinstance(error, UnreadableEvent) else failure(error)
                async with infra.db.write() as conn:
                    await dead_letters.failed_again(conn, letter.id, reason)
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
