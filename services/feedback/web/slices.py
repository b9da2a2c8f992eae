"""The form that says whose figures the overview shows, and the figures beside each other."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from pydantic import ValidationError
from sqlalchemy import Connection, select

from services.feedback.domain.slices import By
from services.feedback.figure_filters import BreakdownFilters
from services.feedback.store.leads import known_values
from services.feedback.store.tables import definitions
from shared.web.formats import percent

SHOWN: Final = 25
BY_WORDS: Final[Mapping[By, str]] = {
    By.SOURCE: "Source",
    By.CAMPAIGN: "Campaign",
    By.VERSION: "Definition",
    By.REP: "Rep",
}
NOTHING: Final[Mapping[By, str]] = {
    By.SOURCE: "No source given",
    By.CAMPAIGN: "No campaign given",
    By.VERSION: "Not scored yet",
    By.REP: "Given to nobody",
}
FIELDS: Final = {"from": "From", "to": "To", "version": "Definition", "by": "Side by side"}


def asked_for(request: Request) -> tuple[BreakdownFilters, list[tuple[str, str]]]:
    """What was asked for, without what can't be read, and what that is."""
    sent = dict(request.query_params)
    try:
        return BreakdownFilters.model_validate(sent), []
    except ValidationError as error:
        wrong = {str(one["loc"][0]): one["msg"] for one in error.errors()}
        kept = {name: value for name, value in sent.items() if name not in wrong}
        said = [(name, f"{FIELDS.get(name, name)}: {text}") for name, text in wrong.items()]
        return BreakdownFilters.model_validate(kept), said


def form_view(conn: Connection, asked: BreakdownFilters) -> dict[str, Any]:
    """What stands in the form, and what it offers."""
    known = known_values(conn)
    column = definitions.c.version
    versions = [str(one) for one in conn.execute(select(column).order_by(column.desc())).scalars()]
    part = asked.part()
    version = "" if asked.version is None else str(asked.version)
    given = asked.model_dump(mode="json", by_alias=True, exclude_none=True)
    until = asked.until and asked.until - timedelta(microseconds=1)
    return {
        "filters": {
            "from": f"{asked.since:%Y-%m-%d}" if asked.since else "",
            "to": f"{until:%Y-%m-%d}" if until else "",
            "source": asked.source or "",
            "campaign": asked.campaign or "",
            "rep_id": asked.rep_id or "",
            "version": version,
            "by": asked.by or By.SOURCE,
        },
        "narrowed": part.narrows,
        "choices": [
            ("source", "Source", _options(known["source"], asked.source or "")),
            ("campaign", "Campaign", _options(known["campaign"], asked.campaign or "")),
            ("version", "Definition", _options(versions, version)),
            ("rep_id", "Rep", _options(known["rep_id"], asked.rep_id or "")),
        ],
        "bys": [(by.value, words) for by, words in BY_WORDS.items()],
        "csv_href": f"/feedback/v1/metrics.csv?{urlencode(given)}".rstrip("?"),
    }


def side_by_side(found: Mapping[str, Any]) -> dict[str, Any]:
    """The breakdown as rows and as a picture."""
    by = By(found["by"])
    rows = [{**row, "label": _label(by, row["value"])} for row in found["items"][:SHOWN]]
    left = len(found["items"]) - len(rows) + (found["others"]["values"] if found["others"] else 0)
    return {
        "by_word": BY_WORDS[by],
        "rows": rows,
        "left": left,
        "bars": [
            {
                "label": row["label"],
                "value": rate["rate"],
                "text": f"{percent(rate['rate'])} ({percent(rate['low'])} to "
                f"{percent(rate['high'])}; {rate['count']:,} of {rate['of']:,})",
            }
            for row in rows[:12]
            if (rate := row["acceptance"]["of_answered"])["of"]
        ],
    }


def _label(by: By, value: Any) -> str:
    if value is None:
        return NOTHING[by]
    return f"Version {value}" if by is By.VERSION else str(value)


def _options(values: list[str], chosen: str) -> list[tuple[str, str]]:
    """What may be chosen; what was asked for is among it."""
    told = values if not chosen or chosen in values else [chosen, *values]
    return [("", "all"), *((one, one) for one in told)]
