"""The JSON API of qualify."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query

from services.qualify.domain.definition import InvalidDefinition
from services.qualify.domain.versions import Version
from services.qualify.handlers import definitions
from services.qualify.store.queries import find_version, lead_history, list_versions
from services.qualify.store.unit import Qualify
from services.qualify.views import score_view
from shared.access import Principal, Role, allow
from shared.contracts.definition import DefinitionBody
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.paging import decode_number, listing
from shared.runtime.unit import Transactions

Reader = Annotated[Principal, Depends(allow(Role.REP, Role.MARKETER, Role.ADMIN, Role.SERVICE))]
Author = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]
Explained = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN, Role.SERVICE))]
MAX_VERSION = 2**31 - 1
LIMIT = Query(ge=1, le=200)


def router(transactions: Transactions[Qualify]) -> APIRouter:
    """Routes under ``/qualify/v1``."""
    routes = APIRouter(prefix="/qualify/v1")
    _add_definitions(routes, transactions)
    _add_scores(routes, transactions.db)
    return routes


def _add_definitions(routes: APIRouter, transactions: Transactions[Qualify]) -> None:
    db = transactions.db

    @routes.get("/definitions", tags=["definitions"])
    async def list_definitions(
        _: Reader,
        cursor: str | None = None,
        status: Literal["draft", "published", "retired"] | None = None,
        limit: Annotated[int, LIMIT] = 50,
    ) -> dict[str, Any]:
        """Every version, newest first."""
        before = min(decode_number(cursor), MAX_VERSION) if cursor else None
        found = await db.read(lambda conn: list_versions(conn, before, limit + 1, status))
        more = found[limit - 1].version if len(found) > limit else None
        return listing([version_view(one) for one in found[:limit]], more)

    @routes.post("/definitions", status_code=201, tags=["definitions"])
    async def create_definition(
        author: Author,
        body: DefinitionBody,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> dict[str, Any]:
        """Write a version: a draft, until it is published. It can't be changed afterwards."""
        key = f"{author.key_id}:{idempotency_key}" if idempotency_key else None
        try:
            made = await transactions.run(
                lambda unit: definitions.create_definition(unit, body, key)
            )
        except InvalidDefinition as error:
            raise invalid(error) from None
        return version_view(made)

    @routes.get("/definitions/{version}", tags=["definitions"])
    async def get_definition(
        _: Reader, version: Annotated[str, Path(description="a number, or `published`")]
    ) -> dict[str, Any]:
        """One version."""
        number = None if version == "published" else _number(version)
        found = await db.read(lambda conn: find_version(conn, number))
        if found is None:
            raise _unknown(version)
        return version_view(found)

    @routes.post("/definitions/{version}/publish", tags=["definitions"])
    async def publish_definition(_: Author, version: str) -> dict[str, Any]:
        """Let this version score from now on, and retire the one that did. A retired version may
        be published again, to go back to it."""
        number = _number(version)
        made = await transactions.run(lambda unit: definitions.publish_definition(unit, number))
        return version_view(made)


def _add_scores(routes: APIRouter, db: Database) -> None:
    @routes.get("/leads/{lead_id}/score", tags=["scores"])
    async def get_score(
        _: Explained, lead_id: str, history: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> dict[str, Any]:
        """The newest decision about a lead: its score, exactly the sum of its contributions, the
        facts it was made from, and the decisions before."""
        found = await db.read(lambda conn: lead_history(conn, lead_id, history))
        if found is None or not found.decisions:
            raise Problem(404, "No such lead", "No lead with this id has been scored yet.")
        return score_view(found)


def version_view(version: Version) -> dict[str, Any]:
    """A version in the shape of the public interface."""
    return {
        **version.public(),
        "created_at": version.created_at,
        "published_at": version.published_at,
        "retired_at": version.retired_at,
        "proposal_id": version.proposal_id,
    }


def invalid(error: InvalidDefinition) -> Problem:
    """Every mistake in a document, with a JSON pointer each."""
    first = error.errors[0]
    return Problem(
        422,
        "The definition is not valid",
        f"{first.pointer}: {first.detail}",
        errors=[{"pointer": one.pointer, "detail": one.detail} for one in error.errors],
    )


def _number(version: str) -> int:
    if version.isascii() and version.isdigit() and 0 < int(version[:12]) <= MAX_VERSION:
        return int(version)
    raise _unknown(version)


def _unknown(version: str) -> Problem:
    which = "No version is published." if version == "published" else "There is no such version."
    return Problem(404, "No such definition", which)
