"""Reps and the policy: who gets leads, by which rules."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from services.routing.documents import PolicyIn, RepIn, RepPatch, rep_json
from services.routing.domain.reps import Rep
from services.routing.handlers import setting_up
from services.routing.store import reads
from services.routing.store.work import RoutingWork
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.clock import new_id
from shared.runtime.paging import decode_cursor, listing
from shared.runtime.unit_of_work import Transactions

Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Reader = Annotated[Principal, Depends(allow(Role.ADMIN, Role.MARKETER, Role.SERVICE, Role.REP))]
PolicyReader = Annotated[Principal, Depends(allow(Role.ADMIN, Role.MARKETER, Role.SERVICE))]


def reps_router(transactions: Transactions[RoutingWork]) -> APIRouter:
    """Routes under ``/routing/v1/reps`` and ``/routing/v1/policy``."""
    router = APIRouter(prefix="/routing/v1", tags=["set-up"])

    @router.get("/reps")
    async def list_reps(
        caller: Reader, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> dict[str, Any]:
        """Everybody who gets leads; a rep sees only themselves."""
        after = decode_cursor(cursor) if cursor else ""
        async with transactions.db.read() as conn:
            found = await reads.list_reps(conn, only=caller.rep_id, after=after, limit=limit)
        more = found[-1].rep_id if len(found) == limit else None
        return listing([rep_json(rep) for rep in found], more)

    @router.post("/reps", status_code=201)
    async def add_rep(_: Admin, body: RepIn) -> dict[str, Any]:
        """Add a rep, who starts level with the others and is not flooded."""
        values = body.model_dump()
        values["rep_id"] = body.rep_id or f"rep-{new_id()}"
        async with transactions.begin() as work:
            rep = await setting_up.add_rep(work, Rep(**values))
        return rep_json(rep)

    @router.patch("/reps/{rep_id}")
    async def change_rep(_: Admin, rep_id: str, body: RepPatch) -> dict[str, Any]:
        """Change a rep; what is left out stays as it is."""
        async with transactions.begin() as work:
            await work.pool()
            before = await work.reps.get(rep_id)
            if before is None:
                raise setting_up.no_such_rep()
            changed = replace(before, **body.model_dump(include=body.model_fields_set))
            rep = await setting_up.change_rep(work, changed)
        return rep_json(rep)

    @router.get("/policy")
    async def get_policy(_: PolicyReader) -> dict[str, Any]:
        """The policy in force."""
        async with transactions.db.read() as conn:
            return await reads.policy(conn)

    @router.put("/policy")
    async def put_policy(_: Admin, body: PolicyIn) -> dict[str, Any]:
        """Put the next version in force. With a ``version`` it must be the present one's number."""
        document = body.model_dump(exclude={"version"})
        async with transactions.begin() as work:
            await work.pool()
            present = (await work.policy()).version
            if body.version is not None and body.version != present:
                raise Problem(
                    409,
                    "The policy has changed",
                    f"Version {present} is in force, not {body.version}: read it and try again.",
                    version=present,
                )
            version = await setting_up.put_policy(work, document)
        return {"version": version, **document}

    return router
