"""The page on which marketers see what nobody declared, and declare it in one step."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from starlette.responses import Response

from services.capture.domain.fields import NAME, FieldDeclaration, FieldType, guess_type
from services.capture.domain.synonyms import Synonym, fold
from services.capture.handlers.fields import declare_one, understand_one
from services.capture.store.queries import added_synonyms, declared_fields
from services.capture.store.seen import LATELY, being_reread, came_lately
from services.capture.store.synonym_table import known_synonyms
from services.capture.store.unit import Capture
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

PLACE: Final = "/capture/fields"
NOTICES: Final = {
    "declared": "Declared. Leads that have this field already are being read anew.",
    "understood": "Understood from now on. Leads that have this field already are being read anew.",
}
OF_A_LEAD: Final = (
    ("first_name", "First name"), ("last_name", "Last name"), ("full_name", "Full name (split)"),
    ("company", "Company"), ("job_title", "Job title"), ("country", "Country"),
    ("employees", "Employees"), ("industry", "Industry"), ("website", "Website"),
    ("message", "Message"), ("phone", "Phone"), ("email", "E-mail"), ("utm_source", "Source"),
    ("utm_medium", "Medium"), ("utm_campaign", "Campaign"),
)  # fmt: skip
TYPES: Final[tuple[tuple[FieldType, str], ...]] = (
    ("text", "Text"), ("number", "Number"), ("boolean", "Yes or no"), ("choice", "One of a list"),
)  # fmt: skip
Marketer = Annotated[Principal, Depends(page_principal(Role.MARKETER, Role.ADMIN))]


def add_field_pages(router: APIRouter, transactions: Transactions[Capture], pages: Pages) -> None:
    """Add the routes."""

    async def show(request: Request, status: int = 200, **more: Any) -> Response:
        context = await transactions.db.read(_found)
        shown = {"notice": None, "problem": "", "typed": {}, **context, **more}
        return pages.render(request, "capture/fields.html", status_code=status, **shown)

    @router.get(PLACE)
    async def fields(request: Request, _: Marketer, notice: str = "") -> Response:
        """What is declared, what came undeclared, what could not be read."""
        return await show(request, notice=NOTICES.get(notice))

    @router.post(PLACE, dependencies=[Depends(check_csrf)])
    async def declare(request: Request, _: Marketer) -> Response:
        """Declare a field, or say which field of a lead a name stands for."""
        typed = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}
        try:
            if typed.get("do") == "understand":
                synonym = _synonym(typed)
                await transactions.run(lambda unit: understand_one(unit, synonym))
                notice = "understood"
            else:
                declaration = _declaration(typed)
                await transactions.run(lambda unit: declare_one(unit, declaration))
                notice = "declared"
        except Problem as problem:
            return await show(request, 422, problem=problem.detail, typed=typed)
        return RedirectResponse(f"{PLACE}?notice={notice}", status_code=303)


def _found(conn: Connection) -> dict[str, Any]:
    came, declared = came_lately(conn), declared_fields(conn)
    return {
        "declared": declared,
        "undeclared": [(one, guess_type(one.examples)) for one in came.undeclared],
        "unread": came.unread,
        "looked_at": came.looked_at,
        "lately": LATELY,
        "reading": being_reread(conn),
        "added": added_synonyms(conn),
        "known": known_synonyms(),
        "types": TYPES,
        "of_a_lead": OF_A_LEAD,
        "words": dict(OF_A_LEAD),
    }


def _declaration(typed: Mapping[str, str]) -> FieldDeclaration:
    """Raises Problem 422."""
    name, kind = typed.get("name", ""), typed.get("kind")
    options = tuple(dict.fromkeys(o.strip() for o in typed.get("options", "").split("\n")))
    options = tuple(one for one in options if one)
    type_ = next((one for one, _ in TYPES if one == typed.get("type")), None)
    if not NAME.fullmatch(name) or type_ is None or kind not in ("fact", "personal"):
        raise Problem(422, "Not declared", "Choose a type, and whether it is a fact or personal.")
    if type_ == "choice" and not options:
        raise Problem(422, "Not declared", "Write the values it may have, one a line.")
    if len(options) > 200 or any(len(one) > 200 for one in options):
        raise Problem(422, "Not declared", "At most 200 values of at most 200 characters each.")
    label = typed.get("label", "").strip()[:200].replace("\0", "") or name
    declared = FieldDeclaration(name, label, "text", "fact" if kind == "fact" else "personal")
    return replace(declared, type=type_, options=options if type_ == "choice" else ())


def _synonym(typed: Mapping[str, str]) -> Synonym:
    """Raises Problem 422."""
    name, field = typed.get("name", ""), typed.get("field", "")
    if not fold(name) or field not in dict(OF_A_LEAD):
        raise Problem(422, "Not understood", "Choose the field of a lead that the name stands for.")
    return Synonym(fold(name)[:100], name[:100], field)
