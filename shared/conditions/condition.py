"""Compiling a condition: its value is checked and prepared once, matching it is then cheap."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, Self, TypeVar

from shared.conditions.matching import compile_check
from shared.conditions.operators import OPERATORS, Operator, Takes, parse_operator
from shared.conditions.pattern import compile_pattern
from shared.conditions.values import FactValue, Operand, number, present, show, text_of

__all__ = [
    "Condition",
    "ConditionError",
    "ConditionErrors",
    "FactValue",
    "Operand",
    "Test",
    "compile_condition",
    "read_condition",
]

_LONGEST_FIELD: Final = 120  # characters
_LARGEST: Final = 10**300  # beyond it a float is infinite, and digits cost time


class ConditionError(ValueError):
    """A condition that can't be compiled. ``pointer_suffix`` (such as ``/operator``) is the place
    in it as a JSON pointer, ``message`` says what is allowed there."""

    def __init__(self, pointer_suffix: str, message: str) -> None:
        super().__init__(f"{pointer_suffix}: {message}")
        self.pointer_suffix = pointer_suffix
        self.message = message


class ConditionErrors(ValueError):
    """Everything that is wrong with a tree or a list of conditions; each suffix is the place in
    the whole."""

    def __init__(self, errors: Sequence[ConditionError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


class Mask(Protocol):
    """Answers for many leads at once; an array of booleans is one."""

    def __and__(self, other: Self, /) -> Self: ...
    def __or__(self, other: Self, /) -> Self: ...
    def __invert__(self) -> Self: ...


AnyMask = TypeVar("AnyMask", bound=Mask)


class Test(Protocol):
    """What a lead can be put to: one condition, or a tree of them. None of it ever raises."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields it looks at, each once."""

    def matches(self, context: Mapping[str, FactValue]) -> bool:
        """Whether it holds."""

    def reason(self, context: Mapping[str, FactValue]) -> str | None:
        """Why it holds, in words; None when it does not."""

    def because(self, context: Mapping[str, FactValue]) -> str:
        """Why it holds or why it does not, in words."""

    def sentence(self) -> str:
        """The test itself in words."""

    def combine(self, ask: "Callable[[Condition], AnyMask]") -> AnyMask:
        """The answers for many leads, from those that ``ask`` gives for each condition."""

    def to_document(self) -> dict[str, Any]:
        """A document that compiles to the same, with the operators' names proper."""


class Condition:
    """A compiled condition. ``operator`` is the name proper, whatever alias was written, and
    ``value`` is what it compares with, in the type it compares as."""

    __slots__ = ("_check", "_missing", "_says", "field", "fields", "operator", "value")

    def __init__(self, field: str, operator: Operator, value: Operand) -> None:
        self.field: Final = field
        self.fields: Final[tuple[str, ...]] = (field,)
        self.operator: Final = operator
        self.value: Final = value
        self._says: Final = _ending(OPERATORS[operator].label, operator, value)
        texts = value if isinstance(value, tuple) and _takes_texts(operator) else ()
        endings = [_ending(OPERATORS[operator].label, operator, text) for text in texts]
        self._check: Final = compile_check(operator, value, endings or [self._says])
        asked = operator is Operator.IS_MISSING
        self._missing: Final = f"{field} is not known" if asked else None

    def matches(self, context: Mapping[str, FactValue]) -> bool:
        """Whether the field's value in ``context`` fits. Never raises."""
        fact = context.get(self.field)
        if not present(fact):
            return self._missing is not None
        return self._check(fact) is not None

    def holds(self, fact: FactValue) -> bool:
        """Whether this value fits: what ``matches`` says of a context in which the field has it.
        For who has a column of values and asks once for each different one."""
        if not present(fact):
            return self._missing is not None
        return self._check(fact) is not None

    def reason(self, context: Mapping[str, FactValue]) -> str | None:
        """Why it matches, in a sentence; None when it does not match."""
        fact = context.get(self.field)
        if not present(fact):
            return self._missing
        ending = self._check(fact)
        return None if ending is None else self._sentence(fact, ending)

    def because(self, context: Mapping[str, FactValue]) -> str:
        """A sentence that says what was found and whether it fits: ``employees 120 is at least
        50``, ``country is not known``, ``employees "many" is not a number``."""
        fact = context.get(self.field)
        if not present(fact):
            return f"{self.field} is not known"
        return self._sentence(fact, self._check(fact) or self._against(fact))

    def sentence(self) -> str:
        """The condition itself in words: ``employees is at least 50``."""
        return self.field + self._says

    def combine(self, ask: "Callable[[Condition], AnyMask]") -> AnyMask:
        """What ``ask`` says of it."""
        return ask(self)

    def to_document(self) -> dict[str, Any]:
        """The condition as it may be written, with the operator's name proper."""
        document: dict[str, Any] = {"field": self.field, "operator": self.operator.value}
        if self.value is not None:
            document["value"] = list(self.value) if isinstance(self.value, tuple) else self.value
        return document

    def _sentence(self, fact: FactValue, ending: str) -> str:
        if isinstance(fact, bool) and self.operator in (Operator.IS_TRUE, Operator.IS_FALSE):
            return self.field + ending
        return f"{self.field} {show(fact)}{ending}"

    def _against(self, fact: FactValue) -> str:
        info = OPERATORS[self.operator]
        if info.takes in (Takes.NUMBER, Takes.RANGE) and number(fact) is None:
            return " is not a number"
        return _ending(info.negated, self.operator, self.value)

    def __repr__(self) -> str:
        return f"Condition({self.sentence()!r})"


