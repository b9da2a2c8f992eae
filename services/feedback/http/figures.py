"""Figures and hints."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.feedback.domain.hints import capture_hints, routing_hints
from services.feedback.domain.slices import By
from services.feedback.figure_filters import BreakdownFilters, slice_json
from services.feedback.figures_table import figures_table
from services.feedback.http.callers import Reader
from services.feedback.store import queries
from services.feedback.store.breakdown import breakdown
from services.feedback.store.figures import metrics
from services.feedback.store.hints import newest_answers
from services.feedback.store.unit import Feedback
from shared.contracts.vocabulary import Stage
from shared.runtime.unit import Transactions


def add_figures(
    api: APIRouter, transactions: Transactions[Feedback], stuck_after: Mapping[Stage, timedelta]
) -> None:
    """What marketing reads; a lead may stay in a stage for ``stuck_after``."""
    _add_figures(api, transactions, stuck_after)
    _add_hints(api, transactions)


def _add_figures(
    api: APIRouter, transactions: Transactions[Feedback], stuck_after: Mapping[Stage, timedelta]
) -> None:
    db, clock = transactions.db, transactions.clock

    @api.get("/metrics", tags=["figures"])
    async def get_metrics(_: Reader, asked: Annotated[BreakdownFilters, Query()]) -> dict[str, Any]:
        """Funnel, acceptance, reasons, SLA, times and conversion; rates with 95 % intervals.

        Of a period each figure takes those who entered its stage in it. ``by`` adds a
        ``breakdown``."""
        part, by, now = asked.part(), asked.by, clock.now()
        found = await db.read(lambda conn: metrics(conn, now, part))
        found["slice"] = slice_json(part)
        if by is not None:
            found["breakdown"] = await db.read(lambda conn: breakdown(conn, now, by, part))
        return found

    @api.get("/metrics.csv", tags=["figures"], response_class=Response)
    async def download_metrics(_: Reader, asked: Annotated[BreakdownFilters, Query()]) -> Response:
        """The figures by source, or what ``by`` says, as a table."""
        part, by, now = asked.part(), asked.by or By.SOURCE, clock.now()
        found = await db.read(lambda conn: breakdown(conn, now, by, part))
        return Response(
            figures_table(found),
            media_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="figures-by-{by}.csv"',
                "Cache-Control": "no-store",
            },
        )

    @api.get("/stages", tags=["figures"])
    async def get_stages(_: Reader) -> dict[str, Any]:
        """How many leads are in each stage, and which have been there too long."""
        return await db.read(lambda conn: queries.stages(conn, clock.now(), stuck_after))


def _add_hints(api: APIRouter, transactions: Transactions[Feedback]) -> None:
    @api.get("/hints", tags=["figures"])
    async def get_hints(_: Reader) -> dict[str, Any]:
        """What rejections teach routing (this rep, this territory) and capture (this form, this
        source, this field), where they are clearly more frequent than elsewhere."""

        def read(conn: Any) -> dict[str, Any]:
            answers = newest_answers(conn)
            return {
                "answers": len(answers),
                "routing": [one.document() for one in routing_hints(answers)],
                "capture": [one.document() for one in capture_hints(answers)],
            }

        return await transactions.db.read(read)
