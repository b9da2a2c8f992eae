"""Values as people type them into a form field, and back."""

import re
from typing import Final

from shared.conditions.operators import OPERATORS, Takes, parse_operator
from shared.conditions.values import Operand, number, text_of

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_ITEM: Final = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"\s*|(?P<plain>[^,]*))(?:,|$)')
"""One item of a list: whole in quotes, which are doubled inside, or up to the next comma."""


def operand_from_text(operator: str, text: str) -> Operand:
    """What was typed as the value of ``operator``: numbers become numbers, commas part a list, and
    quotes keep an item of a list whole: ``"Food, Beverages", Retail``.

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
    if takes is Takes.SCALAR:
        return _scalar(text)
    if takes is Takes.NUMBER:
        read = number(text)
        return text if read is None else read
    items = _items(text)
    if takes is Takes.TEXTS:
        texts = [item for item, _ in items]
        return texts[0] if len(texts) == 1 else texts
    if takes is Takes.RANGE and len(items) == 1:
        parts = text.replace(" to ", " ").replace(" and ", " ").split()
        return [_scalar(part) for part in parts]
    return [item if quoted else _scalar(item) for item, quoted in items]


def operand_to_text(value: Operand) -> str:
    """A value as ``operand_from_text`` reads it."""
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return text_of(value)
    return ", ".join(map(_item_text, value))


def _items(text: str) -> list[tuple[str, bool]]:
    """The items of a list that are not blank, and which of them stood in quotes."""
    found = []
    for one in _ITEM.finditer(text):
        quoted, plain = one["quoted"], (one["plain"] or "").strip()
        if quoted is not None:
            found.append((quoted.replace('""', '"'), True))
        elif plain:
            found.append((plain, False))
    return found


def _item_text(item: str | int | float | bool) -> str:
    """An item of a list; in quotes when it would not be read back as it is, and when a quote of its
    own could be taken for one that opens or ends an item beside it."""
    text = text_of(item)
    alone = '"' not in text and _items(text) == [(text, False)] and _scalar(text) == item
    if isinstance(item, str) and not alone:
        return '"' + text.replace('"', '""') + '"'
    return text


def _scalar(text: str) -> str | int | float | bool:
    read = number(text)
    if read is not None and str(read) == text:  # "007" stays text
        return read
    return _YES_NO.get(text.lower(), text)
