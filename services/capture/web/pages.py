"""The hosted form: public, whole without JavaScript, and fit to stand in other people's pages.

Browsers that post it get a redirect, programs and the embedding script get JSON. Only the form's
own origins may frame it or read what became of a submission (CORS); whatever comes is taken.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from services.capture.domain.country import choices
from services.capture.domain.form import HostedForm, Question
from services.capture.handlers.submissions import Refused
from services.capture.intake.encodings import (
    JSON,
    MULTIPART,
    URLENCODED,
    form_pairs,
    media_type,
    nested,
)
from services.capture.intake.reading import canonical, invalid
from services.capture.intake.reception import Reception
from services.capture.store.queries import find_form, form_at
from shared.access.http import visitor
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.http import problem_response
from shared.web.pages import templates

UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
HONEYPOT: Final = "fax_number"
"""People never see this input; programs that fill in everything do."""
NEXT: Final = "next_url"
"""Where a page of somebody else's wants its visitors to go on."""
_OURS: Final = frozenset(
    {HONEYPOT, NEXT, "submission_token", "form_version", "consent", "form_id", "csrf_token"}
)
_TOKEN = re.compile(r"[0-9a-f-]{36}")
_FORM_ID = re.compile(r"[\w.\-]{1,64}", re.ASCII)
PAGES: Final = templates(Path(__file__).parent / "templates")


def pages_router(db: Database, reception: Reception) -> APIRouter:
    """The form, its answer and its thanks."""
    router = APIRouter(
        prefix="/capture/forms", include_in_schema=False, dependencies=[Depends(visitor)]
    )

    @router.get("/{form_id}")
    async def show(request: Request, form_id: str) -> Response:
        form = await _form(db, form_id)
        return _show(request, form, _prefilled(request, form), _carried(request), token=new_id())

    @router.get("/{form_id}/embed")
    async def embed(request: Request, form_id: str) -> Response:
        """The form alone, for the script that puts it into another page."""
        form = await _form(db, form_id)
        answer = _show(
            request, form, _prefilled(request, form), _carried(request), token=new_id(), alone=True
        )
        return _shared(request, form, answer)

    @router.get("/{form_id}/thanks")
    async def thanks(request: Request, form_id: str) -> Response:
        form = await _form(db, form_id)
        return _framed(form, PAGES.render(request, "capture/thanks.html", form=form))

    @router.options("/{form_id}")
    @router.options("/{form_id}/embed")
    async def preflight(request: Request, form_id: str) -> Response:
        """Whether a page of this origin may post the form and read the answer."""
        form = await _form(db, form_id)
        origin = request.headers.get("origin", "")
        if origin not in form.allowed_origins:
            raise Problem(
                403,
                "This site may not show the form",
                "Add its origin to the form's allowed origins.",
            )
        may = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "content-type, idempotency-key, accept",
            "Access-Control-Max-Age": "600",
        }
        return _shared(request, form, Response(status_code=204, headers=may))

    @router.post("/{form_id}")
    async def submit(request: Request, form_id: str) -> Response:
        form = await _form(db, form_id)
        try:
            answer = await _submitted(request, db, reception, form)
        except Problem as problem:
            if not _for_programs(request):
                raise
            answer = problem_response(problem)
        return _shared(request, form, answer)

    return router


async def _submitted(
    request: Request, db: Database, reception: Reception, form: HostedForm
) -> Response:
    body, content_type = await request.body(), request.headers.get("content-type", "")
    source = f"form:{form.form_id}"
    try:
        typed = form.renamed(await _typed(content_type, body))
    except Problem as problem:
        await reception.keep(Refused(problem, content_type, body, source))
        raise
    if typed.get(HONEYPOT):
        spam = Problem(422, "Spam", "An input that people never see was filled in.")
        await reception.keep(Refused(spam, content_type, body, source))
        return _thank(request, form, typed)
    try:
        page_url = request.headers.get("referer") or str(request.url.replace(query=""))
        shown = await _as_shown(db, form, typed.get("form_version", ""))
        await _take(reception, form, shown, typed, page_url)
    except Problem as problem:
        if problem.status not in (422, 503):
            raise
        if problem.status == 422:
            await reception.keep(Refused(problem, content_type, body, source))
        if _for_programs(request):
            raise
        carried = {name: typed.get(name, "") for name in (*UTM, "referrer", "page_url", NEXT)}
        return _show(request, form, typed, carried, problem=problem)
    return _thank(request, form, typed)


def _for_programs(request: Request) -> bool:
    """Whether it is JSON that is sent or wanted: browsers ask for pages by name."""
    sent = media_type(request.headers.get("content-type", ""))[0]
    return sent == JSON or JSON in request.headers.get("accept", "")


async def _typed(content_type: str, body: bytes) -> dict[str, str]:
    """What was posted: as a form, or as a JSON object of texts. Raises Problem 400, 415."""
    media = media_type(content_type)[0]
    if media in (URLENCODED, MULTIPART):
        return dict(await form_pairs(content_type, body))
    if media != JSON:
        raise Problem(415, "Unsupported media type", "Send the form as a browser does, or as JSON.")
    try:
        members = orjson.loads(body)
    except ValueError:
        raise Problem(400, "Not readable", "The body is not JSON in UTF-8.") from None
    if not isinstance(members, dict):
        raise Problem(422, "Not readable", "The body must be an object of names and texts.")
    return {
        name: "" if value is None or value is False else "on" if value is True else str(value)
        for name, value in members.items()
    }


