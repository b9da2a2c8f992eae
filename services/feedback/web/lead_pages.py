"""The page on which somebody looks for leads."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from starlette.responses import Response

from services.feedback.lead_filters import LeadFilters, cursor_of, place_behind
from services.feedback.store.leads import (
    COUNTED,
    WITH_SALES,
    Sort,
    count_leads,
    known_values,
    list_leads,
    place_of,
)
from services.feedback.store.unit import Feedback
from services.feedback.web.shell import PAGES
from shared.access import Principal, Role, page_principal
from shared.contracts.vocabulary import Stage
from shared.runtime.unit import Transactions
from shared.web.words import STAGE_WORDS

PLACE: Final = "/feedback/leads"
SHOWN: Final = 50
Visitor = Annotated[
    Principal, Depends(page_principal(Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN))
]
SORTS: Final = (
    (Sort.NEWEST, "newest first"),
    (Sort.OLDEST, "oldest first"),
    (Sort.MOVED_LAST, "moved last, first"),
    (Sort.WAITING_LONGEST, "longest in its stage first"),
    (Sort.BEST, "best score first"),
    (Sort.WORST, "lowest score first"),
)
TONES: Final = {
    Stage.WON: "ok", Stage.ACCEPTED: "ok", Stage.SQL: "ok", Stage.OPPORTUNITY: "ok",
    Stage.UNROUTED: "warn", Stage.REJECTED: "warn", Stage.LOST: "bad",
    Stage.ASSIGNED: "info", Stage.ACKNOWLEDGED: "info", Stage.MQL: "info",
}  # fmt: skip
CHOSEN: Final = (("source", "Source"), ("campaign", "Campaign"), ("form_id", "Form"))


def add(pages: APIRouter, transactions: Transactions[Feedback]) -> None:
    """Add the page."""

    @pages.get("/leads", response_class=HTMLResponse)
    async def leads(request: Request, who: Visitor, cursor: str | None = None) -> Response:
        """Leads by name, company, address, stage, owner and where they came from."""
        filters, faults = _asked(request)
        wish, sort = filters.wish(who), filters.sort
        after = place_behind(cursor, sort)
        rows, count, known = await transactions.db.read(
            lambda conn: (
                list_leads(conn, wish, sort, after, SHOWN + 1),
                count_leads(conn, wish),
                known_values(conn),
            )
        )
        return PAGES.render(
            request,
            "feedback/leads.html",
            status_code=422 if faults else 200,
            **_context(filters, rows, count, known, who),
            faults=faults,
            first_page=after is None,
        )


def _asked(request: Request) -> tuple[LeadFilters, list[tuple[str, str]]]:
    """What was asked for, without what can't be read, and what that is."""
    sent: dict[str, Any] = dict(request.query_params)
    sent["stage"] = request.query_params.getlist("stage")
    try:
        return LeadFilters.model_validate(sent), []
    except ValidationError as error:
        wrong = {str(one["loc"][0]): one["msg"] for one in error.errors()}
        kept = {name: value for name, value in sent.items() if name not in wrong}
        said = [(name, f"{name.replace('_', ' ').capitalize()}: {message}")
                for name, message in wrong.items()]  # fmt: skip
        return LeadFilters.model_validate(kept), said


def _context(
    filters: LeadFilters,
    rows: list[dict[str, Any]],
    count: int,
    known: dict[str, list[str]],
    who: Principal,
) -> dict[str, Any]:
    given, sort = filters.given(), filters.sort
    shown = rows[:SHOWN]
    more = cursor_of(place_of(shown[-1], sort), sort) if len(rows) > SHOWN else None
    asked = urlencode(given, doseq=True)
    return {
        "leads": [
            {
                **row,
                "stage": STAGE_WORDS[Stage(row["stage"])],
                "tone": TONES.get(row["stage"], ""),
                "owner": row["rep_id"] if row["stage"] in WITH_SALES else None,
            }
            for row in shown
        ],
        "count": f"more than {COUNTED:,}" if count > COUNTED else f"{count:,}",
        "one": count == 1,
        "filters": filters,
        "narrowed": bool(set(given) - {"sort"}),
        "details": bool(set(given) - {"q", "sort"}),
        "stages": [("", "any stage"), *((s.value, words) for s, words in STAGE_WORDS.items())],
        "stage": filters.stage[0].value if len(filters.stage) == 1 else "",
        "stages_asked": [STAGE_WORDS[one] for one in filters.stage],
        "sorts": [(one.value, words) for one, words in SORTS],
        "chosen": [
            (name, label, _options(known[name], getattr(filters, name))) for name, label in CHOSEN
        ],
        "owners": None if who.role is Role.REP else _options(known["rep_id"], filters.rep_id),
        "next_href": f"{PLACE}?{asked}&{urlencode({'cursor': more})}" if more else None,
        "csv_href": f"/feedback/v1/leads.csv?{asked}".rstrip("?"),
    }


def _options(values: list[str], chosen: str | None) -> list[tuple[str, str]]:
    """What may be chosen; what was asked for is among it, even if no newer lead has it."""
    told = values if chosen is None or chosen in values else [chosen, *values]
    return [("", "any"), *((one, one) for one in told)]
