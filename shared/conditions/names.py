"""Names that people misspell."""

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.75  # of 1: one letter too many or too few in a name of four
_LONGEST = 80  # comparing takes the product of both lengths


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that is spelt most like ``name``, case aside; None if none is close."""
    by_fold = {one.lower(): one for one in known}
    found = get_close_matches(name[:_LONGEST].lower(), by_fold, n=1, cutoff=_ALIKE)
    return by_fold[found[0]] if found else None
