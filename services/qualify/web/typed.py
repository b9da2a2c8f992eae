"""Numbers and values as they stand in the editor's fields, and back."""

from typing import Any

from shared.conditions import (
    OPERATORS,
    Takes,
    operand_from_text,
    operand_to_text,
    parse_operator,
)
from shared.conditions.values import number


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
