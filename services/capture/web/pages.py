"""The hosted form: public, and whole without JavaScript."""

import re
from collections import defaultdict
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from services.capture.domain.country import choices
from services.capture.domain.form import HostedForm, Question
from services.capture.handlers.submissions import Refused
from services.capture.intake.encodings import MULTIPART, URLENCODED, form_pairs, media_type, nested
from services.capture.intake.reading import canonical, invalid
from services.capture.intake.reception import Reception
from services.capture.store.queries import find_form
from shared.access.http import visitor
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.web.pages import templates

UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
HONEYPOT: Final = "fax_number"
"""People never see this input; programs that fill in everything do."""
_OURS: Final = frozenset({HONEYPOT, "submission_token", "consent", "form_id", "csrf_token"})
_TOKEN = re.compile(r"[0-9a-f-]{36}")
_FORM_ID = re.compile(r"[\w.\-]{1,64}", re.ASCII)
_pages = templates(Path(__file__).parent / "templates")


def pages_router(db: Database, reception: Reception) -> APIRouter:
    """The form, its answer and its thanks."""
    router = APIRouter(
        prefix="/capture/forms", include_in_schema=False, dependencies=[Depends(visitor)]
    )

    @router.get("/{form_id}")
    async def show(request: Request, form_id: str) -> Response:
        form = await _form(db, form_id)
        carried = {name: request.query_params.get(name, "")[:2000] for name in UTM}
        carried["referrer"] = (
            request.query_params.get("referrer") or request.headers.get("referer", "")
        )[:2000]
        carried["page_url"] = request.query_params.get("page_url", "")[:2000]
        typed = {
            q.name: request.query_params[q.name][:2000]
            for q in form.questions
            if q.name in request.query_params
        }
        return _show(request, form, typed, carried, token=new_id())

    @router.get("/{form_id}/thanks")
    async def thanks(request: Request, form_id: str) -> Response:
        form = await _form(db, form_id)
        return _pages.render(request, "capture/thanks.html", form=form)

    @router.post("/{form_id}")
    async def submit(request: Request, form_id: str) -> Response:
        form = await _form(db, form_id)
        body, content_type = await request.body(), request.headers.get("content-type", "")
        if media_type(content_type)[0] not in (URLENCODED, MULTIPART):
            raise Problem(415, "Unsupported media type", "Send the form as a browser does.")
        source = f"form:{form_id}"
        try:
            typed = dict(await form_pairs(content_type, body))
        except Problem as problem:
            await reception.keep(Refused(problem, content_type, body, source))
            raise
        if typed.get(HONEYPOT):
            spam = Problem(422, "Spam", "An input that people never see was filled in.")
            await reception.keep(Refused(spam, content_type, body, source))
            return _thank(form)
        try:
            await _take(reception, form, typed, str(request.url.replace(query="")))
        except Problem as problem:
            if problem.status not in (422, 503):
                raise
            if problem.status == 422:
                await reception.keep(Refused(problem, content_type, body, source))
            carried = {name: typed.get(name, "") for name in (*UTM, "referrer", "page_url")}
            return _show(request, form, typed, carried, problem=problem)
        return _thank(form)

    return router


async def _form(db: Database, form_id: str) -> HostedForm:
    form = None
    if _FORM_ID.fullmatch(form_id):
        form = await db.read(lambda conn: find_form(conn, form_id))
    if form is None:
        raise Problem(404, "No such form", "There is no form at this address (any more).")
    return form


async def _take(
    reception: Reception, form: HostedForm, typed: Mapping[str, str], page_url: str
) -> None:
    """Hand the submission in. Raises Problem."""
    members = nested((name, text) for name, text in typed.items() if name not in _OURS)
    members["form_id"] = form.form_id
    members.setdefault("page_url", page_url)
    members["consent"] = {  # in the form's own words, whatever was posted
        "purpose": form.consent_purpose,
        "granted": bool(typed.get("consent")),
        "text": form.consent_text,
        "basis": "consent",
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


def _thank(form: HostedForm) -> Response:
    return RedirectResponse(f"/capture/forms/{form.form_id}/thanks", status_code=303)


def _show(
    request: Request,
    form: HostedForm,
    typed: Mapping[str, str],
    carried: Mapping[str, str],
    *,
    token: str = "",
    problem: Problem | None = None,
) -> Response:
    found: list[dict[str, str]] = problem.extra.get("errors", []) if problem else []
    return _pages.render(
        request,
        "capture/form.html",
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
