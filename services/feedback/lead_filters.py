"""Which leads a list is of, as it is written in an address: the same for programs and pages."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from services.feedback.store.leads import LeadFilter, Place, Sort
from shared.access import Principal, Role
from shared.contracts.vocabulary import Stage
from shared.runtime.paging import bad_cursor, decode_cursor, encode_cursor


def _day_or_time(value: Any) -> Any:
    """A day is its first moment, in UTC."""
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        return f"{value}T00:00:00Z"
    return value


def blank_is_none(value: Any) -> Any:
    """What a form sends for a field that is left empty."""
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[Annotated[str, Field(max_length=400)] | None, BeforeValidator(blank_is_none)]
Moment = Annotated[
    Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None,
    BeforeValidator(_day_or_time),
    BeforeValidator(blank_is_none),
]
Stages = Annotated[
    list[Stage],
    BeforeValidator(
        lambda value: [one for one in value if one] if isinstance(value, list) else value
    ),
]


class LeadFilters(BaseModel):
    """Filters and order of the list of leads; all that is given has to hold."""

    model_config = ConfigDict(extra="ignore")

    q: Annotated[str, Field(max_length=400)] = ""
    """The beginnings of names, of a company or an address, a phone number, or an id."""
    email: Text = None
    """This address, whatever its case."""
    stage: Stages = []
    """May be given several times: one of these."""
    rep_id: Text = None
    source: Text = None
    campaign: Text = None
    form_id: Text = None
    captured_from: Moment = None
    """A day, or a time with its offset from UTC."""
    captured_to: Moment = None
    """Before this day or time."""
    sort: Sort = Sort.NEWEST

    def wish(self, caller: Principal) -> LeadFilter:
        """What the store is asked for on behalf of this caller: reps see their own."""
        return LeadFilter(
            words=self.q,
            email=self.email,
            stages=tuple(self.stage),
            own_of=(caller.rep_id or "") if caller.role is Role.REP else None,
            **{
                name: getattr(self, name)
                for name in (
                    "rep_id", "source", "campaign", "form_id", "captured_from", "captured_to",
                )
            },
        )  # fmt: skip

    def given(self) -> Mapping[str, Any]:
        """What was asked for, as an address has it."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude_none=True)


def cursor_of(place: Place, sort: Sort) -> str:
    """Where the next page of this order begins."""
    return encode_cursor(orjson.dumps([sort, *place]).decode())


def place_behind(cursor: str | None, sort: Sort) -> Place | None:
    """The place behind a cursor of this order. Raises Problem 400 for any other."""
    if not cursor:
        return None
    try:
        order, value, lead_id = orjson.loads(decode_cursor(cursor))
        if order != sort or not isinstance(lead_id, str):
            raise bad_cursor()
        if sort in (Sort.MOVED_LAST, Sort.WAITING_LONGEST):
            value = datetime.fromisoformat(value)
        elif sort in (Sort.BEST, Sort.WORST):
            value = int(value)
    except (ValueError, TypeError):
        raise bad_cursor() from None
    return value, lead_id
