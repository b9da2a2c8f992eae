"""A lead definition, checked and compiled: from the document to something that scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.conditions import (
    ConditionError,
    ConditionErrors,
    Test,
    compile_condition,
    compile_tree,
)
from shared.scorecard.rules import MOMENTS, Engagement, Level, Levels, Rule, Single

ACTIVITY: Final = "activity."
"""Fields that count what a lead did: ``activity.webinar_attended`` is how often,
``activity.webinar_attended.days_ago`` how many whole days since the last time, and
``activity.any`` counts everything."""
DAYS_AGO: Final = ".days_ago"

PERSONAL: Final = {
    "email": "email_type (business, free or none)",
    "phone": "has_phone",
    "website": "has_website",
    "message": "has_message",
    "first_name": None,
    "last_name": None,
}
"""What never reaches a definition, because personal data stays with capture; and what does."""

_FORMS: Final = ("when", "levels", "activity")
"""The keys that tell a criterion's form; without one it is a condition on a field."""
_OF_FORM: Final = {
    "when": {"when", "points"},
    "levels": {"field", "levels", "otherwise"},
    "activity": {"activity", "count", "window_days", "cap", "points", "half_life_days"},
    "field": {"field", "operator", "value", "points", "half_life_days"},
}
_ANY_FORM: Final = {"id", "group", "label"}

Letters = tuple[tuple[str, int], ...]
"""Letter and lowest points, best first."""


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
    """A reason to give points."""

    id: str
    group: str
    label: str | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class Disqualifier:
    """A condition that ends it, whatever the score."""

    id: str
    test: Test


@dataclass(frozen=True, slots=True)
class Definition:
    """A numbered definition, ready to score. ``matrix`` holds the letters of fit and of engagement,
    instead of ``grades``."""

    version: int
    threshold: int
    criteria: tuple[Criterion, ...]
    disqualifiers: tuple[Disqualifier, ...]
    grades: Letters
    matrix: tuple[Letters, Letters] | None
    cool_off_days: float
    exploration_rate: float

    @property
    def best(self) -> int:
        """The highest score that the criteria allow."""
        return sum(one.rule.best for one in self.criteria)

    @property
    def fields(self) -> tuple[str, ...]:
        """Everything it looks at, each once, in the order of the document."""
        found = [name for one in self.criteria for name in one.rule.fields]
        found += [name for one in self.disqualifiers for name in one.test.fields]
        return tuple(dict.fromkeys(found))


def compile_definition(version: int, document: Mapping[str, Any]) -> Definition:
    """Compile a document of the shape of ``contracts.definition.DefinitionBody``.

    Raises InvalidDefinition with every mistake at once.
    """
    errors = [
        DefinitionError(pointer, "holds a NUL character, which can't be stored: remove it")
        for pointer in _unstorable(document)
    ]
    criteria = [
        made
        for index, one in enumerate(document["criteria"])
        if (made := _criterion(one, f"/criteria/{index}", errors)) is not None
    ]
    disqualifiers = [
        Disqualifier(one["id"], test)
        for index, one in enumerate(document.get("disqualifiers") or [])
        if (test := _test(one, f"/disqualifiers/{index}", errors)) is not None
    ]
    _check_ids(document, errors)
    grades = _letters(document.get("grades"), "/grades", "min_score", errors)
    matrix = _matrix(document, errors)
    compiled = Definition(
        version=version,
        threshold=document["threshold"],
        criteria=tuple(criteria),
        disqualifiers=tuple(disqualifiers),
        grades=grades,
        matrix=matrix,
        cool_off_days=document.get("cool_off_days", 30),
        exploration_rate=document.get("exploration_rate") or 0.0,
    )
    if len(criteria) == len(document["criteria"]) and compiled.best < compiled.threshold:
        detail = f"nobody can reach it: all positive points together are {compiled.best}"
        errors.append(DefinitionError("/threshold", detail))
    if errors:
        raise InvalidDefinition(errors)
    return compiled


