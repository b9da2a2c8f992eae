"""Documents as they stand in the fields of an editor, and back.

A field is named like its place in the document, a JSON pointer with dashes for slashes:
``/criteria/0/levels/1/points`` is typed into ``criteria-0-levels-1-points``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.conditions import (
    OPERATORS,
    Takes,
    operand_from_text,
    operand_to_text,
    parse_operator,
)
from shared.conditions.values import number

Texts = dict[str, str]
Parts = Mapping[str, Any]
MOST_ROWS: Final = 250
"""More than a document may have, so that too many are told rather than lost."""
_STEPS: Final = 6


def text_of(value: Any) -> str:
    """A part of a document as it stands in a field."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return operand_to_text(value) if isinstance(value, str | int | list) else ""


def number_of(text: str) -> int | float | str:
    """The number that was typed; what is no number stays as typed, for a message about it."""
    read = number(text.replace("\N{MINUS SIGN}", "-").removeprefix("+"))
    return text if read is None else read


def value_of(operator: str, text: str) -> Any:
    """The value that was typed after an operator."""
    return operand_from_text(operator, text)


def value_text(operator: str, value: Any) -> str:
    """A value so that ``value_of`` reads it back: a text with commas, where several may stand, is
    put in quotes."""
    try:
        takes = OPERATORS[parse_operator(operator)].takes
    except ValueError:
        return operand_to_text(value)
    if takes is Takes.TEXTS and isinstance(value, str) and "," in value:
        return operand_to_text([value])
    return operand_to_text(list(value) if isinstance(value, tuple) else value)


def sent_texts(sent: Parts, names: tuple[str, ...]) -> Texts:
    """What was sent into the fields of these names."""
    return {
        name: value.strip().replace("\r\n", "\n")
        if isinstance(value := sent.get(name), str)
        else ""
        for name in names
    }


def nested(form: Parts) -> dict[str, Any]:
    """Fields by the steps of their names."""
    root: dict[str, Any] = {}
    for key, value in form.items():
        *steps, last = key.split("-")[:_STEPS]
        node: Any = root
        for step in steps:
            node = node.setdefault(step, {}) if isinstance(node, dict) else None
        if isinstance(node, dict) and isinstance(value, str):
            node[last] = value
    return root


def listed(sent: Any) -> list[Parts]:
    """The rows that were sent, in order; gaps left by removed ones close."""
    numbered = sent.items() if isinstance(sent, dict) else ()
    rows: dict[int, Parts] = {
        int(number): row
        for number, row in numbered
        if re.fullmatch("[0-9]{1,4}", number) and isinstance(row, dict)
    }
    return [rows[number] for number in sorted(rows)][:MOST_ROWS]


def shifted(rows: list[Any], number: str, verb: str) -> int | None:
    """Do ``remove``, ``up`` or ``down`` to the row of this number; where to go on, or None when
    there is no such row."""
    at = int(number) if number.isdecimal() and len(number) < 5 else -1
    if not 0 <= at < len(rows):
        return None
    row = rows.pop(at)
    if verb == "remove":
        return min(at, len(rows) - 1)
    to = max(at - 1, 0) if verb == "up" else min(at + 1, len(rows))
    rows.insert(to, row)
    return to


def counted(steps: Sequence[str]) -> list[str]:
    """Steps to a place as people count."""
    return [str(int(step) + 1) if step.isdecimal() else step for step in steps]


_IN_WORDS: Final = {
    "input should be a valid integer": "write a whole number",
    "input should be a valid number": "write a number",
    "field required": "this is needed",
    "string should have at least": "this is needed",
    "string should match pattern": "use small letters, digits, dots, dashes and underscores",
    "list should have at least": "add at least one",
}


def in_words(detail: str) -> str:
    """What a validator says, as a page says it."""
    found = (words for start, words in _IN_WORDS.items() if detail.startswith(start))
    return next(found, detail.removeprefix("input "))