def compile_condition(field: str, operator: str, value: Any = None) -> Condition:
    """Check and prepare a condition. ``operator`` may be an alias such as ``>=`` or ``eq``.

    ``exists`` with the value false asks for ``is_missing``. Raises ConditionError.
    """
    errors: list[ConditionError] = []
    made = read_condition(field, operator, value, errors)
    if made is None:
        raise errors[0]
    return made


def read_condition(
    field: Any, operator: Any, value: Any, errors: list[ConditionError]
) -> Condition | None:
    """``compile_condition`` for who wants every mistake: adds them to ``errors``."""
    before = len(errors)
    if not isinstance(field, str) or not field.strip():
        errors.append(ConditionError("/field", "name the field to look at"))
    elif len(field) > _LONGEST_FIELD:
        message = f"the name of a field has at most {_LONGEST_FIELD} characters"
        errors.append(ConditionError("/field", message))
    try:
        found, value = _operator(operator, value)
        value = _CHECKS[OPERATORS[found].takes](found, value)
    except ConditionError as error:
        errors.append(error)
    return Condition(field.strip(), found, value) if len(errors) == before else None


def _operator(name: Any, value: Any) -> tuple[Operator, Any]:
    if not isinstance(name, str) or not name.strip():
        raise ConditionError("/operator", f"use one of: {', '.join(Operator)}")
    try:
        found = parse_operator(name)
    except ValueError as error:
        raise ConditionError("/operator", str(error)) from None
    if value is False and found in (Operator.IS_PRESENT, Operator.IS_MISSING):
        flipped = {Operator.IS_PRESENT, Operator.IS_MISSING} - {found}
        return flipped.pop(), None
    return found, value


def _takes_texts(operator: Operator) -> bool:
    return OPERATORS[operator].takes is Takes.TEXTS


def _ending(label: str, operator: Operator, value: Operand) -> str:
    """The end of a sentence: the label and the value in words."""
    if OPERATORS[operator].takes is Takes.NOTHING:
        return f" {label}"
    if operator is Operator.BETWEEN and isinstance(value, tuple):
        return f" {label} {show(value[0])} and {show(value[1])}"
    if isinstance(value, tuple) and _takes_texts(operator):
        return f" {label} " + show(value).replace('", "', '" or "')
    return f" {label} {show(value)}"


def _wrong(operator: Operator, hint: str = "") -> ConditionError:
    takes = OPERATORS[operator].takes
    return ConditionError("/value", f"{operator} takes {takes}{hint}")


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, bool) or _finite(value) is not None


def _finite(value: Any) -> int | float | None:
    read = number(value)
    return read if read is not None and -_LARGEST <= read <= _LARGEST else None


def _scalar(operator: Operator, value: Any) -> Operand:
    if not _is_scalar(value):
        hint = "; for several values use in or not_in" if isinstance(value, list | tuple) else ""
        raise _wrong(operator, hint or "; to ask for nothing use is_missing")
    return value


def _list(operator: Operator, value: Any) -> Operand:
    """One value stands for a list of one; text is split at its commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    elif _is_scalar(value):
        value = [value]
    if not isinstance(value, list | tuple) or not value or not all(map(_is_scalar, value)):
        raise _wrong(operator, ", not empty")
    return tuple(value)


def _texts(operator: Operator, value: Any) -> Operand:
    if isinstance(value, list | tuple):
        if not value or not all(map(_is_scalar, value)):
            raise _wrong(operator, ", not empty")
        return tuple(text_of(item) for item in value)
    if not _is_scalar(value):
        raise _wrong(operator, ", not empty")
    return text_of(value)


def _pattern(operator: Operator, value: Any) -> Operand:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(operator, ", as text")
    pattern = value.strip()
    try:
        compile_pattern(pattern)
    except ValueError as error:
        raise ConditionError("/value", str(error)) from None
    return pattern


def _number(operator: Operator, value: Any) -> Operand:
    read = _finite(value)
    if read is None:
        raise _wrong(operator)
    return read


def _range(operator: Operator, value: Any) -> Operand:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _wrong(operator)
    low, high = _finite(value[0]), _finite(value[1])
    if low is None or high is None or low > high:
        raise _wrong(operator)
    return (low, high)


def _nothing(operator: Operator, value: Any) -> Operand:
    if value in (None, "") or value is True:
        return None
    raise _wrong(operator)


_CHECKS: Final[dict[Takes, Callable[[Operator, Any], Operand]]] = {
    Takes.SCALAR: _scalar,
    Takes.LIST: _list,
    Takes.TEXTS: _texts,
    Takes.PATTERN: _pattern,
    Takes.NUMBER: _number,
    Takes.RANGE: _range,
    Takes.NOTHING: _nothing,
}
