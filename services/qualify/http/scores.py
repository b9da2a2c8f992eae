"""Why a lead has its score, and what would have changed it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from services.qualify.http.callers import Reader
from services.qualify.store.queries import find_version, lead_history
from services.qualify.views import score_view
from shared.contracts.problems import Problem
from shared.db.database import Database


def scores_router(db: Database) -> APIRouter:
    """The score of one lead."""
    routes = APIRouter()

    @routes.get("/leads/{lead_id}/score", tags=["scores"])
    async def get_score(
        _: Reader, lead_id: str, history: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> dict[str, Any]:
        """The newest decision about a lead: its score, exactly the sum of its contributions, the
        facts it was made from, what it missed, the smallest changes that would have qualified it,
        and the decisions before."""
        found = await db.read(lambda conn: _explained(conn, lead_id, history))
        if found is None:
            raise Problem(404, "No such lead", "No lead with this id has been scored yet.")
        return found

    return routes


def _explained(conn: Connection, lead_id: str, limit: int) -> dict[str, Any] | None:
    found = lead_history(conn, lead_id, limit)
    if found is None or not found.decisions:
        return None
    return score_view(found, find_version(conn, found.decisions[0].definition_version))
