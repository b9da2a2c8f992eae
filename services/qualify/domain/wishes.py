"""What a lead would have to be for a condition to hold, or not to: wishes, and moves of several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from shared.conditions import Condition, FactValue, Operator, compile_tree
from shared.conditions.values import number, present, show
from shared.scorecard.definition import ACTIVITY, DAYS_AGO
from shared.scorecard.rules import ANY, MOMENTS, Activity, Engagement, Inputs, Levels, Single

SOMETHING: Final = "(something else)"
"""Stands for a text that no condition names."""
_VALUES: Final = 4
"""Of a list of values, so many are tried."""
_WAYS: Final = 6
"""Of the ways to make a tree hold, so many are tried."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One fact with another value, or an activity done more often (then ``value`` is the count)."""

    field: str
    value: FactValue
    words: str
    effort: float
    """How far-fetched it is: what a lead can still do is nearest, who it is farthest."""
    times: int = 0
    """How often an activity is done once more."""


Move = tuple[Wish, ...]
"""Wishes that only help together."""


def apply(inputs: Inputs, wishes: Sequence[Wish], at: datetime) -> Inputs:
    """The lead as wished; what it would have done it did at ``at``."""
    facts, attribution = dict(inputs.facts), dict(inputs.attribution)
    activities = dict(inputs.activities)
    for wish in wishes:
        if wish.times:
            kind = wish.field.removeprefix(ACTIVITY)
            for _ in range(wish.times):
                known = activities.get(kind)
                activities[kind] = known.and_at(at) if known else Activity.first(at)
        elif wish.field in attribution and wish.field not in facts:
            attribution[wish.field] = None if wish.value is None else str(wish.value)
        else:
            facts[wish.field] = wish.value
    return replace(inputs, facts=facts, attribution=attribution, activities=activities)


def moves_of(asked: Any, context: Mapping[str, FactValue], *, holds: bool) -> Iterator[Move]:
    """Ways to make a rule give more (``holds``), or a test hold or not. A rule that gives less than
    nothing is wished away."""
    if isinstance(asked, Single):
        yield from _moves_of_test(asked.test, context, asked.points > 0)
        if asked.activity_kind is not None and asked.points > 0:
            yield from _again(asked.activity_kind, context)  # newer, so less faded
    elif isinstance(asked, Levels):
        for level in asked.levels:
            yield from _moves_of_test(level.condition, context, True)
            yield from _moves_of_test(level.condition, context, False)
    elif isinstance(asked, Engagement):
        if asked.points > 0:
            yield from _often(asked, context)
    else:
        yield from _moves_of_test(asked, context, holds)


def _again(kind: str, context: Mapping[str, FactValue]) -> Iterator[Move]:
    yield (_done(kind, 1, context),)


