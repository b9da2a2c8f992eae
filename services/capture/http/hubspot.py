"""HubSpot Forms v3: an unmodified submission, answered as HubSpot answers it."""

from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from services.capture.domain.hubspot import NotHubSpot, lead_members
from services.capture.domain.source import Source, is_host
from services.capture.handlers.submissions import Refused
from services.capture.intake.reading import canonical
from services.capture.intake.reception import Reception, scoped_key
from services.capture.store.queries import every_source
from shared.access import Access, Role
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.db.database import Database

_MAY_POST: Final = (Role.FORM, Role.SERVICE, Role.MARKETER, Role.ADMIN)
_TYPES: Final = {"/email": "INVALID_EMAIL", "/phone": "INVALID_PHONE"}
_TITLES: Final = {404: "FORM_NOT_FOUND", 403: "ORIGIN_NOT_ALLOWED", 401: "INVALID_AUTHENTICATION"}
PATHS: Final = (
    "/capture/v1/hubspot/{portal_id}/{form_id}",
    "/capture/submissions/v3/integration/submit/{portal_id}/{form_id}",
    "/capture/submissions/v3/integration/secure/submit/{portal_id}/{form_id}",
)


def hubspot_router(access: Access, db: Database, reception: Reception) -> APIRouter:
    """The routes, ours and those that HubSpot's scripts post to."""
    router = APIRouter(tags=["sources"])

    async def submit(request: Request, portal_id: str, form_id: str) -> Response:
        """Take a Forms v3 submission as HubSpot's scripts send it. Without a key, the portal and
        form must be set up as a source. 200 means that the lead is committed."""
        origin = request.headers.get("origin")
        try:
            source = await _source(db, portal_id, form_id)
            caller = await _caller(access, request, source, origin)
            answer = await _take(request, reception, source, caller, form_id)
        except Problem as problem:
            if problem.status == 404:  # somebody's form all the same: set it up, and see what came
                kind = request.headers.get("content-type", "")
                await reception.keep(Refused(problem, kind, await request.body(), "open:unknown"))
            answer = _error(problem)
        return _shared(answer, origin)

    async def preflight(request: Request, portal_id: str, form_id: str) -> Response:
        """What browsers ask before a script of another site may post."""
        origin = request.headers.get("origin")
        source = await _source(db, portal_id, form_id)
        if source is None or not _from_allowed(source, origin):
            return Response(status_code=403)
        headers = {
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Headers": "content-type, idempotency-key, authorization",
            "Access-Control-Max-Age": "600",
        }
        return _shared(Response(status_code=204, headers=headers), origin)

    for number, path in enumerate(PATHS):
        first = number == 0
        router.add_api_route(
            path, submit, methods=["POST"], include_in_schema=first, response_model=None
        )
        router.add_api_route(path, preflight, methods=["OPTIONS"], include_in_schema=False)
    return router


async def _source(db: Database, portal_id: str, form_id: str) -> Source | None:
    for one in await db.read(every_source):
        if one.kind == "hubspot" and one.active and one.document["portal_id"] == portal_id:
            forms = one.document["form_ids"]
            if not forms or form_id in forms:
                return one
    return None


async def _caller(
    access: Access, request: Request, source: Source | None, origin: str | None
) -> str:
    """Who posts, as bad submissions name it. Raises Problem 401, 403 or 404."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        principal = await access.authenticate(authorization)
        access.require(principal, *_MAY_POST)
        return f"key:{principal.key_id}"
    if source is None:
        raise Problem(404, "Unknown form", "No source accepts this portal and form without a key.")
    if not _from_allowed(source, origin):
        raise Problem(403, "Not from here", "Pages of this site may not post to this form.")
    return source.label


def _from_allowed(source: Source, origin: str | None) -> bool:
    hosts = source.document["allowed_hosts"]
    if not hosts or origin is None:
        return True
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host is not None and is_host(host, hosts)


async def _take(
    request: Request, reception: Reception, source: Source | None, caller: str, form_id: str
) -> Response:
    document = source.document if source is not None else {}
    body, kind = await request.body(), request.headers.get("content-type", "")
    try:
        try:
            sent = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise NotHubSpot("INVALID_REQUEST", "The body is not JSON in UTF-8") from None
        members = lead_members(
            sent, form_id, document.get("mapping", {}), document.get("purposes", {})
        )
        key = scoped_key(caller, request.headers.get("idempotency-key"))
        if key is None and sent.get("submittedAt"):  # to the millisecond: the same one again
            key = f"{caller}:{form_id[:64]}:{blake2b(body, digest_size=24).hexdigest()}"
        await reception.take(canonical(members), key)
    except NotHubSpot as error:
        problem = Problem(400, "Not valid", f"{error}.", error_type=error.error_type)
        await reception.keep(Refused(problem, kind, body, caller))
        raise problem from None
    except Problem as problem:
        if problem.status in (400, 422):
            await reception.keep(Refused(problem, kind, body, caller))
        raise
    if document.get("redirect_uri"):
        return JSONResponse({"redirectUri": document["redirect_uri"]})
    told = document.get("inline_message", "Thanks for submitting the form.")
    return JSONResponse({"inlineMessage": told})


def _error(problem: Problem) -> Response:
    """A problem in HubSpot's shape: ``errorType`` for programs, words without any value."""
    status = 400 if problem.status == 422 else problem.status
    found: list[dict[str, str]] = problem.extra.get("errors") or [{"pointer": "", "detail": ""}]
    errors = [_one(problem, one) for one in found]
    document: dict[str, Any] = {
        "status": "error",
        "message": "The request is not valid" if status == 400 else problem.detail,
        "correlationId": new_id(),
        "errors": errors,
    }
    return JSONResponse(document, status, headers=problem.headers)


def _one(problem: Problem, error: dict[str, str]) -> dict[str, str]:
    place, detail = error["pointer"], error["detail"]
    kind = problem.extra.get("error_type") or _TITLES.get(problem.status) or _TYPES.get(place)
    if "is needed" in detail:
        kind = "REQUIRED_FIELD"
    name = place.strip("/").replace("/", ".")
    words = f"Error in 'fields.{name}'. It {detail}" if name else problem.detail
    return {"message": words, "errorType": kind or "INVALID_REQUEST"}


def _shared(response: Response, origin: str | None) -> Response:
    """Scripts of the page that posted may read the answer: thanks, or errors without values."""
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
    response.headers["Cache-Control"] = "no-store"
    return response
