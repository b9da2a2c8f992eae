"""Custom fields: what was declared about them, and values read by that declaration."""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.capture.domain.text import one_line, paragraphs

FieldType = Literal["text", "number", "boolean", "choice"]
FieldKind = Literal["fact", "personal"]
Value = str | int | float | bool | list[str]

FACT: Final = "fields."
"""What the name of a custom field begins with among a lead's facts."""
MAX_FIELDS: Final = 100
"""Most custom fields of one submission, and most undeclared ones that a lead keeps."""
MAX_BYTES: Final = 160 * 1024
"""Most that the custom fields of a lead take as JSON. Far below what a broker takes in one message,
and more than one submission can bring."""
MAX_TEXT: Final = 5000
"""Longest custom value, in characters."""
NAME: Final = re.compile(r"[^\W_][\w.\- ]{0,63}")
_NO_NAME: Final = re.compile(r"[^\w.\- ]+")

_YES: Final = frozenset({"true", "yes", "on", "1", "y"})
_NO: Final = frozenset({"false", "no", "off", "0", "n"})


@dataclass(frozen=True, slots=True)
class FieldDeclaration:
    """A custom field that somebody declared. A fact travels with the facts."""

    name: str
    label: str
    type: FieldType
    kind: FieldKind
    options: tuple[str, ...] = ()
    position: int = 0

    @property
    def is_fact(self) -> bool:
        return self.kind == "fact"


@dataclass(frozen=True, slots=True)
class SeenField:
    """A custom field that came without a declaration."""

    name: str
    first_seen_at: datetime


def plain_name(name: str) -> str:
    """A name as other tools give it (``contact[shoe size]``, ``What's your budget?``), as a custom
    field has it; empty when nothing is left."""
    plain = " ".join(_NO_NAME.sub(" ", unicodedata.normalize("NFC", name)).split())
    return plain.lstrip("_.- ")[:64].rstrip()


def read_value(raw: object, declared: FieldDeclaration | None) -> Value | None:
    """The value by its declaration; of an undeclared field as it is. None when it is empty.

    Raises ValueError with what is wrong, without the value itself.
    """
    if raw is None or raw == "" or raw == []:
        return None
    if declared is None or declared.type == "text":
        return _free(raw)
    if declared.type == "number":
        return _number(raw)
    if declared.type == "boolean":
        return _boolean(raw)
    return _choice(raw, declared.options)


def guess_type(examples: Sequence[str]) -> FieldType:
    """What a field's values look like: a number, yes or no, else text. A list of choices is a
    marketer's to name."""
    guesses: tuple[FieldType, ...] = ("number", "boolean")
    for guess in guesses:
        declared = FieldDeclaration("", "", guess, "fact")
        try:
            if all(read_value(one, declared) is not None for one in examples) and examples:
                return guess
        except ValueError:
            continue
    return "text"


def _free(raw: object) -> Value | None:
    if isinstance(raw, str):
        if len(raw) > MAX_TEXT:
            raise ValueError(f"is longer than {MAX_TEXT} characters")
        if "\x00" in raw:
            raise ValueError("holds a character that is not allowed")
        return paragraphs(raw)
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float):
        return _finite(raw)
    if isinstance(raw, list) and len(raw) <= 50 and all(isinstance(item, str) for item in raw):
        if sum(map(len, raw)) > MAX_TEXT:
            raise ValueError(f"is longer than {MAX_TEXT} characters")
        return [line for line in map(one_line, raw) if line]
    raise ValueError("must be text, a number, true or false, or a list of at most 50 texts")


def _finite(number: int | float) -> int | float:
    # 2**53: past it JSON readers disagree about whole numbers.
    if not math.isfinite(number) or abs(number) > 2**53:
        raise ValueError("is a number too large to keep exactly")
    return number


def _number(raw: object) -> int | float:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return _finite(raw)
    if isinstance(raw, str) and len(raw) <= 40 and "_" not in raw:
        try:
            return _finite(int(raw))
        except ValueError:
            pass
        try:
            return _finite(float(raw))
        except ValueError:
            pass
    raise ValueError("must be a number")


def _boolean(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str | int):
        word = str(raw).strip().lower()
        if word in _YES:
            return True
        if word in _NO:
            return False
    raise ValueError("must be true or false")


def _choice(raw: object, options: tuple[str, ...]) -> str:
    if isinstance(raw, str) and raw.strip() in options:
        return raw.strip()
    raise ValueError("must be one of the declared options")
