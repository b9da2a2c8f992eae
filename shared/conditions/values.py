"""How values of different types are read for a comparison."""

import math
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

Scalar = str | int | float | bool
FactValue = Scalar | None | Sequence[str]
"""What a context may hold under a field."""
Operand = Scalar | None | Sequence[Scalar]
"""What a condition may compare with."""

_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,30})(\.[0-9]{1,30})?\s*")
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})
_SHOWN = 80
_LISTED = 6


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Text as it is compared: one Unicode form, no case, single blanks, none outside.

    Cached, because each criterion looks at the same few facts.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())
    return " ".join(text.lower().split())


def plain(text: str) -> str:
    """Text as a pattern is searched in: like ``fold``, but with its case."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.split())


def number(value: object) -> int | float | None:
    """The finite number that this is or says in plain digits; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value)
        if found is not None:
            return float(value) if found[2] else int(found[1])
    return None


def truth(value: object) -> bool | None:
    """Yes or no, also as a check box or a text spells it; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
    elif isinstance(value, int):
        word = str(value)
    else:
        return None
    return True if word in _YES else False if word in _NO else None


def present(value: FactValue) -> bool:
    """Whether anything is known: not None, blank text, an empty list, or not-a-number."""
    if value is None:
        return False
    if isinstance(value, str):
        return bool(value) and not value.isspace()
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, int) or any(map(present, value))


def items(value: FactValue) -> Sequence[Scalar]:
    """The value, or each of the values, of a field that is present."""
    if isinstance(value, (str, int, float)):
        return (value,)
    return () if value is None else value


def text_of(value: object) -> str:
    """A scalar as text: 120, 1.5, yes, no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def show(value: object) -> str:
    """A value as a sentence shows it: text in quotes and cut, a list cut, numbers plain."""
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _SHOWN else f'"{value[:_SHOWN]}…"'
    if isinstance(value, (list, tuple)):
        more = f" or {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return ", ".join(map(show, value[:_LISTED])) + more
    return text_of(value)