def _unstorable(value: Any, pointer: str = "", depth: int = 0) -> list[str]:
    """Pointers to the texts with a NUL character, which PostgreSQL does not keep."""
    if isinstance(value, str):
        return [pointer] if "\0" in value else []
    if depth > 40:
        return []  # nothing that deep compiles
    if isinstance(value, Mapping):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = [(str(index), item) for index, item in enumerate(value)]
    else:
        return []
    return [
        found for step, item in steps for found in _unstorable(item, f"{pointer}/{step}", depth + 1)
    ]


def _criterion(
    document: Mapping[str, Any], pointer: str, errors: list[DefinitionError]
) -> Criterion | None:
    before = len(errors)
    form = _form(document, pointer, errors)
    half_life = document.get("half_life_days")
    if half_life is not None and document["group"] == "fit":
        detail = "only engagement fades: remove it, or set the group to engagement"
        errors.append(DefinitionError(f"{pointer}/half_life_days", detail))
    if form != "levels" and document.get("points") is None:
        errors.append(DefinitionError(f"{pointer}/points", "say what it is worth, in whole points"))
    if len(errors) > before:
        return None
    rule: Rule | None
    if form == "levels":
        rule = _levels(document, pointer, errors)
    elif form == "activity":
        rule = _engagement(document, pointer, errors)
    else:
        test = _test(document, pointer, errors)
        kind = _activity_kind(document["field"].strip()) if form == "field" else None
        rule = None if test is None else Single(test, document["points"], half_life, kind)
    if rule is None:
        return None
    return Criterion(document["id"], document["group"], document.get("label"), rule)


def _form(document: Mapping[str, Any], pointer: str, errors: list[DefinitionError]) -> str | None:
    """Which of the four it is; every key must belong to it."""
    forms = [key for key in _FORMS if document.get(key) is not None]
    if len(forms) > 1:
        detail = f"a criterion has one of these, not {' and '.join(forms)}"
        errors.append(DefinitionError(f"{pointer}/{forms[1]}", detail))
        return None
    form = forms[0] if forms else "field"
    if form == "field" and document.get("field") is None:
        detail = "name the field to look at, or write when, levels or activity"
        errors.append(DefinitionError(f"{pointer}/field", detail))
        return None
    for key, value in document.items():
        known = any(key in keys for keys in _OF_FORM.values())
        if value is not None and known and key not in _OF_FORM[form] | _ANY_FORM:
            detail = f"does not go together with {form}: remove one of the two"
            errors.append(DefinitionError(f"{pointer}/{key}", detail))
    return form


def _activity_kind(field: str) -> str | None:
    if not field.startswith(ACTIVITY):
        return None
    return field.removeprefix(ACTIVITY).removesuffix(DAYS_AGO)


def _levels(
    document: Mapping[str, Any], pointer: str, errors: list[DefinitionError]
) -> Levels | None:
    field = document.get("field")
    if field is None:
        errors.append(DefinitionError(f"{pointer}/field", "name the field of the levels"))
        return None
    if not _may_look_at(field, f"{pointer}/field", errors):
        return None
    levels = []
    for index, level in enumerate(document["levels"]):
        try:
            condition = compile_condition(field, level["operator"], level.get("value"))
        except ConditionError as error:
            place = f"{pointer}/levels/{index}{error.pointer_suffix}"
            errors.append(DefinitionError(place, error.message))
            continue
        levels.append(Level(condition, level["points"], level.get("label")))
    if len(levels) < len(document["levels"]):
        return None
    return Levels(field.strip(), tuple(levels), document.get("otherwise") or 0)


