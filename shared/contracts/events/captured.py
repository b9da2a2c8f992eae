"""``lead.captured``: who came in, and what they did."""

from pydantic import AwareDatetime, Field

from shared.contracts.events.base import Attribution, ConsentFlag, Facts, LeadEvent


class LeadCaptured(LeadEvent):
    """Somebody new left their details. Stage INQUIRY begins."""

    type = "leadloop.lead.captured.v1"
    topic = "lead.captured"

    submission_id: str
    captured_at: AwareDatetime
    facts: Facts
    attribution: Attribution = Attribution()
    consent: list[ConsentFlag] = Field(default_factory=list)


class ActivityRecorded(LeadEvent):
    """A known lead did something: submitted a form again, visited, opened, attended.

    ``facts`` are the lead's facts after this activity, so that a reader never joins.
    """

    type = "leadloop.lead.activity_recorded.v1"
    topic = "lead.captured"

    activity_id: str
    kind: str
    """For example ``form_submitted``, ``page_viewed``, ``email_clicked``, ``webinar_attended``; or
    ``fields_read`` when the lead did nothing, but its facts are read anew."""
    occurred_at: AwareDatetime
    facts: Facts
    attribution: Attribution = Attribution()
