"""Regular expressions, in time linear in the text: RE2, so no pattern can hold a service up.

RE2 has no look-around and no back references, and its ``\\w``, ``\\d`` and ``\\b`` know ASCII only
(``\\pL`` is any letter): https://github.com/google/re2/wiki/Syntax
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from shared.conditions.values import plain

__all__ = ["LONGEST_PATTERN", "compile_pattern"]

LONGEST_PATTERN: Final = 500
"""Characters."""
_MEMORY: Final = 1 << 20
"""Bytes that one pattern and what it remembers while it searches may take."""
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_NOT_IN_RE2: Final = re.compile(r"invalid (perl operator: \(\?[=!<]|escape sequence: \\[1-9])")


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether a text has ``pattern`` somewhere in it, without regard to case.

    Raises ValueError that says what is wrong with the pattern.
    """
    import re2  # here, for it takes 8 ms to load and few definitions have a pattern

    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern has at most {LONGEST_PATTERN} characters")
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True  # only whether it is found matters, and that is faster
    options.log_errors = False  # to stderr
    options.max_mem = _MEMORY
    try:
        search = re2.compile(_one_form(pattern).encode(), options).search
    except re2.error as error:
        raise ValueError(_in_words(error)) from None
    except UnicodeEncodeError:
        raise ValueError("the pattern has half a character (a lone surrogate)") from None

    def found(text: str) -> bool:
        return search(plain(text).encode(errors="replace")) is not None

    return found


def _one_form(pattern: str) -> str:
    """The pattern in the Unicode form of the texts; what this turns into ASCII is taken as text:
    ``…`` becomes three full stops, not any three characters."""
    composed = unicodedata.normalize("NFC", pattern)
    return _BEYOND_ASCII.sub(lambda run: re.escape(unicodedata.normalize("NFKC", run[0])), composed)


def _in_words(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if _NOT_IN_RE2.match(said):
        return f"look-around and back references are not supported ({said})"
    if "too large" in said or "repetition size" in said:
        return f"the pattern is too large, repeat less ({said})"
    return f"not a regular expression: {said}"
