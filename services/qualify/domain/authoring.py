"""From what an author wrote to a definition that can be stored, or every mistake with its place."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.qualify.domain.facts import known, meant
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

GIVEN: Final = frozenset(
    {"version", "status", "created_at", "created_by", "updated_at", "updated_by"}
    | {
        "published_at",
        "published_by",
        "published_reason",
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
    errors += _unknown_facts(stored)
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


def _unknown_facts(document: Mapping[str, Any]) -> Iterator[DefinitionError]:
    """Facts that no lead has: mostly typing mistakes, which would never match, unnoticed."""
    for part in ("criteria", "disqualifiers"):
        for index, one in enumerate(document.get(part) or []):
            for pointer, field in _looked_at(one, f"/{part}/{index}"):
                if not known(field):
                    close = meant(field)
                    hint = f"did you mean {close}?" if close else "see the list of known facts"
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
        for index, inner in enumerate(_list(item, key)):
            yield from _looked_at(inner, f"{place}/{key}/{index}")
