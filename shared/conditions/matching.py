"""What each operator does with a fact: closures over a value that was prepared once.

They are only called with a fact that is present.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from shared.conditions.operators import Operator
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

Test = Callable[[FactValue], bool]


def compile_test(operator: Operator, value: Operand) -> Test:
    """The test of an operator that takes a value; ``value`` is of the type it takes."""
    values: Sequence[Scalar] = value if isinstance(value, tuple) else (value,)
    if operator in (Operator.EQUALS, Operator.IN):
        return _equality(values)
    if operator in (Operator.NOT_EQUALS, Operator.NOT_IN):
        equal = _equality(values)
        return lambda fact: not equal(fact)
    if operator is Operator.CONTAINS:
        return _any_text(values, lambda wanted: lambda text: wanted in text)
    if operator is Operator.STARTS_WITH:
        return _any_text(values, lambda wanted: lambda text: text.startswith(wanted))
    if operator is Operator.MATCHES_WORD:
        return _text_test([_words(values)])
    return _comparison(operator, [read for item in values if (read := number(item)) is not None])


def truth_test(wanted: bool) -> Test:
    """The test of is_true and is_false."""
    return lambda fact: truth(fact) is wanted


def _equality(values: Iterable[Scalar]) -> Test:
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
        if isinstance(fact, bool):
            return fact in truths or fact in truths_in_text
        if isinstance(fact, str):
            if fold(fact) in texts:
                return True
            if numbers and (read := number(fact)) is not None:
                return read in numbers
            return bool(truths) and number(fact) is None and truth(fact) in truths
        return fact in numbers or fact in numbers_in_text

    return lambda fact: any(map(equal, items(fact)))


def _any_text(values: Iterable[Scalar], make: Callable[[str], Callable[[str], bool]]) -> Test:
    return _text_test([make(fold(text_of(value))) for value in values])


def _text_test(tests: Sequence[Callable[[str], bool]]) -> Test:
    def test(fact: FactValue) -> bool:
        for item in items(fact):
            text = fold(text_of(item))
            for found in tests:
                if found(text):
                    return True
        return False

    return test


def _words(values: Iterable[Scalar]) -> Callable[[str], bool]:
    """Whole words: "vp" is in "VP, Marketing" and not in "RSVP". One pattern for all of them."""
    words = "|".join(re.escape(fold(text_of(value))) for value in values)
    pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)")
    return lambda text: pattern.search(text) is not None


def _comparison(operator: Operator, bounds: Sequence[int | float]) -> Test:
    low, high = bounds[0], bounds[-1]
    compare: dict[Operator, Callable[[int | float], bool]] = {
        Operator.AT_LEAST: lambda found: found >= low,
        Operator.AT_MOST: lambda found: found <= low,
        Operator.GREATER_THAN: lambda found: found > low,
        Operator.LESS_THAN: lambda found: found < low,
        Operator.BETWEEN: lambda found: low <= found <= high,
    }
    within = compare[operator]

    def test(fact: FactValue) -> bool:
        found = number(fact)
        return found is not None and within(found)

    return test