async def _as_shown(db: Database, form: HostedForm, version: str) -> HostedForm:
    """The form as it was when this visitor saw it: they agreed to its words."""
    number = int(version[:9]) if version.isdecimal() else form.version
    if number == form.version:
        return form
    return await db.read(lambda conn: form_at(conn, form.form_id, number)) or form


def _prefilled(request: Request, form: HostedForm) -> dict[str, str]:
    asked = {q.name for q in form.questions} & set(request.query_params)
    return {name: request.query_params[name][:2000] for name in asked}


def _carried(request: Request) -> dict[str, str]:
    """Where the visitor comes from, as the address or the browser says."""
    given = request.query_params
    carried = {name: given.get(name, "")[:2000] for name in (*UTM, "page_url", NEXT)}
    came_from = given.get("referrer") or request.headers.get("referer", "")
    return {**carried, "referrer": came_from[:2000]}


def _shared(request: Request, form: HostedForm, answer: Response) -> Response:
    """An answer that the form's own sites may read."""
    answer.headers.append("Vary", "Origin")
    origin = request.headers.get("origin", "")
    if origin in form.allowed_origins:
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return _framed(form, answer)


def _framed(form: HostedForm, answer: Response) -> Response:
    """A page that the form's own sites may show in a frame."""
    policy = answer.headers.get("Content-Security-Policy")
    if policy and form.allowed_origins:
        sites = " ".join(("'self'", *form.allowed_origins))
        answer.headers["Content-Security-Policy"] = policy.replace(
            "frame-ancestors 'none'", f"frame-ancestors {sites}"
        )
        del answer.headers["X-Frame-Options"]
    return answer


async def _form(db: Database, form_id: str) -> HostedForm:
    form = None
    if _FORM_ID.fullmatch(form_id):
        form = await db.read(lambda conn: find_form(conn, form_id))
    if form is None:
        raise Problem(404, "No such form", "There is no form at this address (any more).")
    return form


async def _take(
    reception: Reception,
    form: HostedForm,
    shown: HostedForm,
    typed: Mapping[str, str],
    page_url: str,
) -> None:
    """Hand the submission in. Raises Problem."""
    members = nested((name, text) for name, text in typed.items() if name not in _OURS)
    members["form_id"] = form.form_id
    members.setdefault("page_url", page_url)
    if shown.consent_text:
        members["consent"] = {  # in the form's own words, whatever was posted
            "purpose": shown.consent_purpose,
            "granted": bool(typed.get("consent")),
            "text": shown.consent_text,
            "basis": "consent",
            "wording": f"{form.form_id}/{shown.version}",
        }
    body = canonical(members)
    missing = form.unanswered(members)
    if missing:
        known = {error.pointer for error in missing}
        raise invalid(missing + [e for e in reception.faults(body) if e.pointer not in known])
    await reception.take(body, _key(form, typed.get("submission_token", ""), body))


def _key(form: HostedForm, token: str, body: bytes) -> str | None:
    """A form sent twice (a double click, a reload) is one submission; sent again with a change,
    another."""
    if not _TOKEN.fullmatch(token):
        return None
    return f"form:{form.form_id}:{token}:{blake2b(body, digest_size=8).hexdigest()}"


def _thank(request: Request, form: HostedForm, typed: Mapping[str, str]) -> Response:
    """Browsers go on, programs are told."""
    to = form.next_address(typed.get(NEXT))
    if not _for_programs(request):
        to = to or f"/capture/forms/{form.form_id}/thanks"
        return RedirectResponse(to, status_code=303)
    told = {"status": "received", "title": form.thanks_title, "text": form.thanks_text, "next": to}
    return JSONResponse(told, status_code=202, headers={"Cache-Control": "no-store"})


def _show(
    request: Request,
    form: HostedForm,
    typed: Mapping[str, str],
    carried: Mapping[str, str],
    *,
    token: str = "",
    problem: Problem | None = None,
    alone: bool = False,
) -> Response:
    found: list[dict[str, str]] = problem.extra.get("errors", []) if problem else []
    page = PAGES.render(
        request,
        "capture/form_alone.html" if alone else "capture/form.html",
        status_code=problem.status if problem else 200,
        headers=problem.headers if problem else None,
        form=form,
        lines=_lines(form),
        typed=defaultdict(str, typed),
        carried={name: text for name, text in carried.items() if text},
        token=token or typed.get("submission_token") or new_id(),
        honeypot=HONEYPOT,
        countries=list(choices()),
        problem=problem,
        errors=_by_question(form, found),
        summary=_summary(form, found),
    )
    return _framed(form, page)


def _lines(form: HostedForm) -> list[list[Question]]:
    """The questions line by line: two halves that follow each other share one."""
    lines: list[list[Question]] = []
    for question in form.questions:
        last = lines[-1] if lines else []
        if question.half and len(last) == 1 and last[0].half:
            last.append(question)
        else:
            lines.append([question])
    return lines


def _by_question(form: HostedForm, found: list[dict[str, str]]) -> dict[str, str]:
    words = {error["pointer"]: error["detail"] for error in reversed(found)}
    return {q.name: words[q.pointer] for q in form.questions if q.pointer in words}


def _summary(form: HostedForm, found: list[dict[str, str]]) -> list[tuple[str, str]]:
    """(id of the input, message) of every error, for the list above the form."""
    asked = {question.pointer: question for question in form.questions}
    lines: list[tuple[str, str]] = []
    for error in found:
        question = asked.get(error["pointer"])
        label = question.label if question else error["pointer"].strip("/") or "This form"
        lines.append((question.id if question else "", f"{label} {error['detail']}."))
    return lines
