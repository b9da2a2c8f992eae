"""Trying a policy or a changed team on a past time."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.routing.documents import PolicyIn, RepId, RepPatch
from services.routing.domain.policy import BUILT_IN
from services.routing.domain.policy_check import faults
from services.routing.simulating import Simulate
from services.routing.store import queries
from shared.access import Principal, Role, allow
from shared.conditions import did_you_mean
from shared.contracts.problems import Problem
from shared.db.database import Database

Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]


class SimulationIn(BaseModel):
    """What to try, and on which time."""

    model_config = ConfigDict(extra="forbid")

    policy_version: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """0 is the built-in one."""
    policy: PolicyIn | None = None
    """Instead of a version. With neither, the policy in force is tried, with other reps."""
    reps: Annotated[dict[RepId, RepPatch], Field(max_length=1000)] = {}
    """Other fields for some reps."""
    first: Annotated[Moment, Field(alias="from")]
    last: Annotated[Moment, Field(alias="to")]


def simulations_router(db: Database, simulate: Simulate) -> APIRouter:
    """Trying before publishing."""
    router = APIRouter(prefix="/routing/v1", tags=["policy"])

    @router.post("/simulations")
    async def simulation(_: Admin, body: SimulationIn) -> dict[str, Any]:
        """Who would have had the leads of a past time with this policy and these reps, beside who
        had them. Writes nothing.

        Leads come in as they came. While a lead has the reps it had in truth, each attempt ends as
        it did; another rep answers as they usually did in that time, or as all together where they
        had fewer than five. At most the newest 20,000 leads are played (`cut`). `off` tells how
        many leads the same model gives to others than in truth when nothing is changed."""
        document, known = await db.read(
            lambda conn: (_document(conn, body), set(queries.known(conn).reps))
        )
        errors = [
            {"pointer": f"/reps/{rep_id}", "detail": _no_such(rep_id, known)}
            for rep_id in body.reps
            if rep_id not in known
        ]
        if body.first >= body.last:
            errors.append({"pointer": "/to", "detail": "has to be later than from"})
        if errors:
            raise Problem(422, "This can't be tried", "See errors.", errors=errors)
        reps = {
            rep_id: patch.model_dump(mode="json", include=patch.model_fields_set)
            for rep_id, patch in body.reps.items()
        }
        return await simulate(document, reps, body.first, body.last)

    return router


def _document(conn: Any, body: SimulationIn) -> dict[str, Any]:
    if body.policy is not None:
        document = body.policy.document()
        if errors := faults(document, queries.known(conn)):
            raise Problem(
                422,
                "This can't be used",
                "See errors.",
                errors=[{"pointer": f"/policy{at}", "detail": said} for at, said in errors],
            )
        return document
    if body.policy_version is None:
        return queries.policy_in_force(conn).whole
    built_in = body.policy_version == BUILT_IN.version
    found = BUILT_IN if built_in else queries.find_policy(conn, body.policy_version)
    if found is None:
        raise Problem(404, "No such policy", f"There is no version {body.policy_version}.")
    return found.whole


def _no_such(rep_id: str, known: set[str]) -> str:
    close = did_you_mean(rep_id, known)
    return f"no such rep; did you mean {close}?" if close else "no such rep"
