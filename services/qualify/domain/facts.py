"""Which facts a definition may look at."""

from typing import Final

from shared.scorecard.definition import ACTIVITY, Definition

KNOWN_FIELDS: Final = (
    "company",
    "company_domain",
    "job_title",
    "country",
    "employees",
    "industry",
    "email_type",
    "has_phone",
    "has_website",
    "has_message",
    "channel",
    "touches",
    "form_id",
    "page_url",
    "referrer",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
)
"""Facts and attribution that every lead may have; ``fields.<name>`` and ``activity.<kind>`` come
on top."""


def unknown_fields(definition: Definition) -> list[str]:
    """Fields that no lead can have: mostly typing mistakes."""
    return [
        field
        for field in definition.fields
        if field not in KNOWN_FIELDS and not field.startswith((ACTIVITY, "fields."))
    ]
