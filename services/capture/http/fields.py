"""Custom fields and synonyms: declared, seen, understood."""

from dataclasses import asdict, replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection

from services.capture.domain.fields import FieldDeclaration
from services.capture.domain.submission import STANDARD
from services.capture.domain.synonyms import Synonym, fold
from services.capture.handlers.fields import declare_fields, declare_one, understand_names
from services.capture.intake.model import LeadIn
from services.capture.store.queries import added_synonyms, declared_fields, seen_undeclared
from services.capture.store.seen import being_reread, came_lately
from services.capture.store.synonym_table import known_synonyms
from services.capture.store.unit import Capture
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions

Reader = Annotated[Principal, Depends(allow(Role.SERVICE, Role.MANAGER, Role.MARKETER, Role.ADMIN))]
Editor = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]

_PLAIN = r"^[^\x00]*$"
_OWN: Final = {fold(field): field for field in STANDARD}


class FieldIn(BaseModel):
    """The declaration of a custom field. A ``fact`` travels and may be used by criteria as
    ``fields.<name>``; what is ``personal`` goes to the rep alone."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\- ]{0,63}$")]
    label: Annotated[str, StringConstraints(max_length=200, pattern=_PLAIN)] = ""
    type: Literal["text", "number", "boolean", "choice"] = "text"
    options: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PLAIN)]],
        Field(max_length=200),
    ] = []
    kind: Literal["fact", "personal"] = "personal"


class FieldsIn(BaseModel):
    """All declarations, in their order."""

    items: Annotated[list[FieldIn], Field(max_length=200)]


class SynonymIn(BaseModel):
    """A name, and the field of a lead that it stands for; null for none."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_PLAIN)]
    field: Literal[
        "email", "phone", "first_name", "last_name", "full_name", "company", "job_title", "country",
        "employees", "industry", "website", "message", "form_id", "page_url", "referrer",
        "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
    ] | None  # fmt: skip


class SynonymsIn(BaseModel):
    """All that are to be understood beside the known ones."""

    items: Annotated[list[SynonymIn], Field(max_length=500)]


def add_fields(router: APIRouter, transactions: Transactions[Capture]) -> None:
    """Add the routes."""
    db = transactions.db

    @router.get("/fields", tags=["fields"])
    async def get_fields(_: Reader) -> dict[str, Any]:
        """The declared custom fields, and those that came undeclared (``seen``)."""
        return await db.read(_document)

    @router.put("/fields", tags=["fields"])
    async def put_fields(_: Editor, fields: FieldsIn) -> dict[str, Any]:
        """Declare exactly these from now on. Leads that have them already are read anew soon."""
        _check(fields)
        declared = [
            replace(declaration_of(field), position=at) for at, field in enumerate(fields.items)
        ]
        await transactions.run(lambda unit: declare_fields(unit, declared))
        return await db.read(_document)

    @router.post("/fields", tags=["fields"])
    async def post_field(_: Editor, field: FieldIn) -> dict[str, Any]:
        """Declare one more, or one anew. Leads that have it already are read anew soon."""
        one = declaration_of(field)
        await transactions.run(lambda unit: declare_one(unit, one))
        return await db.read(_document)

    @router.get("/fields/seen", tags=["fields"])
    async def get_seen(_: Editor) -> dict[str, Any]:
        """Fields that nobody declared, and values that could not be read, with how often they came
        in the newest submissions, and examples: personal data."""
        found = await db.read(came_lately)
        return {
            "items": [asdict(one) for one in found.undeclared],
            "unread": [asdict(one) for one in found.unread],
            "looked_at": found.looked_at,
        }

    @router.get("/synonyms", tags=["fields"])
    async def get_synonyms(_: Reader) -> dict[str, Any]:
        """Names that are understood as a field of a lead: those that were added (``items``), and
        those that come with the product (``known``)."""
        return await db.read(_synonyms)

    @router.put("/synonyms", tags=["fields"])
    async def put_synonyms(_: Editor, wanted: SynonymsIn) -> dict[str, Any]:
        """Have exactly these names understood beside the known ones, over which they win."""
        added = synonyms_of(wanted)
        await transactions.run(lambda unit: understand_names(unit, added))
        return await db.read(_synonyms)


def declaration_of(field: FieldIn) -> FieldDeclaration:
    """One declaration. Raises Problem 422 when it makes no sense."""
    _check(FieldsIn(items=[field]))
    label = field.label or field.name
    return FieldDeclaration(field.name, label, field.type, field.kind, tuple(field.options))


def synonyms_of(wanted: SynonymsIn) -> list[Synonym]:
    """The names, folded. Raises Problem 422 for one that says nothing or comes twice."""
    found: dict[str, Synonym] = {}
    for index, one in enumerate(wanted.items):
        name = fold(one.name)
        wrong = (
            "has no letter or digit" if not name else "stands here twice" if name in found else ""
        )
        if name in _OWN and one.field != _OWN[name]:
            wrong = f"is the name of the field {_OWN[name]}"
        if wrong:
            raise Problem(
                422,
                "The synonyms can't be used",
                f"/items/{index}/name {wrong}.",
                errors=[{"pointer": f"/items/{index}/name", "detail": wrong}],
            )
        found[name] = Synonym(name[:100], one.name, one.field)
    return list(found.values())


def _synonyms(conn: Connection) -> dict[str, Any]:
    return {
        "items": [{"name": one.written, "field": one.field} for one in added_synonyms(conn)],
        "known": known_synonyms(),
    }


def _document(conn: Connection) -> dict[str, Any]:
    return {
        "items": [
            {"name": d.name, "label": d.label, "type": d.type, "kind": d.kind,
             "options": list(d.options)}
            for d in declared_fields(conn)
        ],
        "seen": [asdict(seen) for seen in seen_undeclared(conn)],
        "being_read_anew": sorted(being_reread(conn)),
    }  # fmt: skip


def _check(fields: FieldsIn) -> None:
    """Raises Problem 422 for declarations that make no sense together."""
    errors: list[dict[str, str]] = []
    names: set[str] = set()
    for index, declared in enumerate(fields.items):
        place = f"/items/{index}"
        if declared.name in names:
            errors.append({"pointer": f"{place}/name", "detail": "is declared twice"})
        if declared.name in LeadIn.model_fields:
            errors.append({"pointer": f"{place}/name", "detail": "is a field every lead has"})
        if (declared.type == "choice") != bool(declared.options):
            errors.append(
                {"pointer": f"{place}/options", "detail": "are needed for a choice, and only there"}
            )
        names.add(declared.name)
    if errors:
        detail = f"{errors[0]['pointer']} {errors[0]['detail']}."
        raise Problem(422, "The fields can't be declared", detail, errors=errors)
