"""The list of leads, and where each is."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from services.feedback.http.callers import LeadReader, Limit
from services.feedback.lead_filters import LeadFilters, cursor_of, place_behind
from services.feedback.store import queries
from services.feedback.store.leads import LeadFilter, Sort, count_leads, list_leads, place_of
from services.feedback.store.unit import Feedback
from shared.access import Role
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.csv_cells import cell
from shared.runtime.unit import Transactions

COLUMNS: Final = (
    "lead_id", "captured_at", "stage", "since", "rep_id", "score", "name", "company", "email",
    "phone", "source", "campaign", "form_id", "definition_version",
)  # fmt: skip
MOST_ROWS: Final = 100_000
CHUNK: Final = 1000


class LeadPage(LeadFilters):
    """A page of the list."""

    cursor: str | None = None
    limit: Limit = 100
    count: bool = False


def add_leads(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    """Lists and single leads."""
    db = transactions.db

    @api.get("/leads", tags=["leads"])
    async def get_leads(caller: LeadReader, asked: Annotated[LeadPage, Query()]) -> dict[str, Any]:
        """Leads with who they are and where they stand; for a rep those they have. ``count=true``
        adds how many there are, up to 10,001."""
        wish, sort, limit = asked.wish(caller), asked.sort, asked.limit
        after = place_behind(asked.cursor, sort)
        items = await db.read(lambda conn: list_leads(conn, wish, sort, after, limit + 1))
        more = len(items) > limit
        items = items[:limit]
        found: dict[str, Any] = {
            "items": items,
            "next_cursor": cursor_of(place_of(items[-1], sort), sort) if more else None,
        }
        if asked.count:
            found["count"] = await db.read(lambda conn: count_leads(conn, wish))
        return found

    @api.get("/leads.csv", tags=["leads"], response_class=StreamingResponse)
    async def download_leads(
        caller: LeadReader, asked: Annotated[LeadFilters, Query()]
    ) -> Response:
        """What is listed as a table, up to 100,000 rows."""
        name = 'attachment; filename="leads.csv"'
        return StreamingResponse(
            _table(db, asked.wish(caller), asked.sort),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": name, "Cache-Control": "no-store"},
        )

    @api.get("/leads/{lead_id}", tags=["leads"])
    async def get_lead(caller: LeadReader, lead_id: str) -> dict[str, Any]:
        """One lead's stage, its way there, and the outcomes that wait for its acceptance; for a rep
        those of their own leads."""
        lead = await db.read(lambda conn: queries.lead_history(conn, lead_id))
        if caller.role is Role.REP and (lead is None or lead["rep_id"] != caller.rep_id):
            raise Problem(403, "Not your lead", "A rep sees only the leads given to them.")
        if lead is None:
            raise Problem(404, "Unknown lead", "There is no lead with this lead_id.")
        return lead


async def _table(db: Database, wish: LeadFilter, sort: Sort) -> AsyncIterator[str]:
    """The rows in chunks, each of a read of its own: nothing is held open for a slow reader."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    after = None
    for _ in range(MOST_ROWS // CHUNK):
        start = after
        rows = await db.read(lambda conn: list_leads(conn, wish, sort, start, CHUNK))  # noqa: B023
        for row in rows:
            writer.writerow([_written(row[name]) for name in COLUMNS])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
        if len(rows) < CHUNK:
            return
        after = place_of(rows[-1], sort)


def _written(value: Any) -> str:
    return cell(value.isoformat() if hasattr(value, "isoformat") else value)
