"""A lead definition, checked and compiled: from the document to something that scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.conditions import Condition, ConditionError, compile_condition

ACTIVITY: Final = "activity."
"""Fields that count what a lead did: ``activity.webinar_attended`` is how often,
``activity.webinar_attended.days_ago`` how many whole days since the last time, and
``activity.any`` counts everything."""
DAYS_AGO: Final = ".days_ago"

_PERSONAL: Final = {
    "email": "email_type (business, free or none)",
    "phone": "has_phone",
    "website": "has_website",
    "message": "has_message",
    "first_name": None,
    "last_name": None,
}
"""What never reaches a definition, because personal data stays with capture; and what does."""

KNOWN_FIELDS: Final = (
    "company",
    "job_title",
    "country",
    "employees",
    "industry",
    "email_type",
    "has_phone",
    "has_website",
    "has_message",
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


@dataclass(frozen=True, slots=True)
class DefinitionError:
    """One mistake in a document: a JSON pointer (RFC 6901) and what to do about it."""

    pointer: str
    detail: str


class InvalidDefinition(ValueError):
    """A document that can't score anybody. ``errors`` names every mistake."""

    def __init__(self, errors: Sequence[DefinitionError]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.detail}" for error in errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A condition that is worth points; ``half_life_days`` only where engagement fades."""

    id: str
    group: str
    condition: Condition
    points: int
    half_life_days: float | None
    activity_kind: str | None
    """The kind of activity that it counts, ``any``, or None for another field."""


@dataclass(frozen=True, slots=True)
class Disqualifier:
    """A condition that ends it, whatever the score."""

    id: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Definition:
    """A numbered definition, ready to score."""

    version: int
    threshold: int
    criteria: tuple[Criterion, ...]
    disqualifiers: tuple[Disqualifier, ...]
    grades: tuple[tuple[str, int], ...]
    """Letter and lowest score, best first."""
    cool_off_days: float


def compile_definition(version: int, document: Mapping[str, Any]) -> Definition:
    """Compile a document of the shape of ``contracts.definition.DefinitionBody``.

    Raises InvalidDefinition with every mistake at once.
    """
    errors = [
        DefinitionError(pointer, "holds a NUL character, which can't be stored: remove it")
        for pointer in _unstorable(document)
    ]
    criteria = _criteria(document["criteria"], errors)
    disqualifiers = _disqualifiers(document.get("disqualifiers") or [], errors)
    _check_ids(document, errors)
    grades = [(grade["grade"], grade["min_score"]) for grade in document.get("grades") or []]
    _check_grades(grades, errors)
    _check_threshold(document, errors)
    if errors:
        raise InvalidDefinition(errors)
    return Definition(
        version=version,
        threshold=document["threshold"],
        criteria=tuple(criteria),
        disqualifiers=tuple(disqualifiers),
        grades=tuple(grades),
        cool_off_days=document.get("cool_off_days", 30),
    )


def best_score(document: Mapping[str, Any]) -> int:
    """The highest score a lead can reach: the sum of the positive points."""
    return sum(criterion["points"] for criterion in document["criteria"] if criterion["points"] > 0)


def unknown_fields(document: Mapping[str, Any]) -> list[str]:
    """Fields that no lead has unless somebody declared such a fact: mostly typing mistakes."""
    named = [
        item["field"] for part in ("criteria", "disqualifiers") for item in document.get(part) or []
    ]
    return [
        field
        for field in dict.fromkeys(named)
        if field not in KNOWN_FIELDS and not field.startswith((ACTIVITY, "fields."))
    ]


def _unstorable(value: Any, pointer: str = "") -> list[str]:
    """Pointers to the texts with a NUL character, which PostgreSQL does not keep."""
    if isinstance(value, str):
        return [pointer] if "\0" in value else []
    if isinstance(value, Mapping):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = [(str(index), item) for index, item in enumerate(value)]
    else:
        return []
    return [found for step, item in steps for found in _unstorable(item, f"{pointer}/{step}")]


def _criteria(
    documents: Sequence[Mapping[str, Any]], errors: list[DefinitionError]
) -> list[Criterion]:
    made = []
    for index, document in enumerate(documents):
        pointer = f"/criteria/{index}"
        half_life = document.get("half_life_days")
        if half_life is not None and document["group"] == "fit":
            errors.append(
                DefinitionError(
                    f"{pointer}/half_life_days",
                    "only engagement fades: remove it, or set the group to engagement",
                )
            )
        condition = _condition(document, pointer, errors)
        if condition is not None:
            kind = _activity_kind(condition.field)
            given = (document["id"], document["group"], condition, document["points"])
            made.append(Criterion(*given, half_life, kind))
    return made


def _activity_kind(field: str) -> str | None:
    if not field.startswith(ACTIVITY):
        return None
    return field.removeprefix(ACTIVITY).removesuffix(DAYS_AGO)


def _disqualifiers(
    documents: Sequence[Mapping[str, Any]], errors: list[DefinitionError]
) -> list[Disqualifier]:
    made = []
    for index, document in enumerate(documents):
        condition = _condition(document, f"/disqualifiers/{index}", errors)
        if condition is not None:
            made.append(Disqualifier(document["id"], condition))
    return made


def _condition(
    document: Mapping[str, Any], pointer: str, errors: list[DefinitionError]
) -> Condition | None:
    field = document["field"].strip()
    if field in _PERSONAL:
        instead = _PERSONAL[field]
        hint = f"; use {instead}" if instead else ""
        errors.append(
            DefinitionError(f"{pointer}/field", f"{field} is personal and never scored{hint}")
        )
        return None
    if field in (ACTIVITY, ACTIVITY + DAYS_AGO[1:]):
        errors.append(DefinitionError(f"{pointer}/field", "name the activity: activity.<kind>"))
        return None
    try:
        return compile_condition(field, document["operator"], document.get("value"))
    except ConditionError as error:
        errors.append(DefinitionError(pointer + error.pointer_suffix, error.message))
        return None


def _check_ids(document: Mapping[str, Any], errors: list[DefinitionError]) -> None:
    """Ids name contributions for ever, so no two conditions of a version may share one."""
    seen: Counter[str] = Counter()
    for part in ("criteria", "disqualifiers"):
        for index, item in enumerate(document.get(part) or []):
            seen[item["id"]] += 1
            if seen[item["id"]] > 1:
                errors.append(
                    DefinitionError(
                        f"/{part}/{index}/id", f"{item['id']} is used twice; every id must differ"
                    )
                )


def _check_grades(grades: Sequence[tuple[str, int]], errors: list[DefinitionError]) -> None:
    for index in range(1, len(grades)):
        if grades[index][1] >= grades[index - 1][1]:
            errors.append(
                DefinitionError(
                    f"/grades/{index}/min_score",
                    f"must be below {grades[index - 1][1]}: list the best grade first",
                )
            )
        if grades[index][0] in [letter for letter, _ in grades[:index]]:
            errors.append(DefinitionError(f"/grades/{index}/grade", "this grade is listed twice"))


def _check_threshold(document: Mapping[str, Any], errors: list[DefinitionError]) -> None:
    best = best_score(document)
    if best < document["threshold"]:
        errors.append(
            DefinitionError(
                "/threshold",
                f"nobody can reach it: all positive points together are {best}",
            )
        )
