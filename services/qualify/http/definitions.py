"""Reading and writing definitions."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from services.qualify.domain.schema import definition_schema
from services.qualify.domain.versions import Version
from services.qualify.domain.words import in_words
from services.qualify.handlers import definitions
from services.qualify.http.bodies import (
    DOCUMENTED,
    YAML,
    checked_in,
    definition_in,
    wants_yaml,
)
from services.qualify.http.callers import (
    MAX_VERSION,
    Author,
    Reader,
    errors_view,
    number_of,
    unknown,
)
from services.qualify.http.evidence import Evidence
from services.qualify.store.queries import find_version, list_versions
from services.qualify.store.unit import Qualify
from services.qualify.views import document_view, version_view
from shared.db.database import Database
from shared.runtime.paging import decode_number, listing
from shared.runtime.unit import Transactions
from shared.scorecard.definition import InvalidDefinition
from shared.scorecard.differences import differences
from shared.scorecard.documents import to_yaml

LIMIT = Query(ge=1, le=200)
Status = Literal["draft", "challenger", "published", "retired"]
IfMatch = Annotated[
    str | None, Header(max_length=200, description="The ETag of what was read: else 412.")
]


def definitions_router(transactions: Transactions[Qualify], evidence: Evidence) -> APIRouter:
    """List, read, check, write, change, delete and compare."""
    routes = APIRouter(tags=["definitions"])
    _add_checking(routes, evidence)
    _add_reading(routes, transactions.db)
    _add_writing(routes, transactions)
    return routes


def _add_checking(routes: APIRouter, evidence: Evidence) -> None:
    @routes.get("/definitions/schema")
    async def get_schema(_: Reader) -> Response:
        """The JSON Schema of a definition (draft 2020-12), for editors."""
        return JSONResponse(definition_schema(), media_type="application/schema+json")

    @routes.post("/definitions/check", openapi_extra=DOCUMENTED)
    async def check_definition(_: Author, request: Request) -> dict[str, Any]:
        """What is wrong with a definition, and what is doubtful, without storing it."""
        try:
            body = await checked_in(request)
        except InvalidDefinition as error:
            return {"valid": False, "errors": errors_view(error), "warnings": []}
        return {"valid": True, "errors": [], "warnings": await evidence.warnings(body)}


def _add_reading(routes: APIRouter, db: Database) -> None:
    @routes.get("/definitions")
    async def list_definitions(
        _: Reader,
        cursor: str | None = None,
        status: Status | None = None,
        limit: Annotated[int, LIMIT] = 50,
    ) -> dict[str, Any]:
        """Every version, newest first."""
        before = min(decode_number(cursor), MAX_VERSION) if cursor else None
        found = await db.read(lambda conn: list_versions(conn, before, limit + 1, status))
        more = found[limit - 1].version if len(found) > limit else None
        return listing([version_view(one) for one in found[:limit]], more)

    @routes.get("/definitions/{version}")
    async def get_definition(
        _: Reader,
        request: Request,
        response: Response,
        version: Annotated[str, Path(description="a number, or `published`")],
        format: Literal["json", "yaml"] | None = None,
    ) -> Any:
        """One version, as JSON or YAML (`Accept: application/yaml`, or `format=yaml`)."""
        found = await _find(db, version)
        if wants_yaml(request, format):
            text = to_yaml(document_view(found))
            return Response(text, media_type=YAML, headers={"ETag": found.etag})
        response.headers["ETag"] = found.etag
        return version_view(found)

    @routes.get("/definitions/{version}/diff")
    async def compare_documents(
        _: Reader, version: str, against: str = "published"
    ) -> dict[str, Any]:
        """What changes when this version takes the place of another, in words."""
        after, before = await _find(db, version), await _find(db, against)
        found = differences(before.document, after.document)
        return {
            "version": after.version,
            "against": before.version,
            "items": [
                {
                    "what": one.what,
                    "before": one.before,
                    "after": one.after,
                    "sentence": in_words(one),
                }
                for one in found
            ],
        }


def _add_writing(routes: APIRouter, transactions: Transactions[Qualify]) -> None:
    @routes.post("/definitions", status_code=201, openapi_extra=DOCUMENTED)
    async def create_definition(
        author: Author,
        request: Request,
        response: Response,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> dict[str, Any]:
        """Write a version: a draft, which can be changed until it is published or challenges."""
        body = await definition_in(request)
        key = f"{author.key_id}:{idempotency_key}" if idempotency_key else None
        made = await transactions.run(
            lambda unit: definitions.create_definition(unit, body, key, by=author.key_id)
        )
        response.headers["ETag"] = made.etag
        return version_view(made)

    @routes.put("/definitions/{version}", openapi_extra=DOCUMENTED)
    async def change_draft(
        author: Author, request: Request, response: Response, version: str, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Change a draft. What was published stays as it is (409)."""
        number = number_of(version)
        body = await definition_in(request)
        made = await transactions.run(
            lambda unit: definitions.change_draft(unit, number, body, if_match, by=author.key_id)
        )
        response.headers["ETag"] = made.etag
        return version_view(made)

    @routes.delete("/definitions/{version}", status_code=204)
    async def delete_draft(_: Author, version: str, if_match: IfMatch = None) -> None:
        """Throw a draft away."""
        number = number_of(version)
        await transactions.run(lambda unit: definitions.delete_draft(unit, number, if_match))


async def _find(db: Database, version: str) -> Version:
    number = None if version == "published" else number_of(version)
    found = await db.read(lambda conn: find_version(conn, number))
    if found is None:
        raise unknown(version)
    return found