def _often(rule: Engagement, context: Mapping[str, FactValue]) -> Iterator[Move]:
    """Enough times to count; and, where each time counts, up to where no more is given."""
    done = context.get(ACTIVITY + rule.kind)
    missing = max(rule.count - (done if isinstance(done, int) else 0), 1)
    most = MOMENTS if rule.cap is None else max(-(-rule.cap // rule.points), 1)
    tried = {1, missing, rule.count, *(range(1, most + 1) if rule.cap is not None else ())}
    for times in sorted(one for one in tried if 0 < one <= 50):
        yield (_done(rule.kind, times, context),)


def _done(kind: str, times: int, context: Mapping[str, FactValue]) -> Wish:
    known = context.get(ACTIVITY + kind)
    count = known if isinstance(known, int) else 0
    more = "once" if times == 1 else f"{times} times"
    name = "any activity" if kind == ANY else kind
    words = f"{name} {more} more" if count else f"{name} {more}"
    return Wish(ACTIVITY + kind, count + times, words, 0.1 * times, times)


def _moves_of_test(test: Any, context: Mapping[str, FactValue], holds: bool) -> list[Move]:
    """Ways to make a test hold, or not; none where it is so already."""
    if test.matches(context) is holds:
        return []
    if isinstance(test, Condition):
        return [(wish,) for wish in _wishes(test, context, holds)]
    return _moves_of_tree(test.to_document(), context, holds)[:_WAYS]


def together(first: Sequence[Wish], second: Sequence[Wish]) -> Move | None:
    """All their wishes; None if two want other values of one field."""
    found = {one.field: one for one in first}
    for wish in second:
        known = found.setdefault(wish.field, wish)
        if known.value != wish.value:
            return None
    return tuple(found.values())


def far(move: Sequence[Wish]) -> tuple[int, float]:
    """How much a move asks for: to sort by, the nearest first."""
    return len(move), sum(one.effort for one in move)


def _moves_of_tree(document: Any, context: Mapping[str, FactValue], holds: bool) -> list[Move]:
    if "not" in document:
        return _ways(document["not"], context, not holds)
    word = "all" if "all" in document else "any"
    parts: list[Any] = document[word]
    if (word == "all") is not holds:  # one part is enough
        found = dict.fromkeys(move for part in parts for move in _ways(part, context, holds))
        return sorted(found, key=far)[:_WAYS]
    whole: list[Move] = [()]
    for part in parts:
        test = compile_tree(part)
        if test.matches(context) is holds:
            continue
        ways = _moves_of_test(test, context, holds)
        both = dict.fromkeys(together(before, way) for before in whole for way in ways)
        whole = sorted((one for one in both if one is not None), key=far)[:_WAYS]
    return [move for move in whole if move]


def _ways(document: Any, context: Mapping[str, FactValue], holds: bool) -> list[Move]:
    return _moves_of_test(compile_tree(document), context, holds)


def _wishes(condition: Condition, context: Mapping[str, FactValue], holds: bool) -> Iterator[Wish]:
    """Values of the condition's field with which it holds, or does not; each is tried."""
    field, known = condition.field, context.get(condition.field)
    if field.startswith(ACTIVITY):
        yield from _activity_wishes(condition, context, holds)
        return
    for value, said in _values(condition, holds):
        if condition.holds(value) is holds and value != known:
            yield Wish(field, value, _words(field, known, said), _effort(field, known, value))


def _activity_wishes(
    condition: Condition, context: Mapping[str, FactValue], holds: bool
) -> Iterator[Wish]:
    """What was done can't be undone; more can be done, and today."""
    kind = condition.field.removeprefix(ACTIVITY).removesuffix(DAYS_AGO)
    known = context.get(ACTIVITY + kind)
    count = known if isinstance(known, int) else 0
    if condition.field.endswith(DAYS_AGO):
        if condition.holds(0) is holds:
            yield _done(kind, 1, context)
        return
    for times in range(1, 51):
        if condition.holds(count + times) is holds:
            yield _done(kind, times, context)
            return


def _values(condition: Condition, holds: bool) -> Iterator[tuple[FactValue, str]]:
    """Values to be tried, each with how a sentence says it; not all of them fit."""
    operator, value = condition.operator, condition.value
    listed: Sequence[Any] = value if isinstance(value, tuple) else (value,)
    numbers = [one for one in map(number, listed) if one is not None]
    if operator in (Operator.IS_TRUE, Operator.IS_FALSE):
        yield True, "yes"
        yield False, "no"
        return
    if operator in (Operator.IS_PRESENT, Operator.IS_MISSING):
        yield SOMETHING, "known"
        yield None, "not known"
        return
    if numbers and operator in _NUMBERED:
        for one in numbers:
            yield one, _bound(operator, one) if holds else show(one)
            yield one + 1, show(one + 1)
            yield one - 1, show(one - 1)
        return
    says = {Operator.CONTAINS: "with ", Operator.MATCHES_WORD: "with the word "}
    for text in listed[:_VALUES]:
        yield text, f"{says.get(operator, '')}{show(text)}"
    yield SOMETHING, "something else"


_NUMBERED: Final = (
    Operator.AT_LEAST,
    Operator.AT_MOST,
    Operator.GREATER_THAN,
    Operator.LESS_THAN,
    Operator.BETWEEN,
)


def _bound(operator: Operator, value: float) -> str:
    words = {Operator.AT_LEAST: "at least ", Operator.AT_MOST: "at most "}
    return f"{words.get(operator, '')}{show(value)}"


def _words(field: str, known: FactValue, said: str) -> str:
    before = show(known) if present(known) else "not known"
    return f"{field} {said} instead of {before}"


def _effort(field: str, known: FactValue, value: FactValue) -> float:
    """Roughly: what a form asks again is near, what the company is far, what was known and is
    forgotten farthest. A number is the nearer the less it changes."""
    if not present(value):
        return 9.0
    near = 1.0 if field.startswith(("has_", "fields.")) or not present(known) else 2.0
    was, will = number(known), number(value)
    if was is not None and will is not None:
        return near + abs(will - was) / (abs(will) + abs(was) + 1)
    return near + (1.0 if value == SOMETHING else 0.0)
