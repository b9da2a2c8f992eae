"""The pages on which marketing makes its forms."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from services.capture.domain.form import InputType
from services.capture.domain.form_reading import read_form
from services.capture.form_documents import ASKABLE, FORM_ID, FormIn
from services.capture.handlers.forms import close_form, save_form
from services.capture.store.catalogue import Catalogue
from services.capture.store.queries import declared_fields, list_forms, stored_form
from services.capture.store.unit import Capture
from services.capture.web.pages import PAGES
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.runtime.http import pointer
from shared.runtime.unit import Transactions

Editor = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]
MOST_HTML: Final = 60_000
TYPES: Final = [(kind, kind) for kind in get_args(InputType)]
ASKED: Final = ("name", "label", "type", "hint", "options", "posted_as", "autocomplete", "half")
TOLD: Final = (
    "title", "intro", "button", "consent_purpose", "consent_text", "thanks_title", "thanks_text",
    "thanks_url", "allowed_origins", "language",
)  # fmt: skip
EMPTY_ROW: Final = {**dict.fromkeys(ASKED, ""), "type": "text", "required": False}
EMPTY: Final[dict[str, Any]] = {
    "title": "Talk to us", "intro": "", "button": "Send", "consent_purpose": "marketing",
    "consent_text": "", "thanks_title": "Thank you", "thanks_text": "Your message has arrived.",
    "thanks_url": "", "allowed_origins": "", "language": "en",
    "questions": [
        {**EMPTY_ROW, "name": "email", "label": "Work e-mail", "type": "email", "required": True},
        {**EMPTY_ROW, "name": "company", "label": "Company", "required": True},
    ],
}  # fmt: skip
NOTICES: Final = {
    "saved": ("ok", "The form is saved, and shown like this from now on."),
    "closed": ("ok", "The form is closed: it takes no more leads. What came stays."),
}


def form_pages_router(transactions: Transactions[Capture], catalogue: Catalogue) -> APIRouter:
    """Routes of the pages under ``/capture/``."""
    router = APIRouter(prefix="/capture", include_in_schema=False)
    db = transactions.db

    @router.get("/")
    async def forms(request: Request, _: Editor, notice: str = "") -> Response:
        """Every form."""
        found = await db.read(list_forms)
        said = NOTICES.get(notice)
        return PAGES.render(request, "capture/forms.html", forms=found, notice=said)

    async def editor(
        request: Request,
        form_id: str,
        texts: Mapping[str, Any],
        status: int = 200,
        **more: Any,
    ) -> Response:
        stored, declared = await db.read(
            lambda conn: (stored_form(conn, form_id), declared_fields(conn))
        )
        names = [*ASKABLE, *(f"fields.{one.name}" for one in declared)]
        context = {
            "form_id": form_id, "stored": stored, "texts": texts, "names": names, "types": TYPES,
            "errors": {}, "notice": None, "problem": None, "at": None, **more,
        }  # fmt: skip
        return PAGES.render(request, "capture/form_edit.html", status_code=status, **context)

    @router.get("/new")
    async def new(request: Request, _: Editor) -> Response:
        """A form that is to be."""
        return await editor(request, "", EMPTY)

    @router.get("/edit/{form_id}")
    async def edit(request: Request, _: Editor, form_id: str, notice: str = "") -> Response:
        """A form as it is, and how to use it."""
        found = await db.read(lambda conn: stored_form(conn, form_id))
        if found is None:
            raise Problem(404, "No such form", "There is no form with this id.")
        said = NOTICES.get(notice)
        return await editor(request, form_id, _as_typed(found.document), notice=said)

    @router.post("/edit", dependencies=[Depends(check_csrf)])
    async def change(request: Request, who: Editor) -> Response:
        """Rows that move, HTML that is read, and the form that is saved."""
        sent = await request.form()
        texts, form_id, do = _typed(sent), _text(sent, "form_id"), _text(sent, "do")
        if do == "close":
            await transactions.run(lambda unit: close_form(unit, form_id))
            return RedirectResponse("/capture/?notice=closed", status_code=303)
        if do == "read":
            return await editor(request, form_id, **_read(texts, _text(sent, "html"), catalogue))
        if do != "save":
            return await editor(request, form_id, _rows_moved(texts, do))
        try:
            document = FormIn.model_validate(_meant(texts)).document()
            new_id = form_id or _text(sent, "new_id").lower()
            await transactions.run(lambda unit: _save(unit, form_id, new_id, document, who))
        except ValidationError as error:
            return await editor(request, form_id, texts, 422, errors=_errors(error))
        except Problem as problem:
            more = {"problem": problem, "new_id": _text(sent, "new_id")}
            return await editor(request, form_id, texts, problem.status, **more)
        return RedirectResponse(f"/capture/edit/{new_id}?notice=saved", status_code=303)

    return router


def _save(
    unit: Capture, form_id: str, new_id: str, document: dict[str, Any], who: Principal
) -> None:
    if not re.fullmatch(FORM_ID, new_id):
        raise Problem(
            422, "The form needs an id", "Small letters, digits, dots and dashes, like webinar-may."
        )
    if not form_id and unit.forms.fetch(new_id) is not None:
        raise Problem(409, "There is such a form", f"A form is called {new_id} already.")
    save_form(unit, new_id, document, who.key_id)


def _read(texts: dict[str, Any], html: str, catalogue: Catalogue) -> dict[str, Any]:
    """What the editor shows once it has read a form's HTML."""
    questions = read_form(html[:MOST_HTML], catalogue.synonyms.of)
    if not questions:
        problem = Problem(422, "No form was found", "Paste the HTML from <form to </form>.")
        return {"texts": texts, "status": 422, "problem": problem}
    rows = [
        {**EMPTY_ROW,
         **{name: getattr(q, name) for name in ("name", "label", "type", "required", "posted_as")},
         "options": ", ".join(q.options), "hint": ""}
        for q in questions
    ]  # fmt: skip
    known = sum(not row["name"].startswith("fields.") for row in rows)
    said = (
        "info",
        f"{len(rows)} inputs were read: {known} are fields that every lead has, "
        f"{len(rows) - known} are your own. Correct what is wrong, then save.",
    )
    return {"texts": {**texts, "questions": rows}, "notice": said}


