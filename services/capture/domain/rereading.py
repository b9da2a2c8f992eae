"""Fields that were declared, or understood, after they came: what that changes about a lead."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.capture.domain.country import normalise_country
from services.capture.domain.fields import FACT, read_value
from services.capture.domain.lead import Lead
from services.capture.domain.size import read_size
from services.capture.domain.submission import Declared
from services.capture.domain.synonyms import FULL_NAME, Synonyms, split_name
from services.capture.domain.text import one_line, paragraphs, website

IN_FACTS: Final = frozenset({"company", "job_title", "country", "employees", "industry"})
IN_CONTACT: Final = frozenset(
    {"first_name", "last_name", "company", "job_title", "website", "message"}
)
"""Where a field of a lead is kept; who the lead is (e-mail, phone) is never found anew."""
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "country": lambda value: normalise_country(one_line(str(value)) or ""),
    "employees": read_size,
    "website": lambda value: website(str(value)),
    "message": lambda value: paragraphs(str(value)),
}


@dataclass(frozen=True, slots=True)
class Reread:
    """Custom fields to be read anew on every lead that has them."""

    reread_id: str
    names: tuple[str, ...]
    asked_at: datetime
    after: str = ""
    """The id of the lead up to which it is done."""
    changed: int = 0
    """How many leads it has changed."""
    finished_at: datetime | None = None


def read_anew(lead: Lead, names: Collection[str], declared: Declared, synonyms: Synonyms) -> Lead:
    """The lead with these custom fields by what is declared and understood now. A value that can't
    be read stays as it was sent; what is known already is not replaced, for it came later."""
    for name in [one for one in lead.field_order if one in names]:
        field = None if name in declared else synonyms.of(name)
        lead = _declared(lead, name, declared) if field is None else _understood(lead, name, field)
    return lead


def _declared(lead: Lead, name: str, declared: Declared) -> Lead:
    personal, facts = {**lead.contact.get("fields", {})}, {**lead.facts}
    declaration = declared.get(name)
    is_fact = declaration is not None and declaration.is_fact
    if is_fact and name in personal:
        try:
            value = read_value(personal[name], declaration)
        except ValueError:
            return lead
        facts.setdefault(FACT + name, value)
        del personal[name]
    elif FACT + name in facts:
        value = facts.pop(FACT + name)
        try:
            kept = read_value(value, declaration) if is_fact else None
        except ValueError:
            kept = None
        if kept is not None:
            facts[FACT + name] = kept
        else:
            personal.setdefault(name, value)
    return _with(lead, {}, facts, personal)


def _understood(lead: Lead, name: str, field: str) -> Lead:
    personal = {**lead.contact.get("fields", {})}
    facts = {**lead.facts}
    raw = personal.get(name, facts.get(FACT + name))
    found = _values(field, raw)
    if not found:
        return lead
    personal.pop(name, None)
    facts.pop(FACT + name, None)
    contact = {
        one: value for one, value in found.items() if one in IN_CONTACT and one not in lead.contact
    }
    for one, value in found.items():
        if one in IN_FACTS:
            facts.setdefault(one, value)
    after = _with(lead, contact, facts, personal)
    return replace(after, field_order=[one for one in lead.field_order if one != name])


def _values(field: str, raw: Any) -> dict[str, Any]:
    """Fields of a lead and their values; empty when the value can't be read as it."""
    if raw is None or isinstance(raw, bool | list):
        return {}
    if field == FULL_NAME:
        first, last = split_name(str(raw))
        return {k: v for k, v in (("first_name", first), ("last_name", last)) if v}
    if field not in IN_FACTS | IN_CONTACT:
        return {}
    try:
        value = _READ.get(field, lambda one: one_line(str(one)))(raw)
    except ValueError:
        return {}
    return {} if value is None else {field: value}


def _with(
    lead: Lead, contact: Mapping[str, Any], facts: dict[str, Any], personal: dict[str, Any]
) -> Lead:
    after = {name: value for name, value in lead.contact.items() if name != "fields"}
    after |= contact
    if personal:
        after["fields"] = personal
    if after == lead.contact and facts == lead.facts:
        return lead
    return replace(lead, contact=after, facts=facts)
