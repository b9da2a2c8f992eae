"""``POST /capture/v1/web-to-lead``: an unmodified Salesforce form; browsers go where it says."""

import codecs
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from services.capture.domain.source import Source, allowed_address
from services.capture.domain.web_to_lead import lead_members, same_organisation
from services.capture.handlers.submissions import Refused
from services.capture.intake.answers import answer_members
from services.capture.intake.encodings import (
    MULTIPART,
    URLENCODED,
    form_pairs,
    media_type,
    nested,
)
from services.capture.intake.reading import canonical
from services.capture.intake.reception import Reception, scoped_key
from services.capture.store.queries import every_source
from shared.access import Access, Role
from shared.access.http import visitor
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.web.pages import Pages, problem_page, wants_html

PATHS = ("/capture/v1/web-to-lead", "/capture/servlet/servlet.WebToLead")
_MAY_POST = (Role.FORM, Role.SERVICE, Role.MARKETER, Role.ADMIN)
_ENCODINGS = frozenset(
    {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "shift_jis", "euc_jp", "gb2312", "big5",
     "euc_kr"}
)  # fmt: skip
"""What Salesforce lets a form say in ``encoding``."""


def web_to_lead_router(
    access: Access, db: Database, reception: Reception, pages: Pages
) -> APIRouter:
    """The route, under our name and under Salesforce's."""
    router = APIRouter(tags=["sources"], dependencies=[Depends(visitor)])

    async def submit(request: Request) -> Response:
        """Take a web-to-lead form. Without a key, its ``oid`` must be set up as a source. A browser
        gets 303 to ``retURL`` on an allowed host, else a page of thanks; a program gets 202."""
        body, kind = await request.body(), request.headers.get("content-type", "")
        caller = "open:unknown"
        try:
            pairs = await _pairs(request, kind, body)
            said = {name.lower(): value for name, value in pairs}
            source = await _source(db, said.get("oid", ""))
            caller = await _caller(access, request, source)
            mapping = source.document["mapping"] if source is not None else {}
            form_id = source.source_id if source is not None else "web-to-lead"
            members = lead_members(nested(pairs), form_id, mapping)
            key = scoped_key(caller, request.headers.get("idempotency-key"))
            taken = await reception.take(canonical(members), key)
        except Problem as problem:
            if problem.status in (400, 404, 415, 422):
                await reception.keep(Refused(problem, kind, body, caller))
            page = problem_page(request, problem)
            if page is not None:
                return page
            raise
        if not wants_html(request):
            return JSONResponse(answer_members(taken), 202, headers={"Cache-Control": "no-store"})
        hosts: list[str] = source.document["allowed_hosts"] if source is not None else []
        back = allowed_address(said.get("returl", ""), hosts)
        if back is not None:
            return RedirectResponse(back, 303)
        return pages.render(request, "capture/taken.html")

    for number, path in enumerate(PATHS):
        router.add_api_route(
            path, submit, methods=["POST"], include_in_schema=number == 0, response_model=None
        )
    return router


async def _pairs(request: Request, kind: str, body: bytes) -> list[tuple[str, str]]:
    """Names and values, in the character set that the form's address names."""
    media = media_type(kind)[0]
    if media not in (URLENCODED, MULTIPART):
        raise Problem(415, "Unsupported media type", "Send the form as a browser does.")
    encoding = _encoding(request.query_params.get("encoding", ""))
    if media == MULTIPART or encoding in ("utf-8", "ascii"):
        return await form_pairs(kind, body)
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding=encoding,
            errors="strict",
            max_num_fields=200,
        )
    except ValueError:
        raise Problem(400, "Not readable", "The form is not in the encoding it names.") from None


def _encoding(named: str) -> str:
    if not named:
        return "utf-8"
    try:
        found = codecs.lookup(named[:40]).name
    except (LookupError, ValueError):
        found = ""
    if found not in _ENCODINGS:
        raise Problem(415, "Unsupported character set", "Send the form in UTF-8.")
    return found


async def _source(db: Database, oid: str) -> Source | None:
    for one in await db.read(every_source):
        mine = one.kind == "web_to_lead" and one.active
        if mine and same_organisation(one.document["oid"], oid.strip()):
            return one
    return None


async def _caller(access: Access, request: Request, source: Source | None) -> str:
    authorization = request.headers.get("authorization")
    if authorization is not None:
        principal = await access.authenticate(authorization)
        access.require(principal, *_MAY_POST)
        return f"key:{principal.key_id}"
    if source is None:
        raise Problem(
            404, "Unknown organisation", "No source accepts forms with this oid without a key."
        )
    return source.label
