"""Making stored decisions anew from their stored inputs, and naming every difference."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from services.qualify.domain.decision import REJECTED, Decision, replayed
from shared.scorecard.definition import Definition
from shared.scorecard.scoring import Points, evaluate


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is stored otherwise than it comes out now."""

    what: str
    stored: Any
    replayed: Any


def is_evaluation(decision: Decision) -> bool:
    """Whether a definition came to it; else a rep did, and there is nothing to evaluate."""
    return not (decision.trigger == REJECTED and decision.moved)


def mismatches(
    decision: Decision, definition_of: Callable[[int], Definition | None]
) -> list[Mismatch]:
    """What differs; [] for a decision that comes out as it is stored."""
    definition = definition_of(decision.definition_version)
    if definition is None:
        return [Mismatch("definition", f"version {decision.definition_version}", "not there")]
    return [*_score(decision, definition), *_shadow(decision, definition_of)]


def _score(decision: Decision, definition: Definition) -> Iterator[Mismatch]:
    again = replayed(definition, decision)
    total = sum(one.points for one in decision.contributions)
    if total != decision.score:
        yield Mismatch("sum of contributions", total, decision.score)
    for name in ("score", "threshold", "grade", "verdict"):
        stored, made = getattr(decision, name), getattr(again, name)
        if stored != made:
            yield Mismatch(name, stored, made)
    if decision.reason != again.reason[:120]:
        yield Mismatch("reason", decision.reason, again.reason)
    below = again.verdict == "MQL" and again.score < again.threshold
    if decision.explored != below:
        yield Mismatch("explored", decision.explored, below)
    if decision.exploration_rate != definition.exploration_rate:
        yield Mismatch("exploration rate", decision.exploration_rate, definition.exploration_rate)
    yield from _contributions(decision.contributions, again.contributions)


def _contributions(stored: tuple[Points, ...], again: tuple[Points, ...]) -> Iterator[Mismatch]:
    was = {one.criterion_id: one for one in stored}
    made = {one.criterion_id: one for one in again}
    for key in dict.fromkeys((*was, *made)):
        before, after = was.get(key), made.get(key)
        if before is None or after is None or before.points != after.points:
            yield Mismatch(f"points of {key}", before and before.points, after and after.points)
        elif before != after:
            yield Mismatch(f"explanation of {key}", before.because, after.because)


def _shadow(
    decision: Decision, definition_of: Callable[[int], Definition | None]
) -> Iterator[Mismatch]:
    if decision.shadow_version is None:
        return
    definition = definition_of(decision.shadow_version)
    if definition is None:
        yield Mismatch("challenger", f"version {decision.shadow_version}", "not there")
        return
    again = evaluate(definition, decision.inputs, decision.decided_at)
    if (decision.shadow_score, decision.shadow_verdict) != (again.score, again.verdict):
        stored = f"{decision.shadow_score} {decision.shadow_verdict}"
        yield Mismatch("challenger's score", stored, f"{again.score} {again.verdict}")