def _as_typed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A form as it stands in the fields of its editor."""
    texts: dict[str, Any] = {name: document.get(name) or "" for name in TOLD}
    texts["allowed_origins"] = "\n".join(document.get("allowed_origins", ()))
    texts["questions"] = [
        {
            **EMPTY_ROW,
            **asked,
            "half": "on" if asked.get("half") else "",
            "options": ", ".join(asked.get("options", ())),
        }
        for asked in document["questions"]
    ]
    return texts


def _typed(sent: FormData) -> dict[str, Any]:
    texts: dict[str, Any] = {name: _text(sent, name) for name in TOLD}
    rows = []
    for number in range(60):
        if f"q-{number}-name" not in sent:
            break
        row: dict[str, Any] = {name: _text(sent, f"q-{number}-{name}") for name in ASKED}
        rows.append({**row, "required": bool(_text(sent, f"q-{number}-required"))})
    texts["questions"] = rows
    return texts


def _meant(texts: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, as a document."""
    document = {name: text for name, text in texts.items() if text != ""}
    document["allowed_origins"] = texts["allowed_origins"].split()
    document["questions"] = [
        {
            **{name: value for name, value in row.items() if value != ""},
            "half": bool(row["half"]),
            "options": [one.strip() for one in row["options"].split(",") if one.strip()],
        }
        for row in texts["questions"]
        if row["name"] or row["label"]
    ]
    return document


def _rows_moved(texts: dict[str, Any], do: str) -> dict[str, Any]:
    rows, (what, _, at) = list(texts["questions"]), do.partition("-")
    number = int(at) if at.isdecimal() and int(at) < len(rows) else None
    if what == "add":
        rows.append(dict(EMPTY_ROW))
    elif what == "remove" and number is not None:
        del rows[number]
    elif what == "up" and number:
        rows.insert(number - 1, rows.pop(number))
    return {**texts, "questions": rows}


def _errors(error: ValidationError) -> dict[str, str]:
    """Messages by the editor's fields."""
    found: dict[str, str] = {}
    for one in error.errors():
        place = pointer(one["loc"]).strip("/").split("/")
        name = "-".join(["q", *place[1:3]]) if place[0] == "questions" else place[0]
        message = one["msg"].removeprefix("Value error, ")
        found.setdefault(name if len(place) != 2 else f"{name}-name", message)
    return found


def _text(sent: FormData, name: str) -> str:
    value = sent.get(name)
    return value.strip().replace("\r\n", "\n") if isinstance(value, str) else ""
