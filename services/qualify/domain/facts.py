"""Which facts a definition may look at."""

from typing import Final

from shared.conditions import did_you_mean
from shared.scorecard.definition import ACTIVITY, Definition

FIELDS: Final = "fields."
"""Custom fields that capture knows as facts: ``fields.budget``."""

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

PERSONAL: Final = ("email", "phone", "website", "message", "first_name", "last_name")
"""What is never scored: other checks say so, and what to use instead."""


def known(field: str) -> bool:
    """Whether a lead can have this fact."""
    if field in KNOWN_FIELDS or field in PERSONAL:
        return True
    return field.startswith(ACTIVITY) or (field.startswith(FIELDS) and field != FIELDS)


def meant(field: str) -> str | None:
    """The fact that was probably meant by a name that no lead has; None when none is close."""
    group, dot, name = field.partition(".")
    if dot and name:
        close = did_you_mean(group, ("fields", "activity"))
        return f"{close}.{name}" if close else None
    return did_you_mean(field, KNOWN_FIELDS) or (f"{FIELDS}{field}" if field else None)


def unknown_fields(definition: Definition) -> list[str]:
    """Fields that no lead can have: mostly typing mistakes."""
    return [field for field in definition.fields if not known(field)]
