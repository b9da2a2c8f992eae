"""The pages of the policy: the version in force, drafts in an editor, and publishing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from services.routing.documents import DraftIn
from services.routing.domain.policy import PolicyStatus, To, Written
from services.routing.domain.policy_check import OWN_FIELDS, Known, cautions
from services.routing.domain.policy_words import differences, when, whom
from services.routing.handlers import policies
from services.routing.store import queries
from services.routing.store.unit import Routing
from services.routing.web.policy_draft import (
    TEAM,
    Draft,
    blank_grade,
    blank_rule,
    blank_when,
)
from shared.access import Principal, Role, check_csrf, page_principal
from shared.conditions import OPERATORS
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.scorecard.facts import KNOWN_FIELDS
from shared.web.pages import Pages
from shared.web.typed import MOST_ROWS, shifted

Admin = Annotated[Principal, Depends(page_principal(Role.ADMIN))]
SEE_OTHER: Final = 303
VERSIONS: Final = 20
"""Versions on the first page of the policy."""
STATUS_KIND: Final = {"published": "ok", "draft": "info", "retired": ""}
NOTICES: Final[Mapping[str, tuple[str, str]]] = {
    "saved": ("ok", "The draft is saved. It gives nobody a lead until you publish it."),
    "published": ("ok", "The new version of the policy is in force."),
    "deleted": ("ok", "The draft is deleted."),
}
_OPERATORS: Final = [(operator.value, info.label) for operator, info in OPERATORS.items()]
Form = Mapping[str, Any]


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
        return "/routing/policy/" + ("new" if self.version is None else f"{self.version}/edit")


class PolicyPages:
    """Answers the requests of the policy's pages."""

    def __init__(self, transactions: Transactions[Routing], pages: Pages) -> None:
        self._transactions = transactions
        self._db = transactions.db
        self._pages = pages

    async def overview(self, request: Request, notice: str) -> Response:
        """The version in force in words, and every version with who published it and why."""

        def read(conn: Connection) -> dict[str, Any]:
            names = queries.names(conn)
            found = queries.list_policies(conn, None, VERSIONS)
            return {
                "policy": queries.policy_in_force(conn),
                "names": names,
                "versions": [(one, _changes(conn, one, names)) for one in found],
            }

        context = await self._db.read(read)
        return self._render(request, "policies.html", notice=NOTICES.get(notice), **context)

    async def version(self, request: Request, version: int, notice: str) -> Response:
        """One version in words, and what changes with it."""

        def read(conn: Connection) -> dict[str, Any]:
            found, names = version_or_404(conn, version), queries.names(conn)
            is_draft = found.status is PolicyStatus.DRAFT
            return {
                "policy": found,
                "names": names,
                "replaced": queries.replaced(conn, found),
                "changes": _changes(conn, found, names),
                "cautions": _cautions(found, queries.known(conn), names) if is_draft else [],
            }

        context = await self._db.read(read)
        return self._render(request, "policy.html", notice=NOTICES.get(notice), **context)

    async def open(self, request: Request, version: int | None, *, copy: bool) -> Response:
        """A version in the form: a draft, or a copy to be one."""
        found, known = await self._db.read(
            lambda conn: (
                queries.policy_in_force(conn) if version is None else version_or_404(conn, version),
                queries.known(conn),
            )
        )
        copy = copy or found.status is not PolicyStatus.DRAFT
        draft = Draft.of_document(found.document, "" if copy else found.note, known)
        editing = Editing(
            None if copy else found.version, found.version, "" if copy else found.etag
        )
        return await self._form(request, editing, draft)

    async def take(self, request: Request, admin: Principal, version: int | None) -> Response:
        """What was sent: a row more, less or elsewhere, a look at it, or to be saved."""
        form = dict(await request.form())
        base = str(form.get("base", ""))
        editing = Editing(
            version, int(base[:9]) if base.isdecimal() else 0, str(form.get("seen", ""))
        )
        draft, action = Draft.of_form(form), str(form.get("do", "save"))
        known = await self._db.read(queries.known)
        if action not in ("save", "save-new", "check"):
            return await self._form(request, editing, draft, at=moved(draft, action))
        body = draft.check(known)
        if body is None:
            return await self._form(request, editing, draft, status_code=422)
        if action == "check":
            return await self._form(request, editing, draft, checked=True)
        return await self._save(request, editing, draft, body, admin, new=action == "save-new")

    async def _save(
        self,
        request: Request,
        editing: Editing,
        draft: Draft,
        body: DraftIn,
        admin: Principal,
        *,
        new: bool,
    ) -> Response:
        document, by = body.document(), admin.key_id
        try:
            if editing.version is None or new:
                made = await self._transactions.run(
                    lambda unit: policies.create_draft(unit, document, body.note, by=by)
                )
            else:
                change = partial(policies.change_draft, version=editing.version, seen=editing.seen)
                made = await self._transactions.run(
                    lambda unit: change(unit, document=document, note=body.note, by=by)
                )
        except Problem as problem:
            if problem.status not in (409, 412):
                raise
            return await self._clash(request, editing, draft, problem)
        return _to(f"/{made.version}?notice=saved")

    async def _clash(
        self, request: Request, editing: Editing, draft: Draft, problem: Problem
    ) -> Response:
        """Somebody else was faster. What was typed stays: saving again puts it over theirs, or
        makes a draft of its own where the version is no draft any more."""
        if problem.status == 409:
            editing = Editing(None, editing.version or 0, "")
        else:
            editing = Editing(editing.version, 0, str(problem.extra.get("etag", "")))
        return await self._form(request, editing, draft, status_code=409, clash=problem)

    async def _form(
        self,
        request: Request,
        editing: Editing,
        draft: Draft,
        *,
        status_code: int = 200,
        at: str | None = None,
        **more: Any,
    ) -> Response:
        known, names = await self._db.read(lambda conn: (queries.known(conn), queries.names(conn)))
        touched = (at or "", *draft.errors, *draft.cautions)
        rows = [
            {
                "says": draft.sentence(index, known, names),
                "open": any(f"{name}-".startswith(f"rules-{index}-") for name in touched),
            }
            for index in range(len(draft.rules))
        ]
        teams = [(f"{TEAM}{one.team_id}", f"the team {one.name}") for one in known.teams.values()]
        context = {
            "editing": editing,
            "draft": draft,
            "rows": rows,
            "at": at,
            "operators": _OPERATORS,
            "fields": (*KNOWN_FIELDS, *OWN_FIELDS),
            "grades": sorted(known.grades),
            "reps": sorted(rep.name for rep in known.reps.values()),
            "targets": [
                (To.REPS.value, "these reps"),
                *teams,
                (To.ACCOUNT_OWNER.value, "whoever looks after the account"),
                (To.EVERYBODY.value, "everybody"),
            ],
            "fallbacks": [
                (To.EVERYBODY.value, "everybody"),
                *teams,
                (To.REPS.value, "these reps"),
                (To.NOBODY.value, "nobody: they wait"),
            ],
            "clash": None,
            "checked": False,
        }
        return self._render(
            request, "policy_editor.html", status_code=status_code, **{**context, **more}
        )

    async def confirm(
        self, request: Request, version: int, trouble: Problem | None = None
    ) -> Response:
        """What publishing changes, before it does; with ``trouble`` it has just failed."""

        def read(conn: Connection) -> dict[str, Any]:
            found, names = version_or_404(conn, version), queries.names(conn)
            return {
                "policy": found,
                "present": queries.policy_in_force(conn),
                "changes": _changes(conn, found, names),
                "cautions": _cautions(found, queries.known(conn), names),
                "waiting": queries.count_unrouted(conn),
            }

        context = await self._db.read(read)
        return self._render(
            request,
            "policy_publish.html",
            status_code=200 if trouble is None else trouble.status,
            trouble=trouble,
            **context,
        )

    async def publish(self, request: Request, admin: Principal, version: int) -> Response:
        """Put a draft in force, unless it or what it replaces is another than was read."""
        form = await request.form()
        instead = str(form.get("instead_of", ""))
        work = partial(
            policies.publish_draft,
            version=version,
            instead_of=int(instead[:9]) if instead.isdecimal() else None,
            seen=str(form.get("seen", "")) or None,
            by=admin.key_id,
        )
        try:
            await self._transactions.run(work)
        except Problem as problem:
            if problem.status not in (409, 412, 422):
                raise
            return await self.confirm(request, version, problem)
        return _to("?notice=published")

    async def delete(self, request: Request, version: int) -> Response:
        """Throw a draft away, unless somebody changed it since the page was read."""
        seen = str((await request.form()).get("seen", "")) or None
        await self._transactions.run(lambda unit: policies.delete_draft(unit, version, seen))
        return _to("?notice=deleted")

    def _render(
        self, request: Request, template: str, *, status_code: int = 200, **context: Any
    ) -> Response:
        return self._pages.render(
            request,
            template,
            status_code=status_code,
            status_kind=STATUS_KIND,
            whom=whom,
            when_words=when,
            **context,
        )


