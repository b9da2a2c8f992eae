"""Trees of conditions: all of some, any of some, not one; compiled once, then asked as often.

A document is one of::

    {"all": [document, …]}    {"any": [document, …]}    {"not": document}
    {"field": …, "operator": …, "value": …}

``not`` is plain negation: it holds when what it negates does not, and so also when the field is
missing. ``{"not": {country equals US}}`` holds for a lead of no known country; ``country
not_equals US`` does not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import Any, Final

from shared.conditions.condition import (
    AnyMask,
    Condition,
    ConditionError,
    ConditionErrors,
    Test,
    read_condition,
)
from shared.conditions.names import did_you_mean
from shared.conditions.values import FactValue

__all__ = ["MOST_LEAVES", "MOST_LEVELS", "compile_all", "compile_tree"]

MOST_LEVELS: Final = 8
"""Groups within groups."""
MOST_LEAVES: Final = 200
"""Conditions in one tree."""

_GROUPS: Final = ("all", "any", "not")
_LEAF: Final = ("field", "operator", "value")
_FORMS: Final = "all, any, not, or field and operator"
_SAID: Final = 6  # findings in one reason; who wants more reads the tree
_NAMED: Final = 10  # unknown keys of one object


class _Group:
    """Conditions under one word. What it says of a lead is what those that decided found."""

    __slots__ = ("_asks", "_parts", "fields")
    word = ""

    def __init__(self, parts: Sequence[Test]) -> None:
        self._parts: Final = tuple(parts)
        self._asks: Final = tuple(part.matches for part in parts)
        named = dict.fromkeys(field for part in parts for field in part.fields)
        self.fields: Final[tuple[str, ...]] = tuple(named)

    def matches(self, context: Mapping[str, FactValue]) -> bool:
        """Whether it holds. Never raises."""
        raise NotImplementedError

    def findings(self, context: Mapping[str, FactValue], holds: bool) -> Iterator[str]:
        """What was found by every condition that makes it hold or, when it does not, that keeps
        it from holding: by those that came out as the whole did."""
        for part in self._parts:
            if part.matches(context) is holds:
                yield from _findings(part, context, holds)

    def sentence(self) -> str:
        """The tree in words: ``country is "DE" and not (employees is less than 50)``."""
        return f" {self.word} ".join(map(_within, self._parts))

    def combine(self, ask: Callable[[Condition], AnyMask]) -> AnyMask:
        """The answers for many leads, from those that ``ask`` gives for each condition; they are
        put together with ``&``, ``|`` and ``~``."""
        raise NotImplementedError

    def to_document(self) -> dict[str, Any]:
        """The tree as it may be written, with the operators' names proper."""
        raise NotImplementedError

    def reason(self, context: Mapping[str, FactValue]) -> str | None:
        """What was found that makes it hold; None when it does not."""
        return _listed(self.findings(context, True)) if self.matches(context) else None

    def because(self, context: Mapping[str, FactValue]) -> str:
        """What was found that makes it hold or that keeps it from holding."""
        return _listed(self.findings(context, self.matches(context)))

    def __repr__(self) -> str:
        return f"Tree({self.sentence()!r})"


class _All(_Group):
    __slots__ = ()
    word = "and"

    def matches(self, context: Mapping[str, FactValue]) -> bool:
        for ask in self._asks:  # noqa: SIM110 - a generator would take twice the time
            if not ask(context):
                return False
        return True

    def combine(self, ask: Callable[[Condition], AnyMask]) -> AnyMask:
        return reduce(and_, (part.combine(ask) for part in self._parts))

    def to_document(self) -> dict[str, Any]:
        return {"all": [part.to_document() for part in self._parts]}


class _Any(_Group):
    __slots__ = ()
    word = "or"

    def matches(self, context: Mapping[str, FactValue]) -> bool:
        for ask in self._asks:  # noqa: SIM110
            if ask(context):
                return True
        return False

    def combine(self, ask: Callable[[Condition], AnyMask]) -> AnyMask:
        return reduce(or_, (part.combine(ask) for part in self._parts))

    def to_document(self) -> dict[str, Any]:
        return {"any": [part.to_document() for part in self._parts]}


class _Not(_Group):
    __slots__ = ("_ask",)
    word = "not"

    def __init__(self, part: Test) -> None:
        super().__init__((part,))
        self._ask: Final = part.matches

    def matches(self, context: Mapping[str, FactValue]) -> bool:
        return not self._ask(context)

    def findings(self, context: Mapping[str, FactValue], holds: bool) -> Iterator[str]:
        yield from _findings(self._parts[0], context, not holds)

    def combine(self, ask: Callable[[Condition], AnyMask]) -> AnyMask:
        return ~self._parts[0].combine(ask)

    def sentence(self) -> str:
        return f"not ({self._parts[0].sentence()})"

    def to_document(self) -> dict[str, Any]:
        return {"not": self._parts[0].to_document()}


