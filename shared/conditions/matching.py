"""What each operator does with a fact: closures over a value that was prepared once.

A check says in what words a fact fits, the end of a sentence that was made with the condition, and
None when it does not fit. It is only called with a fact that is present.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from shared.conditions.operators import Operator
from shared.conditions.pattern import compile_pattern
from shared.conditions.values import (
    FactValue,
    Operand,
    Scalar,
    fold,
    items,
    number,
    text_of,
    truth,
)

Check = Callable[[FactValue], str | None]


def compile_check(operator: Operator, value: Operand, endings: Sequence[str]) -> Check:
    """The check of an operator; ``value`` is of the type it takes. ``endings`` are the words for a
    fact that fits: one for each text that an operator looks for, else only one."""
    values: Sequence[Scalar] = value if isinstance(value, tuple) else (value,)
    ending = endings[0]
    if operator in (Operator.EQUALS, Operator.IN):
        return _equality(values, ending, None)
    if operator in (Operator.NOT_EQUALS, Operator.NOT_IN):
        return _equality(values, None, ending)
    if operator in (Operator.CONTAINS, Operator.STARTS_WITH, Operator.MATCHES_WORD):
        return _text(operator, [fold(text_of(one)) for one in values], endings)
    if operator is Operator.MATCHES:
        return _pattern(text_of(values[0]), ending)
    if operator is Operator.IS_PRESENT:
        return lambda fact: ending
    if operator is Operator.IS_MISSING:
        return lambda fact: None
    if operator in (Operator.IS_TRUE, Operator.IS_FALSE):
        wanted = operator is Operator.IS_TRUE
        return lambda fact: ending if truth(fact) is wanted else None
    bounds = [read for one in values if (read := number(one)) is not None]
    return _comparison(operator, bounds[0], bounds[-1], ending)


def _equality(values: Iterable[Scalar], same: str | None, other: str | None) -> Check:
    """Equal to one of ``values``: sets by type, since True is 1 in Python but not for people."""
    texts: set[str] = set()
    numbers: set[int | float] = set()
    truths: set[bool] = set()
    numbers_in_text: set[int | float] = set()
    truths_in_text: set[bool] = set()
    for value in values:
        if isinstance(value, bool):
            truths.add(value)
        elif isinstance(value, str):
            texts.add(fold(value))
            if (read := number(value)) is not None:
                numbers_in_text.add(read)
            elif (said := truth(value)) is not None:
                truths_in_text.add(said)
        else:
            numbers.add(value)

    def equal(fact: Scalar) -> bool:
        if isinstance(fact, str):
            if fold(fact) in texts:
                return True
            if numbers and (read := number(fact)) is not None:
                return read in numbers
            return bool(truths) and number(fact) is None and truth(fact) in truths
        if isinstance(fact, bool):
            return fact in truths or fact in truths_in_text
        return fact in numbers or fact in numbers_in_text

    def check(fact: FactValue) -> str | None:
        if isinstance(fact, str):
            return same if equal(fact) else other
        return same if any(map(equal, items(fact))) else other

    return check


def _text(operator: Operator, wanted: Sequence[str], endings: Sequence[str]) -> Check:
    """The first of the texts that is found; whole words are: "vp" is in "VP, Marketing" and not in
    "RSVP". A plain search goes first, because a pattern is much slower to say no."""
    sure: dict[Operator, Callable[[str], Callable[[str], object] | None]] = {
        Operator.CONTAINS: lambda part: None,
        Operator.STARTS_WITH: lambda part: re.compile(re.escape(part)).match,
        Operator.MATCHES_WORD: lambda part: re.compile(rf"(?<!\w){re.escape(part)}(?!\w)").search,
    }
    parts = [(part, sure[operator](part), end) for part, end in zip(wanted, endings, strict=True)]

    def check(fact: FactValue) -> str | None:
        if isinstance(fact, str):
            texts = [fold(fact)]
        else:
            texts = [fold(text_of(item)) for item in items(fact)]
        for part, confirm, ending in parts:
            for text in texts:
                if part in text and (confirm is None or confirm(text)):
                    return ending
        return None

    return check


def _pattern(pattern: str, ending: str) -> Check:
    found = compile_pattern(pattern)

    def check(fact: FactValue) -> str | None:
        if isinstance(fact, str):
            return ending if found(fact) else None
        return ending if any(found(text_of(item)) for item in items(fact)) else None

    return check


def _comparison(operator: Operator, low: int | float, high: int | float, ending: str) -> Check:
    compare: dict[Operator, Callable[[int | float], bool]] = {
        Operator.AT_LEAST: lambda found: found >= low,
        Operator.AT_MOST: lambda found: found <= low,
        Operator.GREATER_THAN: lambda found: found > low,
        Operator.LESS_THAN: lambda found: found < low,
        Operator.BETWEEN: lambda found: low <= found <= high,
    }
    within = compare[operator]

    def check(fact: FactValue) -> str | None:
        found = number(fact)
        return ending if found is not None and within(found) else None

    return check
