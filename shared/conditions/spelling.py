"""Values as people type them into a form field, and back."""

from shared.conditions.operators import OPERATORS, Takes, parse_operator
from shared.conditions.values import Operand, number, text_of

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}


def operand_from_text(operator: str, text: str) -> Operand:
    """What was typed as the value of ``operator``: numbers become numbers, commas part a list.

    What does not fit the operator is returned as typed; ``compile_condition`` says what is wrong.
    """
    text = text.strip()
    try:
        takes = OPERATORS[parse_operator(operator)].takes
    except ValueError:
        return text
    if takes is Takes.NOTHING or not text:
        return text or None
    if takes is Takes.PATTERN:
        return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if takes is Takes.SCALAR:
        return _scalar(text)
    if takes is Takes.NUMBER:
        read = number(text)
        return text if read is None else read
    if takes is Takes.TEXTS:
        return parts[0] if len(parts) == 1 else parts
    if takes is Takes.RANGE and len(parts) == 1:
        parts = [part for part in text.replace(" to ", " ").replace(" and ", " ").split() if part]
    return [_scalar(part) for part in parts]


def operand_to_text(value: Operand) -> str:
    """A value as ``operand_from_text`` reads it."""
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return text_of(value)
    return ", ".join(text_of(item) for item in value)


def _scalar(text: str) -> str | int | float | bool:
    read = number(text)
    if read is not None and str(read) == text:  # "007" stays text
        return read
    return _YES_NO.get(text.lower(), text)
