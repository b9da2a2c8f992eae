"""What the data of every event has, and the shapes that several share."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

FactValue = str | int | float | bool | None | list[str]
Facts = dict[str, FactValue]


class EventData(BaseModel):
    """The data of one event type: ``type`` is its CloudEvents type, ``topic`` where it goes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: ClassVar[str]
    topic: ClassVar[str]

    def key(self) -> str:
        """The Kafka message key: events with the same key stay in order."""
        raise NotImplementedError


class LeadEvent(EventData):
    """Something about one lead; its events stay in order."""

    lead_id: str

    def key(self) -> str:
        return self.lead_id


class Attribution(BaseModel):
    """Where a submission came from. URLs are cut to scheme, host and path: queries leak people."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    form_id: str | None = None
    page_url: str | None = None
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None


class ConsentFlag(BaseModel):
    """What the person allowed, without the text they saw (capture keeps that)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    purpose: str
    granted: bool
    basis: str | None = None
