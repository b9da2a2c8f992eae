"""The pages on which marketers write a new version and publish it. They work without scripts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from services.qualify.domain.facts import KNOWN_FIELDS
from services.qualify.domain.versions import Version
from services.qualify.handlers.definitions import create_definition, publish_definition
from services.qualify.store.queries import find_version
from services.qualify.store.unit import Qualify
from services.qualify.web.draft import Draft
from shared.access import Principal, Role, check_csrf, page_principal
from shared.conditions import OPERATORS
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.unit import Transactions
from shared.scorecard.differences import differences
from shared.web.pages import Pages

Author = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]
FIELD_HINTS = (
    *KNOWN_FIELDS,
    "activity.form_submitted",
    "activity.page_viewed",
    "activity.email_clicked",
    "activity.webinar_attended",
    "activity.any",
    "activity.any.days_ago",
)
LABELS = {
    "id": "name",
    "operator": "condition",
    "half_life_days": "half-life",
    "min_score": "from points",
    "note": "why this version",
    "cool_off_days": "cool-off in days",
}


def add_authoring(router: APIRouter, transactions: Transactions[Qualify], pages: Pages) -> None:
    """The editor and the publish page."""
    _add_editor(router, transactions, pages)
    _add_publish(router, transactions, pages)


def _add_editor(router: APIRouter, transactions: Transactions[Qualify], pages: Pages) -> None:
    @router.get("/definitions/new")
    async def edit(request: Request, _: Author, copy: int | None = None) -> Response:
        """A copy of a version, by default of the one that scores, to be changed."""
        base = await _version(transactions.db, copy)
        return _editor(pages, request, Draft.of_document(base.document), base.version)

    @router.post("/definitions/new", dependencies=[Depends(check_csrf)])
    async def save(request: Request, _: Author) -> Response:
        """Add or remove a row, or write the version."""
        form = dict(await request.form())
        base = _number(form.get("base"))
        draft = Draft.of_form(form)
        action, _sep, rest = str(form.get("do", "save")).partition(":")
        part, _sep, number = rest.partition(":")
        if action == "add":
            draft.add(part)
            return _editor(pages, request, draft, base, f"{part}-{len(draft.rows.get(part, []))}")
        if action == "remove":
            draft.remove(part, _number(number))
            place = min(_number(number) + 1, len(draft.rows.get(part, [])))
            return _editor(pages, request, draft, base, f"{part}-{place}")
        body = draft.check()
        if body is None:
            return _editor(pages, request, draft, base, status_code=422)
        made = await transactions.run(lambda unit: create_definition(unit, body))
        return _to_version(made.version, "created")


def _add_publish(router: APIRouter, transactions: Transactions[Qualify], pages: Pages) -> None:
    @router.get("/definitions/{version}/publish")
    async def confirm(request: Request, _: Author, version: int) -> Response:
        """What publishing would change, before it does."""
        return await _confirm(transactions.db, pages, request, version)

    @router.post("/definitions/{version}/publish", dependencies=[Depends(check_csrf)])
    async def publish(request: Request, _: Author, version: int) -> Response:
        """Publish, unless another version was published since the page was read."""
        seen = _number((await request.form()).get("instead_of"))
        try:
            await transactions.run(lambda unit: publish_definition(unit, version, seen))
        except Problem as problem:
            if problem.status != 409:
                raise
            return await _confirm(transactions.db, pages, request, version, stale=True)
        return _to_version(version, "published")


def _editor(
    pages: Pages,
    request: Request,
    draft: Draft,
    base: int,
    at: str | None = None,
    status_code: int = 200,
) -> Response:
    return pages.render(
        request,
        "qualify/editor.html",
        status_code=status_code,
        draft=draft,
        base=base,
        at=at,
        operators=[(operator.value, info.label) for operator, info in OPERATORS.items()],
        field_hints=FIELD_HINTS,
        errors=[(name, _place(name) + words) for name, words in draft.errors.items()],
    )


async def _confirm(
    db: Database, pages: Pages, request: Request, version: int, *, stale: bool = False
) -> Response:
    found = await _version(db, version)
    published = await db.read(lambda conn: find_version(conn, None))
    changes: list[Any] = differences(published.document, found.document) if published else []
    return pages.render(
        request,
        "qualify/publish.html",
        status_code=409 if stale else 200,
        version=found,
        published=published,
        changes=changes,
        stale=stale,
    )


async def _version(db: Database, version: int | None) -> Version:
    number = version if version is None or 0 < version < 2**31 else 0
    found = await db.read(lambda conn: find_version(conn, number))
    if found is None:
        raise Problem(404, "No such definition", "There is no such version.")
    return found


def _to_version(version: int, notice: str) -> Response:
    to = f"/qualify/definitions/{version}?notice={notice}"
    return RedirectResponse(to, status_code=303)


def _place(name: str) -> str:
    """``criteria-2-points`` as people count and the page calls it: ``Criterion 3, points: ``."""
    part, _, rest = name.partition("-")
    number, _, column = rest.partition("-")
    if not number.isdecimal():
        return f"{LABELS.get(name, name).capitalize()}: "
    title = {"criteria": "Criterion", "disqualifiers": "Disqualifier", "grades": "Grade"}[part]
    return f"{title} {int(number) + 1}, {LABELS.get(column, column)}: "


def _number(value: Any) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else 0