def _findings(part: Test, context: Mapping[str, FactValue], holds: bool) -> Iterable[str]:
    return part.findings(context, holds) if isinstance(part, _Group) else (part.because(context),)


def _listed(findings: Iterator[str]) -> str:
    said = list(dict.fromkeys(findings))
    more = f"; and {len(said) - _SAID} more" if len(said) > _SAID else ""
    return "; ".join(said[:_SAID]) + more


def _within(part: Test) -> str:
    plain = isinstance(part, Condition | _Not)
    return part.sentence() if plain else f"({part.sentence()})"


def compile_tree(document: Any) -> Test:
    """Check and prepare a condition or a tree of conditions, see the module.

    Raises ConditionErrors with every mistake, each with the place as a JSON pointer:
    ``/all/1/not/operator``.
    """
    return _compiled([("", document)])[0]


def compile_all(documents: Iterable[Any]) -> list[Test]:
    """Compile a list of conditions and trees; all of them must hold or some must, as the caller
    means it. Raises ConditionErrors with every mistake at once, as ``/2/operator``."""
    return _compiled((f"/{index}", document) for index, document in enumerate(documents))


def _compiled(documents: Iterable[tuple[str, Any]]) -> list[Test]:
    errors: list[ConditionError] = []
    made = [_Reader(errors).read(document, place) for place, document in documents]
    if errors:
        raise ConditionErrors(errors)
    return [test for test in made if test is not None]


class _Reader:
    """Reads one document; what is wrong goes to ``errors``, and None is returned for it."""

    def __init__(self, errors: list[ConditionError]) -> None:
        self._errors = errors
        self._ends = 0
        """Conditions so far, and whatever stands where one should."""

    def read(self, document: Any, place: str, level: int = 0) -> Test | None:
        if not isinstance(document, Mapping):
            return self._end(place, f"write an object with {_FORMS}")
        self._unknown(document, place)
        words = [word for word in _GROUPS if word in document]
        if not words:
            return self._leaf(document, place)
        if len(words) > 1 or any(key in document for key in _LEAF):
            return self._end(place, f"write only one of {_FORMS}")
        if level == MOST_LEVELS:
            return self._end(place, f"all, any and not may be nested {MOST_LEVELS} deep")
        return self._group(words[0], document[words[0]], f"{place}/{words[0]}", level + 1)

    def _group(self, word: str, inner: Any, place: str, level: int) -> Test | None:
        if word == "not":
            negated = self.read(inner, place, level)
            return None if negated is None else _Not(negated)
        if not isinstance(inner, list | tuple) or not inner:
            return self._end(place, "write a list of at least one condition")
        parts = []
        for index, document in enumerate(inner):
            if self._ends > MOST_LEAVES:  # said so already
                return None
            parts.append(self.read(document, f"{place}/{index}", level))
        good = [part for part in parts if part is not None]
        if len(good) < len(parts):
            return None
        return _All(good) if word == "all" else _Any(good)

    def _leaf(self, document: Mapping[Any, Any], place: str) -> Test | None:
        if not any(key in document for key in _LEAF):
            return self._end(place, "" if document else f"write {_FORMS}")
        if not self._counted():
            return None
        wrong: list[ConditionError] = []
        parts = (document.get("field"), document.get("operator"), document.get("value"))
        made = read_condition(*parts, wrong)
        for error in wrong:
            self._say(place + error.pointer_suffix, error.message)
        return made

    def _unknown(self, document: Mapping[Any, Any], place: str) -> None:
        unknown = [str(key) for key in document if key not in _GROUPS and key not in _LEAF]
        for key in unknown[:_NAMED]:
            meant = did_you_mean(key, (*_GROUPS, *_LEAF))
            hint = f"did you mean {meant}?" if meant else f"write {_FORMS}"
            pointer = key.replace("~", "~0").replace("/", "~1")
            self._say(f"{place}/{pointer}", f"unknown key {key[:40]!r}; {hint}")

    def _end(self, place: str, message: str) -> Test | None:
        """A branch that ends without a condition."""
        if self._counted() and message:
            self._say(place, message)
        return None

    def _counted(self) -> bool:
        self._ends += 1
        if self._ends == MOST_LEAVES + 1:
            self._say("", f"a tree has at most {MOST_LEAVES} conditions; use in for many values")
        return self._ends <= MOST_LEAVES

    def _say(self, place: str, message: str) -> None:
        self._errors.append(ConditionError(place, message))
