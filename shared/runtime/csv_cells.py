"""Cells of CSV files that people open with a spreadsheet."""

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def typed(text: str) -> str:
    """What a cell meant before ``cell``."""
    return text[1:] if text.startswith(tuple(f"'{one}" for one in _FORMULA)) else text
