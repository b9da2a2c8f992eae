"""Versions of the policy: read, written, checked, published."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response
from sqlalchemy import Connection

from services.routing.documents import DraftIn, PolicyIn, PublishIn, written_json
from services.routing.domain.policy import PolicyStatus, Written
from services.routing.domain.policy_check import cautions, faults
from services.routing.domain.policy_words import differences
from services.routing.handlers import policies
from services.routing.store import queries
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.paging import decode_number, listing
from shared.runtime.unit import Transactions

MAX_VERSION = 2**31 - 1
Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Reader = Annotated[Principal, Depends(allow(Role.ADMIN, Role.MARKETER, Role.SERVICE))]
Version = Annotated[int, Path(ge=1, le=MAX_VERSION)]
IfMatch = Annotated[
    str | None, Header(max_length=200, description="The ETag of what was read: else 412.")
]


def policies_router(transactions: Transactions[Routing]) -> APIRouter:
    """Routes under ``/routing/v1/policy`` and ``/routing/v1/policies``."""
    router = APIRouter(prefix="/routing/v1", tags=["policy"])
    _in_force(router, transactions)
    _reading(router, transactions)
    _writing(router, transactions)
    return router


def _in_force(router: APIRouter, transactions: Transactions[Routing]) -> None:
    @router.get("/policy")
    async def get_policy(_: Reader, response: Response) -> dict[str, Any]:
        """The policy in force."""
        found = await transactions.db.read(queries.policy_in_force)
        response.headers["ETag"] = found.etag
        return {"version": found.version, **found.whole}

    @router.put("/policy")
    async def put_policy(
        caller: Admin, body: PolicyIn, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Put the next version in force at once. With a ``version`` it must be the present one's
        number."""
        document = body.document()
        made = await transactions.run(
            lambda unit: policies.put_policy(
                unit, document, body.version, if_match, by=caller.key_id
            )
        )
        response.headers["ETag"] = made.etag
        return {"version": made.version, **made.whole}


def _reading(router: APIRouter, transactions: Transactions[Routing]) -> None:
    db = transactions.db

    @router.get("/policies")
    async def list_policies(
        _: Reader,
        cursor: str | None = None,
        status: Literal["draft", "published", "retired"] | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """Every version, newest first: who published it when, and what changed with it."""
        below = min(decode_number(cursor), MAX_VERSION) if cursor else None

        def read(conn: Connection) -> list[dict[str, Any]]:
            found = queries.list_policies(conn, below, limit + 1, status)
            names = queries.names(conn)
            return [
                {**written_json(one), "changes": _changes(one, queries.replaced(conn, one), names)}
                for one in found
            ]

        found = await db.read(read)
        more = found[limit - 1]["version"] if len(found) > limit else None
        return listing(found[:limit], more)

    @router.get("/policies/{version}")
    async def get_version(_: Reader, version: Version, response: Response) -> dict[str, Any]:
        """One version, with what it changes and, of a draft, what is doubtful about it."""

        def read(conn: Connection) -> tuple[Written, dict[str, Any]]:
            found = _found(conn, version)
            changes = _changes(found, queries.replaced(conn, found), queries.names(conn))
            return found, {"changes": changes, "warnings": _warnings(conn, found)}

        found, more = await db.read(read)
        response.headers["ETag"] = found.etag
        return {**written_json(found), **more}

    @router.post("/policies/check")
    async def check_policy(_: Admin, body: DraftIn) -> dict[str, Any]:
        """What is wrong with a policy, and what is doubtful, without keeping it."""
        document = body.document()

        def read(conn: Connection) -> dict[str, Any]:
            known = queries.known(conn)
            errors = faults(document, known)
            warnings = [] if errors else cautions(document, known)
            return {
                "valid": not errors,
                "errors": _listed(errors),
                "warnings": _listed(warnings),
            }

        return await db.read(read)


def _writing(router: APIRouter, transactions: Transactions[Routing]) -> None:
    @router.post("/policies", status_code=201)
    async def create_draft(caller: Admin, body: DraftIn, response: Response) -> dict[str, Any]:
        """Write a version: a draft, which can be changed until it is published."""
        document = body.document()
        made = await transactions.run(
            lambda unit: policies.create_draft(unit, document, body.note, by=caller.key_id)
        )
        response.headers["ETag"] = made.etag
        return written_json(made)

    @router.put("/policies/{version}")
    async def change_draft(
        caller: Admin, version: Version, body: DraftIn, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Change a draft. What was published stays as it is (409)."""
        document = body.document()
        made = await transactions.run(
            lambda unit: policies.change_draft(
                unit, version, document, body.note, if_match, by=caller.key_id
            )
        )
        response.headers["ETag"] = made.etag
        return written_json(made)

    @router.delete("/policies/{version}", status_code=204)
    async def delete_draft(_: Admin, version: Version, if_match: IfMatch = None) -> None:
        """Throw a draft away."""
        await transactions.run(lambda unit: policies.delete_draft(unit, version, if_match))

    @router.post("/policies/{version}/publish")
    async def publish(
        caller: Admin,
        version: Version,
        response: Response,
        given: Annotated[PublishIn | None, Body()] = None,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Put a draft in force, and retire what was."""
        instead_of = given.instead_of if given is not None else None
        made = await transactions.run(
            lambda unit: policies.publish_draft(
                unit, version, instead_of, if_match, by=caller.key_id
            )
        )
        response.headers["ETag"] = made.etag
        return written_json(made)


def _found(conn: Connection, version: int) -> Written:
    found = queries.find_policy(conn, version)
    if found is None:
        raise Problem(404, "No such policy", f"There is no version {version}.")
    return found


def _changes(after: Written, before: Written, names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"what": one.what, "before": one.before, "after": one.after}
        for one in differences(before.document, after.document, names)
    ]


def _warnings(conn: Connection, found: Written) -> list[dict[str, str]]:
    if found.status is not PolicyStatus.DRAFT:
        return []
    return _listed(cautions(found.document, queries.known(conn)))


def _listed(found: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"pointer": pointer, "detail": detail} for pointer, detail in found]
