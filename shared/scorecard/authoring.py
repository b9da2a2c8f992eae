"""From what an author wrote to a definition that can be stored, or every mistake with its place."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.conditions import did_you_mean
from shared.contracts.definition import (
    Criterion,
    DefinitionBody,
    Disqualifier,
    Grade,
    GradeMatrix,
    GroupGrade,
    Level,
)
from shared.scorecard.definition import DefinitionError, InvalidDefinition, compile_definition
from shared.scorecard.documents import Form, check_values, escaped, read_document
from shared.scorecard.facts import unknown_facts

GIVEN: Final = frozenset(
    {"version", "status", "created_at", "created_by", "updated_at", "updated_by"}
    | {
        "published_at",
        "published_by",
        "published_reason",
        "published_before",
        "challenging_since",
        "retired_at",
        "proposal_id",
    }
)
"""What an answer says of a version beside its document: let through, so that what was read can be
changed and sent back, and never taken."""

_OPERAND: Final = "write a text, a number, true or false, or a list of them"
_NAMED: Final = 50
"""Mistakes that are named at once."""


def read_definition(raw: bytes, form: Form) -> DefinitionBody:
    """The definition that a text says. Raises InvalidDefinition; Unreadable, which is one, for text
    that is no JSON or YAML."""
    return definition_of(read_document(raw, form))


def definition_of(document: Any) -> DefinitionBody:
    """The definition that plain data says. Raises InvalidDefinition with every mistake of the first
    kind that has any: values, keys, shape; then meaning and facts."""
    if not isinstance(document, Mapping):
        detail = "a definition is an object with threshold and criteria"
        raise InvalidDefinition([DefinitionError("", detail)])
    check_values(document)
    errors = [*_unknown_keys(document)]
    body: DefinitionBody | None = None
    try:
        body = DefinitionBody.model_validate(document)
    except ValueError as error:
        errors += _of_shape(error)
    if body is None or errors:
        raise InvalidDefinition(errors[:_NAMED])
    stored = body.model_dump(mode="json")
    try:
        compile_definition(0, stored)
    except InvalidDefinition as error:
        errors += error.errors
    errors += unknown_facts(stored)
    if errors:
        raise InvalidDefinition(errors[:_NAMED])
    return body


def _unknown_keys(document: Mapping[str, Any]) -> Iterator[DefinitionError]:
    yield from _strangers("", document, DefinitionBody, GIVEN)
    for index, criterion in enumerate(_list(document, "criteria")):
        place = f"/criteria/{index}"
        yield from _strangers(place, criterion, Criterion)
        for at, level in enumerate(_list(criterion, "levels")):
            yield from _strangers(f"{place}/levels/{at}", level, Level)
    for part, model in (("disqualifiers", Disqualifier), ("grades", Grade)):
        for index, one in enumerate(_list(document, part)):
            yield from _strangers(f"/{part}/{index}", one, model)
    matrix = document.get("grade_matrix")
    yield from _strangers("/grade_matrix", matrix, GradeMatrix)
    for group in ("fit", "engagement"):
        for index, one in enumerate(_list(matrix, group)):
            yield from _strangers(f"/grade_matrix/{group}/{index}", one, GroupGrade)


def _strangers(
    place: str, value: Any, model: type[Any], given: frozenset[str] = frozenset()
) -> Iterator[DefinitionError]:
    if not isinstance(value, Mapping):
        return
    names = tuple(model.model_fields)
    for key in value:
        if key not in names and key not in given:
            close = did_you_mean(key, names)
            hint = f"did you mean {close}?" if close else f"known are {', '.join(names)}"
            yield DefinitionError(f"{place}/{escaped(key)}", f"unknown key {key[:40]!r}; {hint}")


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def _of_shape(error: Any) -> list[DefinitionError]:
    """The validator's errors, one for each place; never with the value that was wrong."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        steps, detail = list(one["loc"]), str(one["msg"])
        if "value" in steps:  # a union: its members' complaints are one
            steps, detail = steps[: steps.index("value") + 1], _OPERAND
        pointer = "".join(f"/{escaped(str(step))}" for step in steps)
        found.setdefault(pointer, detail[:1].lower() + detail[1:])
    return [DefinitionError(pointer, detail) for pointer, detail in found.items()]