def add_policy_pages(router: APIRouter, transactions: Transactions[Routing], pages: Pages) -> None:
    """Add the routes of the policy's pages."""
    answers = PolicyPages(transactions, pages)

    @router.get("/routing/policy")
    async def overview(request: Request, _: Admin, notice: str = "") -> Response:
        """The policy in force and its versions."""
        return await answers.overview(request, notice)

    @router.get("/routing/policy/new")
    async def new(request: Request, _: Admin, copy: int | None = None) -> Response:
        """A copy of a version, by default of the one in force, to be changed."""
        return await answers.open(request, copy, copy=True)

    @router.post("/routing/policy/new", dependencies=[Depends(check_csrf)])
    async def save_new(request: Request, admin: Admin) -> Response:
        """Change what is typed, or write the draft."""
        return await answers.take(request, admin, None)

    @router.get("/routing/policy/{version}")
    async def version(request: Request, _: Admin, version: int, notice: str = "") -> Response:
        """One version."""
        return await answers.version(request, version, notice)

    @router.get("/routing/policy/{version}/edit")
    async def edit(request: Request, _: Admin, version: int) -> Response:
        """A draft, to be changed; of any other version a copy."""
        return await answers.open(request, version, copy=False)

    @router.post("/routing/policy/{version}/edit", dependencies=[Depends(check_csrf)])
    async def save(request: Request, admin: Admin, version: int) -> Response:
        """Change what is typed, or save the draft."""
        return await answers.take(request, admin, version)

    @router.get("/routing/policy/{version}/publish")
    async def confirm(request: Request, _: Admin, version: int) -> Response:
        """What publishing changes, before it does."""
        return await answers.confirm(request, version)

    @router.post("/routing/policy/{version}/publish", dependencies=[Depends(check_csrf)])
    async def publish(request: Request, admin: Admin, version: int) -> Response:
        """Put it in force."""
        return await answers.publish(request, admin, version)

    @router.post("/routing/policy/{version}/delete", dependencies=[Depends(check_csrf)])
    async def delete(request: Request, _: Admin, version: int) -> Response:
        """Throw a draft away."""
        return await answers.delete(request, version)


