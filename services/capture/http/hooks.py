"""``POST /capture/v1/hooks/{source_id}``: webhooks of other tools, believed by their signature."""

from hashlib import blake2b
from hmac import compare_digest
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from services.capture.domain.source import Source, is_signed
from services.capture.domain.webhook import BadMapping, leads_in
from services.capture.handlers.submissions import Refused
from services.capture.intake.answers import answer_members
from services.capture.intake.encodings import as_json
from services.capture.intake.reading import canonical
from services.capture.intake.reception import Reception, busy
from services.capture.store.queries import find_source
from shared.contracts.problems import Problem
from shared.db.database import Database

MAX_LEADS: Final = 100
"""Most leads that one body may bring."""


def add_hooks(router: APIRouter, db: Database, reception: Reception) -> None:
    """Add the routes."""

    @router.get("/hooks/{source_id}", tags=["sources"], response_class=PlainTextResponse)
    async def verify(
        source_id: str,
        mode: Annotated[str, Query(alias="hub.mode")] = "",
        challenge: Annotated[str, Query(alias="hub.challenge", max_length=200)] = "",
        sent: Annotated[str, Query(alias="hub.verify_token", max_length=200)] = "",
    ) -> Response:
        """Meta's challenge: it asks whether this address is ours to give."""
        source = await _source(db, source_id)
        token = source.document.get("verify_token")
        known = token is not None and compare_digest(sent.encode(), token.encode())
        if source.document.get("preset") != "meta" or mode != "subscribe" or not known:
            raise Problem(403, "Not verified", "This is no challenge with the token we know.")
        return PlainTextResponse(challenge)

    @router.post("/hooks/{source_id}", status_code=202, tags=["sources"])
    async def receive(request: Request, source_id: str) -> Response:
        """Take what a tool sends. ``items`` says what became of each lead in it: ``captured`` or
        ``touched``, or ``set_aside`` among the bad submissions with the reason, because sending it
        again would not help. 401 without the right secret or signature."""
        source = await _source(db, source_id)
        body, kind = await request.body(), request.headers.get("content-type", "")
        if not is_signed(source, body, dict(request.headers)):
            detail = "The secret or signature is missing, or is not this source's."
            wrong = Problem(401, "Wrong signature", detail)
            await reception.keep(Refused(wrong, kind, body, f"open:{source.source_id}"))
            raise wrong
        try:
            payload = orjson.loads(await as_json(kind or "application/json", body))
            found = list(leads_in(payload, source.document, reception.synonyms))
            if len(found) > MAX_LEADS:
                raise BadMapping(f"finds more than {MAX_LEADS} leads")
        except Problem as problem:
            await reception.keep(Refused(problem, kind, body, source.label))
            raise
        except orjson.JSONDecodeError:
            broken = Problem(400, "Not readable", "The body is not JSON in UTF-8.")
            await reception.keep(Refused(broken, kind, body, source.label))
            raise broken from None
        except BadMapping as error:
            told = Problem(422, "The mapping found no lead", f"It {error}.")
            return _answer([await _set_aside(reception, source, told, kind, body)])
        whole = blake2b(body, digest_size=16).hexdigest()
        items = [
            await _take(reception, source, members, key or f"{whole}:{at}", kind, body)
            for at, (members, key) in enumerate(found)
        ]
        return _answer(items)


async def _source(db: Database, source_id: str) -> Source:
    source = await db.read(lambda conn: find_source(conn, source_id[:64]))
    if source is None or not source.active or source.kind != "webhook":
        raise Problem(404, "Unknown source", "No webhook is taken at this address (any more).")
    return source


async def _take(
    reception: Reception,
    source: Source,
    members: dict[str, Any],
    key: str,
    kind: str,
    body: bytes,
) -> dict[str, Any]:
    named = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()
    members.setdefault("form_id", source.source_id)
    try:
        lead = canonical(members)
    except TypeError:  # a lone surrogate, or a number past 64 bits
        problem = Problem(422, "The lead can't be accepted", "It holds what can't be stored.")
        return await _set_aside(reception, source, problem, kind, body)
    try:
        taken = await reception.take(lead, f"{source.label}:{named}", same=True)
    except Problem as problem:
        if problem.status not in (400, 422):
            raise
        return await _set_aside(reception, source, problem, kind, body)
    return answer_members(taken)


async def _set_aside(
    reception: Reception, source: Source, problem: Problem, kind: str, body: bytes
) -> dict[str, Any]:
    """Kept among the bad submissions. Raises Problem 503 where even that can't be promised."""
    if not await reception.keep(Refused(problem, kind, body, source.label)):
        raise busy()
    return {"status": "set_aside", "reason": f"{problem.title}: {problem.detail}"}


def _answer(items: list[dict[str, Any]]) -> Response:
    return JSONResponse({"items": items}, 202, headers={"Cache-Control": "no-store"})
