"""What a webhook brings, in our words: by a preset for its shape, by JMESPath, or as it is."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from services.capture.domain.synonyms import Synonyms

_QUESTION: Final = re.compile(
    r"(?:(?:what(?:'s|’s| is)|please (?:enter|tell us|give us)|enter|tell us|and)\s+)?"
    r"(?:(?:your|the)\s+)?(.+?)\s*[?:*]*",
    re.IGNORECASE,
)
_MADE_UP: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-.*", re.IGNORECASE)
"""A reference that Typeform made up, which says nothing."""


class BadMapping(ValueError):
    """An expression that is no JMESPath, or that can't be used on what came."""


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Any:
    """Raises BadMapping."""
    import jmespath  # it takes longer to import than most services need it

    try:
        return jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        reason = str(error).split("\n")[0]
        raise BadMapping(f"is no JMESPath: {reason}"[:300]) from None


def search(expression: str, payload: Any) -> Any:
    """What an expression finds; None for nothing. Raises BadMapping."""
    import jmespath

    found = compiled(expression)
    try:
        return found.search(payload)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError, AttributeError):
        raise BadMapping("can't be used on what came") from None


def leads_in(
    payload: Any, document: Mapping[str, Any], synonyms: Synonyms
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """(members of a lead, idempotency key or None) of each lead in a payload. Raises BadMapping."""
    preset = document.get("preset")
    if preset == "typeform":
        parts: list[Any] = [payload]
    elif preset == "meta":
        parts = list(_meta_changes(payload))
    else:
        found = search(document["leads"], payload) if document.get("leads") else payload
        parts = found if isinstance(found, list) else [found]
    for part in parts:
        if not isinstance(part, dict):
            raise BadMapping("finds no object that could be a lead")
        yield _mapped(part, document, _READERS[preset](part, synonyms)), _key(part, document)


def _mapped(
    part: Mapping[str, Any], document: Mapping[str, Any], members: Mapping[str, Any]
) -> dict[str, Any]:
    mapping: Mapping[str, str] = document.get("mapping") or {}
    if mapping and not document.get("preset"):
        members = {}
    found = {field: search(expression, part) for field, expression in mapping.items()}
    return {**members, **{k: v for k, v in found.items() if v is not None and v != ""}}


def _key(part: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    expression = document.get("idempotency") or _KEYS[document.get("preset")]
    found = search(expression, part) if expression else None
    if isinstance(found, str | int | float) and not isinstance(found, bool) and found != "":
        return str(found)
    return None


def _as_it_is(part: Mapping[str, Any], _: Synonyms) -> dict[str, Any]:
    return dict(part)


def _typeform(part: Mapping[str, Any], synonyms: Synonyms) -> dict[str, Any]:
    """Answers by the reference that somebody gave the question, else by its title; an address or a
    phone number by its type. Hidden fields are members by their names."""
    response = part.get("form_response")
    if not isinstance(response, dict):
        raise BadMapping("is no response of a Typeform")
    definition = response.get("definition")
    asked = definition.get("fields") if isinstance(definition, dict) else None
    titles = {
        one.get("id"): str(one.get("title", ""))
        for one in asked or []
        if isinstance(one, dict) and isinstance(one.get("id"), str)
    }
    hidden, variables = response.get("hidden"), response.get("variables")
    members: dict[str, Any] = dict(hidden) if isinstance(hidden, dict) else {}
    for one in variables if isinstance(variables, list) else []:
        if isinstance(one, dict) and isinstance(one.get("key"), str):
            members.setdefault(one["key"], one.get(str(one.get("type"))))
    for answer in response.get("answers") or []:
        if isinstance(answer, dict):
            name, value = _typeform_answer(answer, titles, synonyms)
            if name and value is not None:
                members.setdefault(name, value)
    return {"form_id": str(response.get("form_id") or "")[:64], **members}


def _typeform_answer(
    answer: Mapping[str, Any], titles: Mapping[Any, str], synonyms: Synonyms
) -> tuple[str, Any]:
    field = answer.get("field")
    field = field if isinstance(field, dict) else {}
    kind, value = answer.get("type"), answer.get(str(answer.get("type")))
    if isinstance(value, dict):  # a choice, or choices
        value = value.get("label") or value.get("labels") or value.get("other")
    reference, title = str(field.get("ref") or ""), titles.get(field.get("id"), "")
    named = reference if reference and not _MADE_UP.fullmatch(reference) else ""
    short = found[1] if (found := _QUESTION.fullmatch(title)) else title
    for name in (named, title, short):
        if name and synonyms.of(name) is not None:
            return name, value
    if kind in ("email", "phone_number"):
        return {"email": "email", "phone_number": "phone"}[kind], value
    return named or title or str(field.get("id") or ""), value


def _meta_changes(payload: Any) -> Iterator[Any]:
    entries = payload.get("entry") if isinstance(payload, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        for change in changes if isinstance(changes, list) else []:
            if isinstance(change, dict) and change.get("field") == "leadgen":
                yield change.get("value")


def _meta(part: Mapping[str, Any], _: Synonyms) -> dict[str, Any]:
    """The ids, which are all that Meta sends, and ``field_data`` where a tool has fetched it."""
    ids = {
        name: str(part[name])
        for name in ("leadgen_id", "page_id", "ad_id", "adgroup_id", "campaign_id", "adset_id")
        if part.get(name)
    }
    members = {
        "utm_source": "facebook",
        "utm_medium": "paid_social",
        "form_id": str(part.get("form_id") or "")[:64],
        **ids,
    }
    if isinstance(part.get("field_data"), list):
        members["field_data"] = part["field_data"]
    if part.get("campaign_name"):
        members["utm_campaign"] = str(part["campaign_name"])
    return members


_READERS: Final[dict[str | None, Any]] = {None: _as_it_is, "typeform": _typeform, "meta": _meta}
_KEYS: Final[dict[str | None, str | None]] = {
    None: None,
    "typeform": "form_response.token || event_id",
    "meta": "leadgen_id",
}
