"""Replaying stored decisions, page by page, without changing anything."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from services.routing.documents import rfc3339
from services.routing.domain.explanation import Explanation
from services.routing.domain.replay import Mismatch, nothing, replayed
from services.routing.store import decisions
from services.routing.store.queries import policies_by_version
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.paging import bad_cursor, decode_cursor, encode_cursor

MOST = 1000
"""Decisions in one page."""
Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]


def replays_router(db: Database) -> APIRouter:
    """One page of replays."""
    router = APIRouter(prefix="/routing/v1", tags=["policy"])

    @router.get("/replays")
    async def replay(
        _: Admin,
        since: Moment | None = None,
        until: Moment | None = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 500,
    ) -> dict[str, Any]:
        """Makes the decisions of a window anew from what they rested on, oldest first, and names
        every difference. `since` is part of the window, `until` is not. The first page says how
        many there are (`total`); those from before it was kept are `skipped`."""
        if since is not None and until is not None and since > until:
            raise Problem(422, "No such window", "since must not be later than until.")
        place = _place(cursor)
        return await db.read(lambda conn: _page(conn, since, until, place, limit))

    return router


def _page(
    conn: Connection,
    since: datetime | None,
    until: datetime | None,
    place: decisions.Place | None,
    limit: int,
) -> dict[str, Any]:
    found = decisions.between(conn, since, until, place, limit + 1)
    page, more = found[:limit], len(found) > limit
    kept = [one for one in page if one.pool_id is not None and one.inputs is not None]
    wrong = _differences(conn, kept)
    last = page[-1] if more else None
    return {
        "total": decisions.count(conn, since, until) if place is None else None,
        "replayed": len(kept),
        "skipped": len(page) - len(kept),
        "items": [_item(one, wrong[one.decision_id]) for one in kept if wrong[one.decision_id]],
        "next_cursor": last and encode_cursor(f"{last.decided_at.isoformat()}|{last.decision_id}"),
    }


def _differences(conn: Connection, page: Sequence[Explanation]) -> dict[str, list[Mismatch]]:
    """What differs, by decision; [] for one that comes out as it is stored."""
    wrong = {one.decision_id: [nothing("record of the reps")] for one in page}
    records = decisions.chains(conn, [one.pool_id for one in page if one.pool_id is not None])
    rested = decisions.of_records(conn, records)
    for one in replayed(records, rested, policies_by_version(conn)):
        if one.decision.decision_id in wrong:
            wrong[one.decision.decision_id] = one.mismatches
    owners = decisions.owners(conn, page)
    for made in page:
        owner = owners.get((made.lead_id, made.cycle, made.attempt))
        if made.rep_id is not None and owner != made.rep_id:
            what = Mismatch("rep of the assignment", owner, made.rep_id)
            wrong[made.decision_id] = [*wrong[made.decision_id], what]
    return wrong


def _item(made: Explanation, wrong: Sequence[Mismatch]) -> dict[str, Any]:
    return {
        "decision_id": made.decision_id,
        "lead_id": made.lead_id,
        "policy_version": made.policy_version,
        "decided_at": rfc3339(made.decided_at),
        "differences": [
            {"what": one.what, "stored": one.stored, "replayed": one.replayed} for one in wrong
        ],
    }


def _place(cursor: str | None) -> decisions.Place | None:
    if not cursor:
        return None
    moment, _, decision_id = decode_cursor(cursor).partition("|")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise bad_cursor() from None
    if at.tzinfo is None or "\0" in decision_id:
        raise bad_cursor()
    return at, decision_id