def _engagement(
    document: Mapping[str, Any], pointer: str, errors: list[DefinitionError]
) -> Engagement | None:
    points, cap = document["points"], document.get("cap")
    window, count = document.get("window_days"), document.get("count") or 1
    faults = {}
    if document["group"] != "engagement":
        faults["group"] = "what a lead does is engagement"
    if cap is not None and (cap == 0 or (cap > 0) != (points > 0) or abs(cap) < abs(points)):
        faults["cap"] = f"the most it gives together: at least {points}, and of the same sign"
    if window is not None and count > MOMENTS:
        faults["count"] = f"within a window at most {MOMENTS} can be asked for"
    errors += [DefinitionError(f"{pointer}/{key}", detail) for key, detail in faults.items()]
    if faults:
        return None
    half_life = document.get("half_life_days")
    return Engagement(document["activity"].strip(), points, count, window, half_life, cap)


def _test(document: Mapping[str, Any], pointer: str, errors: list[DefinitionError]) -> Test | None:
    """The condition of a criterion or disqualifier: on a field, or put together of others."""
    if document.get("when") is not None:
        return _tree(document["when"], f"{pointer}/when", errors)
    if document.get("field") is None or document.get("operator") is None:
        detail = "write field and operator, or when"
        errors.append(DefinitionError(f"{pointer}/field", detail))
        return None
    if not _may_look_at(document["field"], f"{pointer}/field", errors):
        return None
    try:
        return compile_condition(
            document["field"].strip(), document["operator"], document.get("value")
        )
    except ConditionError as error:
        errors.append(DefinitionError(pointer + error.pointer_suffix, error.message))
        return None


def _tree(document: Any, pointer: str, errors: list[DefinitionError]) -> Test | None:
    try:
        test = compile_tree(document)
    except ConditionErrors as found:
        errors += [
            DefinitionError(pointer + one.pointer_suffix, one.message) for one in found.errors
        ]
        return None
    allowed = [_may_look_at(field, pointer, errors) for field in test.fields]
    return test if all(allowed) else None


def _may_look_at(field: str, pointer: str, errors: list[DefinitionError]) -> bool:
    field = field.strip()
    if field in PERSONAL:
        instead = PERSONAL[field]
        hint = f"; use {instead}" if instead else ""
        errors.append(DefinitionError(pointer, f"{field} is personal and never scored{hint}"))
        return False
    if field in (ACTIVITY, ACTIVITY + DAYS_AGO[1:]):
        errors.append(DefinitionError(pointer, "name the activity: activity.<kind>"))
        return False
    return True


def _check_ids(document: Mapping[str, Any], errors: list[DefinitionError]) -> None:
    """Ids name contributions for ever, so no two conditions of a version may share one."""
    seen: Counter[str] = Counter()
    for part in ("criteria", "disqualifiers"):
        for index, item in enumerate(document.get(part) or []):
            seen[item["id"]] += 1
            if seen[item["id"]] > 1:
                detail = f"{item['id']} is used twice; every id must differ"
                errors.append(DefinitionError(f"/{part}/{index}/id", detail))


def _letters(
    listed: Sequence[Mapping[str, Any]] | None,
    pointer: str,
    least: str,
    errors: list[DefinitionError],
) -> Letters:
    letters = [(one["grade"], one[least]) for one in listed or []]
    for index in range(1, len(letters)):
        if letters[index][1] >= letters[index - 1][1]:
            detail = f"must be below {letters[index - 1][1]}: list the best grade first"
            errors.append(DefinitionError(f"{pointer}/{index}/{least}", detail))
        if letters[index][0] in [letter for letter, _ in letters[:index]]:
            errors.append(DefinitionError(f"{pointer}/{index}/grade", "this grade is listed twice"))
    return tuple(letters)


def _matrix(
    document: Mapping[str, Any], errors: list[DefinitionError]
) -> tuple[Letters, Letters] | None:
    matrix = document.get("grade_matrix")
    if matrix is None:
        return None
    if document.get("grades"):
        detail = "a definition grades by score (grades) or by fit and engagement, not both"
        errors.append(DefinitionError("/grade_matrix", detail))
    fit, engagement = (
        _letters(matrix[group], f"/grade_matrix/{group}", "min_points", errors)
        for group in ("fit", "engagement")
    )
    return fit, engagement
