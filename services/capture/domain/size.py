"""How many people a company has: as a number, and as forms and people write it."""

import re
from typing import Final

MOST: Final = 10_000_000
_NUMBER: Final = r"([0-9]{1,3}(?:[.,' ][0-9]{3})+|[0-9]{1,9})\s*(k)?"
_ABOUT: Final = r"(?:ca\.?|circa|about|approx\.?|around|~|>|<|>=|<=|over|under|up to|more than)?\s*"
_PEOPLE: Final = r"\s*\+?\s*(?:employees|people|staff|mitarbeiter|fte)?"
_ONE: Final = re.compile(rf"{_ABOUT}{_NUMBER}{_PEOPLE}", re.IGNORECASE)
_RANGE: Final = re.compile(rf"{_NUMBER}\s*(?:-|–|—|to|bis)\s*{_NUMBER}{_PEOPLE}", re.IGNORECASE)


def read_size(value: object) -> int:
    """A head count from 0 to ten million; of a range its middle (``10-50`` is 30), of an open one
    its end (``500+`` is 500).

    Raises ValueError when it is none, without the value itself.
    """
    found: int | None = None
    if isinstance(value, bool):
        pass
    elif isinstance(value, int):
        found = value
    elif isinstance(value, float) and value.is_integer():
        found = int(value)
    elif isinstance(value, str):
        found = _from_text(value.strip())
    if found is None or not 0 <= found <= MOST:
        raise ValueError("is no number of people, as in 120 or 50-200")
    return found


def _from_text(text: str) -> int | None:
    if one := _ONE.fullmatch(text):
        return _whole(one[1], one[2])
    if both := _RANGE.fullmatch(text):
        low, high = _whole(both[1], both[2]), _whole(both[3], both[4])
        return (low + high) // 2 if low <= high else None
    return None


def _whole(digits: str, thousands: str | None) -> int:
    return int(re.sub(r"[.,' ]", "", digits)) * (1000 if thousands else 1)
