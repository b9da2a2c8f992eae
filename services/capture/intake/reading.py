"""From bytes to a submission the domain accepts, or a problem that names each wrong field."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson
from pydantic import ValidationError

from services.capture.domain.submission import (
    Declared,
    FieldError,
    Submission,
    Unacceptable,
    normalise,
)
from services.capture.domain.synonyms import Synonyms
from services.capture.intake.model import LeadIn
from services.capture.intake.understanding import Stood, is_foreign, tolerated, understood
from shared.contracts.problems import Problem

_validate = LeadIn.__pydantic_validator__.validate_json

_WORDS: Final = {
    "string_type": "must be text",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "is shorter than {min_length} characters",
    "string_pattern_mismatch": "holds a character that is not allowed",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of a sensible size",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be an object or a list of objects",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "missing": "is needed",
    "too_long": "has more than {max_length} members",
}


def read_submission(
    body: bytes, declared: Declared, default_region: str | None, synonyms: Synonyms
) -> Submission:
    """Validate and normalise. Raises Problem 400 (no JSON) or 422 (with ``errors``).

    Members in other tools' words are understood by the synonyms. A value of a wrong shape refuses
    the lead only where it says who that is, or can't be kept.
    """
    stood: Mapping[str, Stood] = {}
    try:
        try:
            draft = _validate(body)
            foreign = is_foreign(draft, declared, synonyms)
        except ValidationError as error:
            _raise_if_unreadable(error)
            foreign = True
        if foreign:
            draft, stood = _understood(body, declared, synonyms)
        return _told(normalise(draft, declared, default_region), stood)
    except ValidationError as error:
        found = _at_their_place(_shape_errors(error), stood)
        raise invalid(found + _other_errors(body, found, declared, default_region)) from None
    except Unacceptable as error:
        raise invalid(_at_their_place(error.errors, stood)) from None


def _understood(
    body: bytes, declared: Declared, synonyms: Synonyms
) -> tuple[LeadIn, dict[str, Stood]]:
    """The lead by our names. Raises ValidationError."""
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:  # what only Pydantic's reader takes, such as NaN
        return _validate(body), {}
    if not isinstance(members, dict):
        return _validate(body), {}
    known, stood = understood(members, declared, synonyms)
    try:
        return LeadIn.model_validate(known), stood
    except ValidationError as error:
        wrong = {str(entry["loc"][0]) for entry in error.errors(include_url=False) if entry["loc"]}
        kept = tolerated(known, wrong, stood)
        if kept is None:
            raise
        return LeadIn.model_validate(kept), stood


def _at_their_place(errors: Sequence[FieldError], stood: Mapping[str, Stood]) -> list[FieldError]:
    """Errors at the names that the sender used."""
    places = {"/" + field: one.pointer for field, one in stood.items()}
    return [FieldError(places.get(e.pointer, e.pointer), e.detail) for e in errors]


def _told(submission: Submission, stood: Mapping[str, Stood]) -> Submission:
    if not submission.unread or not stood:
        return submission
    return replace(submission, unread=tuple(_at_their_place(submission.unread, stood)))


def invalid(errors: list[FieldError]) -> Problem:
    """422 with a pointer and words for each field."""
    detail = "; ".join(f"{e.pointer[1:] or 'lead'} {e.detail}" for e in errors[:5])
    return Problem(
        422,
        "The lead can't be accepted",
        detail + ".",
        errors=[{"pointer": e.pointer, "detail": e.detail} for e in errors[:50]],
    )


def _raise_if_unreadable(error: ValidationError) -> None:
    for entry in error.errors(include_input=False, include_url=False)[:1]:
        if entry["type"] == "json_invalid":
            raise _unreadable(entry.get("ctx", {})) from None


def _shape_errors(error: ValidationError) -> list[FieldError]:
    entries = error.errors(include_input=False, include_url=False)[:50]
    return [FieldError(_pointer(entry["loc"]), _words(entry["type"], entry)) for entry in entries]


def _other_errors(
    body: bytes, found: list[FieldError], declared: Declared, default_region: str | None
) -> list[FieldError]:
    """What is wrong with the members that have the right shape: people want to hear it all at
    once."""
    try:
        members = orjson.loads(body)
        if not isinstance(members, dict):
            return []
        wrong = {error.pointer.split("/")[1] for error in found if error.pointer}
        kept = {name: value for name, value in members.items() if name not in wrong}
        normalise(LeadIn.model_validate(kept), declared, default_region)
    except Unacceptable as error:
        missing = {"/email", "/phone"} & {e.pointer for e in found}
        return [e for e in error.errors if not (missing and e.detail.startswith("is needed"))]
    except ValueError:
        return []
    return []


def _words(kind: str, entry: Any) -> str:
    if kind == "value_error":
        return str(entry["ctx"]["error"])
    return _WORDS.get(kind, "is not valid").format(**entry.get("ctx", {}))


def _pointer(loc: tuple[int | str, ...]) -> str:
    if loc and loc[0] == "consent":  # a single object is read as a list of one
        loc = tuple(part for part in loc if part != 0)
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in loc)


def _unreadable(context: Any) -> Problem:
    if "recursion" in str(context.get("error", "")):
        return Problem(400, "Not readable", "The JSON is nested too deeply.")
    return Problem(400, "Not readable", "The body is not JSON in UTF-8.")


def canonical(members: dict[str, Any]) -> bytes:
    """A form's members as JSON bytes."""
    return orjson.dumps(members)
