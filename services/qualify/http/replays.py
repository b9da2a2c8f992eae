"""Replaying stored decisions, page by page, without changing anything."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from services.qualify.domain.replay import is_evaluation, mismatches
from services.qualify.http.callers import Author, Moment
from services.qualify.store.queries import (
    Place,
    count_decisions,
    decisions_between,
    find_version,
)
from services.qualify.store.unit import Compiled
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.paging import bad_cursor, decode_cursor, encode_cursor
from shared.scorecard.definition import Definition, InvalidDefinition

MOST = 1000
"""Decisions in one page."""


def replays_router(db: Database) -> APIRouter:
    """One page of replays."""
    routes = APIRouter()

    @routes.get("/replays", tags=["scores"])
    async def replay(
        _: Author,
        since: Moment | None = None,
        until: Moment | None = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 500,
    ) -> dict[str, Any]:
        """Makes the decisions of a window anew from their stored inputs, oldest first, and names
        every difference. `since` is part of the window, `until` is not. The first page says how
        many there are (`total`)."""
        if since is not None and until is not None and since > until:
            raise Problem(422, "No such window", "since must not be later than until.")
        place = _place(cursor)
        return await db.read(lambda conn: _page(conn, since, until, place, limit))

    return routes


def _page(
    conn: Connection,
    since: datetime | None,
    until: datetime | None,
    place: Place | None,
    limit: int,
) -> dict[str, Any]:
    found = decisions_between(conn, since, until, place, limit + 1)
    page, more = found[:limit], len(found) > limit
    compiled = Compiled()

    def definition_of(version: int) -> Definition | None:
        known = compiled.get(version)
        if known is not None:
            return known
        stored = find_version(conn, version)
        if stored is None:
            return None
        try:
            return compiled.add(version, stored.document)
        except InvalidDefinition:
            return None

    differences = []
    for decision in filter(is_evaluation, page):
        wrong = mismatches(decision, definition_of)
        if wrong:
            differences.append(
                {
                    "decision_id": decision.decision_id,
                    "lead_id": decision.lead_id,
                    "definition_version": decision.definition_version,
                    "decided_at": decision.decided_at,
                    "differences": [
                        {"what": one.what, "stored": one.stored, "replayed": one.replayed}
                        for one in wrong
                    ],
                }
            )
    skipped = sum(not is_evaluation(one) for one in page)
    last = page[-1] if more else None
    return {
        "total": count_decisions(conn, since, until) if place is None else None,
        "replayed": len(page) - skipped,
        "skipped": skipped,
        "items": differences,
        "next_cursor": last and encode_cursor(f"{last.decided_at.isoformat()}|{last.decision_id}"),
    }


def _place(cursor: str | None) -> Place | None:
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
