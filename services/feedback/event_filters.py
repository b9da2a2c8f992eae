"""Which feedback events somebody asks for, as it is written in an address or a document."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.feedback.domain.event_filter import EventFilter

MOST_VALUES = 50


def _told(value: Any) -> Any:
    """One value or several, without blank ones, which a form sends for what is left open."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        return [one for one in value if not (isinstance(one, str) and not one.strip())]
    return value


Values = Annotated[
    list[Annotated[str, Field(max_length=200)]],
    Field(max_length=MOST_VALUES),
    BeforeValidator(_told),
]


class EventFilters(BaseModel):
    """Of each member one of the values that are given, and all members that are given."""

    model_config = ConfigDict(extra="ignore")

    type: Values = []
    """``leadloop.feedback.recorded.v1`` (a rep's answer) or ``leadloop.outcome.recorded.v1``."""
    source: Values = []
    """The lead's ``utm_source``."""
    campaign: Values = []
    """The lead's ``utm_campaign``."""
    reason: Values = []
    """Why it was rejected, recycled, disqualified or lost: ``OUTSIDE_ICP``."""
    lead_id: Annotated[
        Annotated[str, Field(max_length=64)] | None,
        BeforeValidator(lambda value: None if value == "" else value),
    ] = None

    def wanted(self) -> EventFilter:
        """What the store is asked for."""
        return EventFilter(
            tuple(self.type),
            tuple(self.source),
            tuple(self.campaign),
            tuple(self.reason),
            self.lead_id,
        )


def filters_json(wanted: EventFilter) -> dict[str, Any]:
    """A filter as the API shows it: what it would be asked for with."""
    return {
        "type": wanted.types,
        "source": wanted.sources,
        "campaign": wanted.campaigns,
        "reason": wanted.reasons,
        "lead_id": wanted.lead_id,
    }
