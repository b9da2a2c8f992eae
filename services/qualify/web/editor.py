"""The editor: a definition in a form or as text, tried on past leads before anybody saves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.qualify.domain.versions import Version
from services.qualify.handlers.definitions import change_draft, create_definition
from services.qualify.store.queries import find_version
from services.qualify.store.unit import Qualify
from services.qualify.web.analyst import (
    LABELS,
    SEGMENTS,
    WINDOWS,
    Analyst,
    Answered,
    asked_of,
    while_there,
)
from services.qualify.web.charts import curve_of
from services.qualify.web.draft import Draft, in_words
from services.qualify.web.facts import hints
from services.qualify.web.moves import moved
from services.qualify.web.readers import Author, number, version_or_404
from services.qualify.web.sentences import error_list, views_of
from shared.access import Principal, check_csrf
from shared.conditions import OPERATORS
from shared.contracts.definition import DefinitionBody
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.unit import Transactions
from shared.scorecard.authoring import definition_of
from shared.scorecard.definition import InvalidDefinition
from shared.scorecard.documents import Form, read_document, to_yaml
from shared.web.pages import Pages

_OPERATORS: Final = [(operator.value, info.label) for operator, info in OPERATORS.items()]
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Editing:
    """What is edited: the draft ``version``, or a new one that began as a copy of ``base``."""

    version: int | None
    base: int
    seen: str
    """The ETag of the draft as it was read."""

    @property
    def action(self) -> str:
        """Where its form is sent."""
        if self.version is None:
            return "/qualify/definitions/new"
        return f"/qualify/definitions/{self.version}/edit"


@dataclass(slots=True)
class Sheet:
    """What stands on the page: a draft in the form, or text."""

    draft: Draft
    text: str | None = None
    """The text, where that is what is edited."""
    at: str | None = None
    """The field to go on in."""
    errors: list[tuple[str, str]] | None = None
    """Mistakes in the text, each with the field to go to; those of the form are the draft's own."""


class Editor:
    """Answers the requests of the editor's pages."""

    def __init__(self, transactions: Transactions[Qualify], pages: Pages, analyst: Analyst) -> None:
        self._transactions = transactions
        self._db = transactions.db
        self._pages = pages
        self._analyst = analyst

    async def open(self, request: Request, version: Version, *, copy: bool) -> Response:
        """A stored version in the form."""
        draft = Draft.of_document(version.document)
        if copy:
            draft.single["note"] = ""
            return await self._page(request, Editing(None, version.version, ""), Sheet(draft))
        editing = Editing(version.version, 0, version.etag)
        return await self._page(request, editing, Sheet(draft))

    async def take(self, request: Request, author: Principal, version: int | None) -> Response:
        """What was sent: a row more or less, text for the form, a trial, or to be saved."""
        form = dict(await request.form())
        editing = Editing(version, number(form.get("base")), str(form.get("seen", "")))
        as_text = form.get("mode") == "text"
        text = str(form.get("text", "")) if as_text else None
        sheet = Sheet(Draft.of_form({} if as_text else form), text)
        action = str(form.get("do", "save"))
        if action in ("text", "form"):
            return await self._turned(request, editing, sheet)
        if action == "try":
            return await self._tried(request, editing, sheet, form)
        if action not in ("save", "save-new"):
            sheet.at = moved(sheet.draft, action)
            return await self._page(request, editing, sheet)
        body = _checked(sheet)
        if body is None:
            return await self._page(request, editing, sheet, status_code=422)
        return await self._saved(request, editing, sheet, body, author, new=action == "save-new")

    async def _saved(
        self,
        request: Request,
        editing: Editing,
        sheet: Sheet,
        body: DefinitionBody,
        author: Principal,
        *,
        new: bool,
    ) -> Response:
        run = self._transactions.run
        if editing.version is None or new:
            made = await run(lambda unit: create_definition(unit, body, by=author.key_id))
            return _to_version(made.version, "created")
        try:
            change = partial(change_draft, version=editing.version, body=body, seen=editing.seen)
            await run(lambda unit: change(unit, by=author.key_id))
        except Problem as problem:
            if problem.status not in (409, 412):
                raise
            return await self._clash(request, editing, sheet, problem)
        return _to_version(editing.version, "changed")

    async def _clash(
        self, request: Request, editing: Editing, sheet: Sheet, problem: Problem
    ) -> Response:
        """Somebody else was faster. What was typed stays; saving again puts it over theirs, or
        makes a draft of its own where the version is no draft any more."""
        assert editing.version is not None
        stored = await version_or_404(self._db, editing.version)
        if problem.status == 409:
            editing = Editing(None, editing.version, "")
            clash = {"kind": "gone", "stored": stored}
        else:
            editing = Editing(editing.version, 0, stored.etag)
            clash = {"kind": "changed", "stored": stored}
        return await self._page(request, editing, sheet, status_code=409, clash=clash)

    async def _turned(self, request: Request, editing: Editing, sheet: Sheet) -> Response:
        """From the form to text, or back once the text can be read."""
        if sheet.text is None:
            sheet.text = to_yaml(sheet.draft.document())
            return await self._page(request, editing, sheet)
        body = _checked(sheet)
        if body is None:
            return await self._page(request, editing, sheet, status_code=422)
        sheet = Sheet(Draft.of_document(body.model_dump(mode="json")))
        return await self._page(request, editing, sheet)

    async def _tried(
        self, request: Request, editing: Editing, sheet: Sheet, form: Fields
    ) -> Response:
        """What it would have done with past leads; only that part of the page for a script."""
        body = _checked(sheet)
        part = form.get("part") == "trial"
        if body is None:
            if not part:
                return await self._page(request, editing, sheet, status_code=422)
            return self._part(request, Answered(asked_of(form), errors=_errors(sheet)), None)
        base = await self._published()
        document = body.model_dump(mode="json")
        asking = self._analyst.past(asked_of(form), document, editing.version, base)
        trial = await while_there(request, asking)
        if trial is None:
            return Response(status_code=204)  # nobody is there to read it
        if part:
            return self._part(request, trial, base)
        return await self._page(request, editing, sheet, trial=trial)

    def _part(self, request: Request, trial: Answered, base: Version | None) -> Response:
        return self._pages.render(
            request, "qualify/figures.html", published=base, **figures_of(trial)
        )

    async def _page(
        self,
        request: Request,
        editing: Editing,
        sheet: Sheet,
        status_code: int = 200,
        **more: Any,
    ) -> Response:
        trial = more.pop("trial", None) or Answered(asked_of({}))
        return self._pages.render(
            request,
            "qualify/editor.html",
            status_code=status_code,
            editing=editing,
            draft=sheet.draft,
            mode="form" if sheet.text is None else "text",
            text=sheet.text or "",
            at=sheet.at,
            errors=_errors(sheet),
            views=views_of(sheet.draft, sheet.at),
            operators=_OPERATORS,
            hints=await hints(self._db),
            labels=LABELS,
            windows=WINDOWS,
            segments=SEGMENTS,
            published=await self._published(),
            **figures_of(trial),
            **{"clash": None, **more},
        )

    async def _published(self) -> Version | None:
        return await self._db.read(lambda conn: find_version(conn, None))


