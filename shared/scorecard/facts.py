"""Which facts a definition may look at."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.conditions import did_you_mean
from shared.scorecard.definition import ACTIVITY, PERSONAL, Definition, DefinitionError

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
    "email_disposable",
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


def known(field: str) -> bool:
    """Whether a lead can have this fact; of personal ones other checks say what to use instead."""
    if field in KNOWN_FIELDS or field in PERSONAL:
        return True
    return field.startswith(ACTIVITY) or (field.startswith(FIELDS) and field != FIELDS)


def meant(field: str) -> str | None:
    """The fact that was probably meant by a name that no lead has; None when none is close."""
    if field == FIELDS:
        return None
    group, dot, name = field.partition(".")
    if dot and name:
        close = did_you_mean(group, ("fields", "activity"))
        return f"{close}.{name}" if close else None
    return did_you_mean(field, KNOWN_FIELDS) or (f"{FIELDS}{field}" if field else None)


def unknown_fields(definition: Definition) -> list[str]:
    """Fields that no lead can have: mostly typing mistakes."""
    return [field for field in definition.fields if not known(field)]


def unknown_facts(document: Mapping[str, Any]) -> Iterator[DefinitionError]:
    """Facts that no lead has: mostly typing mistakes, which would never match, unnoticed."""
    for part in ("criteria", "disqualifiers"):
        for index, one in enumerate(document.get(part) or []):
            for pointer, field in _looked_at(one, f"/{part}/{index}"):
                if not known(field):
                    close = meant(field)
                    hint = (
                        f"did you mean {close}?"
                        if close
                        else "write fields.<name> for a custom one"
                    )
                    detail = f"no lead has a fact {field[:60]!r}; {hint}"
                    yield DefinitionError(pointer, detail)


def _looked_at(item: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every field that a criterion or a tree of conditions names, with its place."""
    if not isinstance(item, Mapping):
        return
    field = item.get("field")
    if isinstance(field, str):
        yield f"{place}/field", field.strip()
    for key in ("when", "not"):
        yield from _looked_at(item.get(key), f"{place}/{key}")
    for key in ("all", "any"):
        listed = item.get(key)
        for index, inner in enumerate(listed if isinstance(listed, list) else []):
            yield from _looked_at(inner, f"{place}/{key}/{index}")
