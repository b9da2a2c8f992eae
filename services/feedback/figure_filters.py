"""Which leads figures are of, as it is written in an address: the same for programs and pages."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from services.feedback.domain.slices import By, Slice
from services.feedback.lead_filters import Moment, Text, blank_is_none

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def _after_day(value: Any) -> Any:
    """A day is meant with all its hours, in UTC."""
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        try:
            return f"{date.fromisoformat(value) + timedelta(days=1)}T00:00:00Z"
        except (ValueError, OverflowError):
            return value
    return value


Until = Annotated[
    Annotated[AwareDatetime, Field(ge=_EARLIEST)] | None,
    BeforeValidator(_after_day),
    BeforeValidator(blank_is_none),
]


class FigureFilters(BaseModel):
    """Whose figures; all that is given has to hold."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    since: Moment = Field(None, alias="from")
    """The first day, or a time with its offset from UTC."""
    until: Until = Field(None, alias="to")
    """The last day; or a time, which is the first that is left out."""
    source: Text = None
    campaign: Text = None
    version: Annotated[
        Annotated[int, Field(ge=0, le=2**31 - 1)] | None, BeforeValidator(blank_is_none)
    ] = None
    """Of the lead definition."""
    rep_id: Text = None

    def part(self) -> Slice:
        """What the store is asked for."""
        return Slice(self.since, self.until, self.source, self.campaign, self.version, self.rep_id)


class BreakdownFilters(FigureFilters):
    """And what the figures are told apart by."""

    by: Annotated[By | None, BeforeValidator(blank_is_none)] = None


def slice_json(part: Slice) -> Mapping[str, Any]:
    """What figures are of."""
    return {
        "from": part.since,
        "to": part.until,
        "source": part.source,
        "campaign": part.campaign,
        "version": part.version,
        "rep_id": part.rep_id,
    }
