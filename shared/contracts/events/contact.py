"""``lead.contact``, compacted: the one topic with personal data."""

from typing import Any

from pydantic import Field

from shared.contracts.events.base import LeadEvent


class ContactUpdated(LeadEvent):
    """Who the lead is: the whole of what a rep needs to reach them, replacing what was before."""

    type = "leadloop.lead.contact_updated.v1"
    topic = "lead.contact"

    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    job_title: str | None = None
    website: str | None = None
    message: str | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