def add_editor(router: APIRouter, editor: Editor, db: Database) -> None:
    """The editor's routes."""

    @router.get("/definitions/new")
    async def new(request: Request, _: Author, copy: int | None = None) -> Response:
        """A copy of a version, by default of the one that scores, to be changed."""
        return await editor.open(request, await version_or_404(db, copy), copy=True)

    @router.post("/definitions/new", dependencies=[Depends(check_csrf)])
    async def save_new(request: Request, author: Author) -> Response:
        """Change what is typed, try it, or write the version."""
        return await editor.take(request, author, None)

    @router.get("/definitions/{version}/edit")
    async def edit(request: Request, _: Author, version: int) -> Response:
        """A draft, to be changed; of any other version a copy."""
        found = await version_or_404(db, version)
        return await editor.open(request, found, copy=found.status != "draft")

    @router.post("/definitions/{version}/edit", dependencies=[Depends(check_csrf)])
    async def save(request: Request, author: Author, version: int) -> Response:
        """Change what is typed, try it, or write the draft."""
        await version_or_404(db, version)
        return await editor.take(request, author, version)


def figures_of(trial: Answered) -> dict[str, Any]:
    """What a template needs to show a trial."""
    found = trial.found
    curve = None if found is None else curve_of(found["curve"], found["candidate"]["threshold"])
    return {"trial": trial, "curve": curve}


def _checked(sheet: Sheet) -> DefinitionBody | None:
    """The definition, or None with the mistakes at their places."""
    if sheet.text is None:
        return sheet.draft.check()
    try:
        form: Form = "json" if sheet.text.lstrip().startswith("{") else "yaml"
        return definition_of(read_document(sheet.text.encode(), form))
    except InvalidDefinition as error:
        sheet.errors = [
            ("text", f"{one.pointer}: {in_words(one.detail)}".removeprefix(": "))
            for one in error.errors
        ]
        return None


def _errors(sheet: Sheet) -> list[tuple[str, str]]:
    return sheet.errors or error_list(sheet.draft)


def _to_version(version: int, notice: str) -> Response:
    to = f"/qualify/definitions/{version}?notice={notice}"
    return RedirectResponse(to, status_code=303)
