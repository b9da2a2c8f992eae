"""Publishing, challenging, and the re-scoring that follows."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from services.qualify.handlers import definitions
from services.qualify.handlers.definitions import Judged
from services.qualify.http.callers import Author, Reader, number_of
from services.qualify.http.definitions import IfMatch
from services.qualify.http.evidence import Evidence
from services.qualify.store.queries import find_rescore, find_version, list_rescores
from services.qualify.store.unit import Qualify
from services.qualify.views import rescore_view, version_view
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.paging import decode_cursor, listing
from shared.runtime.unit import Transactions

Reason = Annotated[str, Field(max_length=2000)]


class Publishing(BaseModel):
    """Why, and what was seen when it was decided; all of it may be left out."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""
    instead_of: int | None = None
    """The version that was published when this was decided: else 409."""
    override: Reason = ""
    """Why a challenger is published without the evidence that it should have."""


def publishing_router(transactions: Transactions[Qualify], evidence: Evidence) -> APIRouter:
    """Let a version score, or shadow-score."""
    routes = APIRouter()
    _add_publish(routes, transactions, evidence)
    _add_challenge(routes, transactions)
    _add_rescores(routes, transactions.db)
    return routes


def _add_publish(
    routes: APIRouter, transactions: Transactions[Qualify], evidence: Evidence
) -> None:
    @routes.post("/definitions/{version}/publish", tags=["definitions"])
    async def publish_definition(
        author: Author,
        version: str,
        given: Annotated[Publishing | None, Body()] = None,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Let this version score from now on, and retire the one that did. A retired version may
        be published again, to go back to it. A challenger needs evidence, or an `override`. The
        open leads are scored anew: see `/qualify/v1/rescores`."""
        number, asked = number_of(version), given or Publishing()
        override = asked.override.strip()
        judged = None if override else await judge(transactions.db, evidence, number)
        made = await transactions.run(
            lambda unit: definitions.publish_definition(
                unit,
                number,
                asked.instead_of,
                by=author.key_id,
                reason=asked.reason.strip(),
                seen=if_match,
                judged=judged,
                override=override,
            )
        )
        return version_view(made)


async def judge(db: Database, evidence: Evidence, version: int) -> Judged | None:
    """How a challenger compares with the published version; None for what is not on trial."""
    found, published = await db.read(
        lambda conn: (find_version(conn, version), find_version(conn, None))
    )
    if found is None or not found.on_trial or published is None:
        return None
    return Judged(published.version, await evidence.comparison(published, found))


def _add_challenge(routes: APIRouter, transactions: Transactions[Qualify]) -> None:
    @routes.post("/definitions/{version}/challenge", tags=["definitions"])
    async def challenge(_: Author, version: str) -> dict[str, Any]:
        """Let this version shadow-score every lead beside the published one. There is one
        challenger: the one before retires."""
        number = number_of(version)
        made = await transactions.run(lambda unit: definitions.challenge(unit, number))
        return version_view(made)

    @routes.post("/definitions/{version}/withdraw", tags=["definitions"])
    async def withdraw(_: Author, version: str) -> dict[str, Any]:
        """End this version's challenge: it retires."""
        number = number_of(version)
        made = await transactions.run(lambda unit: definitions.withdraw(unit, number))
        return version_view(made)


def _add_rescores(routes: APIRouter, db: Database) -> None:
    @routes.get("/rescores", tags=["re-scoring"])
    async def list_all(
        _: Reader, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> dict[str, Any]:
        """Each time that a new version took on the open leads, newest first, with how far it is."""
        before = decode_cursor(cursor) if cursor else None
        found = await db.read(lambda conn: list_rescores(conn, before, limit + 1))
        more = found[limit - 1].rescore_id if len(found) > limit else None
        return listing([rescore_view(one) for one in found[:limit]], more)

    @routes.get("/rescores/{rescore_id}", tags=["re-scoring"])
    async def get_one(_: Reader, rescore_id: str) -> dict[str, Any]:
        """How far one is."""
        found = await db.read(lambda conn: find_rescore(conn, rescore_id))
        if found is None:
            raise Problem(404, "No such run", "There is no re-scoring with this id.")
        return rescore_view(found)