def moved(draft: Draft, action: str) -> str | None:
    """Do what one of the editor's small buttons says; the name of the field to go on in."""
    verb, _, place = action.partition(":")
    if verb == "add":
        path, _, form = place.partition(":")
        rows = draft.rows(path)
        if rows is None or len(rows) >= MOST_ROWS:
            return None
        here = f"{path}-{len(rows)}"
        if path == "rules":
            rows.append(blank_rule())
            return f"{here}-when-0-field"
        if path == "sla_by_grade":
            rows.append(blank_grade())
            return f"{here}-grade"
        rows.append(blank_when(form))
        return f"{here}-{'tree' if form == 'tree' else 'field'}"
    path, _, number = place.rpartition("-")
    rows = draft.rows(path)
    to = shifted(rows, number, verb) if rows is not None and verb in _MOVES else None
    return None if to is None else f"{path}-{to}"


_MOVES: Final = ("remove", "up", "down")


def version_or_404(conn: Connection, version: int) -> Written:
    """A version. Raises Problem 404."""
    found = queries.find_policy(conn, version) if 0 < version < 2**31 else None
    if found is None:
        raise Problem(404, "No such policy", "There is no such version.")
    return found


def _changes(conn: Connection, after: Written, names: Mapping[str, str]) -> list[Any]:
    return differences(queries.replaced(conn, after).document, after.document, names)


def _cautions(found: Written, known: Known, names: Mapping[str, str]) -> list[str]:
    """What is doubtful about a version, each with the rule it is about."""
    said = []
    for pointer, words in cautions(found.document, known):
        _, part, *rest = pointer.split("/")
        rule = found.document["rules"][int(rest[0])]["id"] if part == "rules" else ""
        place = {"rules": f"Rule {rule}: ", "fallback": "Leads of no rule: "}.get(part, "")
        said.append(place + words)
    return said


def _to(rest: str) -> Response:
    return RedirectResponse(f"/routing/policy{rest}", status_code=SEE_OTHER)
