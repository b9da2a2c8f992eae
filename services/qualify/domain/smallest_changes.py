"""The smallest changes of a lead that would have qualified it.

Each criterion that could give more, and each disqualifier that holds, is asked for *moves*: facts
that would have to be other ones, or activities that are missing. Moves are put together, fewest
changes first, and every set that is told was scored like any lead: what it says would have
happened. The search is bounded, so it may overlook a set in a wild definition; it invents none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any, Final

from services.qualify.domain.wishes import Move, Wish, apply, far, moves_of, together
from shared.conditions import FactValue
from shared.scorecard.definition import Definition
from shared.scorecard.rules import Levels, Single
from shared.scorecard.scoring import Inputs, Score, context_of, evaluate

MOST_SETS: Final = 3
MOST_MOVES: Final = 4
"""Moves that are put together."""
MOST_CHANGES: Final = 6
"""Who would have to change more is another lead."""
_CANDIDATES: Final = 14
"""Moves that are tried together: those that give most."""
_EVALUATIONS: Final = 400
_LEAST: Final = 60
_CONDITIONS: Final = 60_000
"""Scorings, and conditions that they look at, that one answer may cost."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that would have to be otherwise, and the points that it adds in its set."""

    field: str
    before: FactValue
    after: FactValue
    points: int
    words: str


@dataclass(frozen=True, slots=True)
class Chance:
    """Changes that qualify the lead together, and the score that it would have."""

    changes: tuple[Change, ...]
    score: int


@dataclass(frozen=True, slots=True)
class Chances:
    """At most three ways, the smallest first. ``note`` says why there are none."""

    sets: tuple[Chance, ...]
    note: str | None = None


def qualifying(definition: Definition, inputs: Inputs, at: datetime) -> Chances:
    """The smallest changes that would have made an MQL of a lead."""
    search = _Search(definition, inputs, at)
    if search.now.verdict == "MQL":
        return Chances((), "its score reaches the threshold as it is")
    found = search.sets()
    if found:
        return Chances(tuple(found))
    if search.now.verdict == "DISQUALIFIED":
        note = f"no few changes lift the disqualifier {search.now.reason} and qualify it"
        return Chances((), note)
    return Chances((), "no changes of a few facts or activities reach the threshold")


class _Search:
    def __init__(self, definition: Definition, inputs: Inputs, at: datetime) -> None:
        self._definition, self._inputs, self._at = definition, inputs, at
        self._context = context_of(inputs, at)
        self._budget = self._left = _budget(definition)
        self._moves = self._found_moves()
        self.now: Final = self._score(())

    def sets(self) -> list[Chance]:
        """Verified sets, none of which has another one in it."""
        found: list[tuple[Wish, ...]] = []
        for wishes in self._candidates():
            fields = {one.field for one in wishes}
            if any({one.field for one in known} <= fields for known in found):
                continue
            if self._score(wishes).verdict == "MQL":
                found.append(self._relaxed(wishes))
                if len(found) == MOST_SETS:
                    break
        return [self._chance(wishes) for wishes in found]

    def _candidates(self) -> Iterator[tuple[Wish, ...]]:
        """Sets of moves that may do, those with the fewest and likeliest changes first."""
        must, gains = self._forced(), self._gains()
        need = self._definition.threshold - self.now.score
        promising: list[tuple[Wish, ...]] = [one for one in must if one]
        for forced in must:
            slack = self._slack(forced)
            for number in range(1, MOST_MOVES + 1):
                for chosen in combinations(gains, number):
                    if sum(gain for _, gain in chosen) < need - slack:
                        continue
                    wishes = _all_of(forced, [move for move, _ in chosen])
                    if wishes and len(wishes) <= MOST_CHANGES:
                        promising.append(wishes)
        promising.sort(key=far)
        seen = set()
        for wishes in promising:
            key = frozenset((one.field, str(one.value)) for one in wishes)
            if key not in seen and self._left > 0:
                seen.add(key)
                yield wishes

    def _slack(self, forced: Sequence[Wish]) -> int:
        """What the changes that lift a disqualifier give by themselves."""
        return self._score(forced).score - self.now.score if forced else 0

    def _forced(self) -> list[tuple[Wish, ...]]:
        """Changes after which no disqualifier holds; one empty set where none does."""
        ways: list[tuple[Wish, ...]] = [()]
        for one in self._definition.disqualifiers:
            if one.test.matches(self._context):
                moves = list(moves_of(one.test, self._context, holds=False))[:3]
                both = dict.fromkeys(together(way, move) for way in ways for move in moves)
                ways = sorted((one for one in both if one is not None), key=far)[:6]
        return ways

    def _gains(self) -> list[tuple[Move, int]]:
        """Moves that give points, each alone: for each set of fields the best one, best first."""
        best: dict[frozenset[str], tuple[Move, int]] = {}
        for move in self._moves:
            if self._left <= self._budget // 2:
                break
            gain = self._score(move).score - self.now.score
            fields = frozenset(one.field for one in move)
            if gain > 0 and (fields not in best or gain > best[fields][1]):
                best[fields] = (move, gain)
        found = sorted(best.values(), key=lambda one: (-one[1] / len(one[0]), len(one[0])))
        return found[:_CANDIDATES]

    def _found_moves(self) -> list[Move]:
        """Every move that some criterion asks for, each once."""
        found: dict[tuple[tuple[str, str], ...], Move] = {}
        for criterion in self._definition.criteria:
            for move in moves_of(criterion.rule, self._context, holds=True):
                if len(move) <= MOST_CHANGES:
                    found.setdefault(tuple((one.field, str(one.value)) for one in move), move)
        return list(found.values())

    def _relaxed(self, wishes: tuple[Wish, ...]) -> tuple[Wish, ...]:
        """The same fields, each changed no more than it takes."""
        for move in self._moves:
            if len(move) != 1 or self._left <= 0:
                continue
            for at, wish in enumerate(wishes):
                nearer = move[0].field == wish.field and move[0].effort < wish.effort
                tried = (*wishes[:at], move[0], *wishes[at + 1 :])
                if nearer and self._score(tried).verdict == "MQL":
                    wishes = tried
        return wishes

    def _chance(self, wishes: tuple[Wish, ...]) -> Chance:
        """With the points of each change, in the order in which they are told: they add up."""
        changes, before = [], self.now.score
        for number, wish in enumerate(wishes, 1):
            score = self._score(wishes[:number]).score
            points, before = score - before, score
            words = f"{wish.words}: {points:+d}"
            known = self._context.get(wish.field)
            changes.append(Change(wish.field, known, wish.value, points, words))
        return Chance(tuple(changes), before)

    def _score(self, wishes: Sequence[Wish]) -> Score:
        self._left -= 1
        return evaluate(self._definition, apply(self._inputs, wishes, self._at), self._at)


def _all_of(first: Sequence[Wish], moves: Sequence[Move]) -> Move | None:
    found: Move | None = tuple(first)
    for move in moves:
        found = None if found is None else together(found, move)
    return found


def _budget(definition: Definition) -> int:
    """Scorings that one answer may cost: fewer where one costs more, so that nobody waits long."""
    leaves = len(definition.disqualifiers)
    for criterion in definition.criteria:
        rule = criterion.rule
        if isinstance(rule, Single):
            leaves += _leaves(rule.test.to_document())
        else:
            leaves += len(rule.levels) if isinstance(rule, Levels) else 1
    return max(_LEAST, min(_EVALUATIONS, _CONDITIONS // max(leaves, 1)))


def _leaves(document: Mapping[str, Any]) -> int:
    inner = [document["not"]] if "not" in document else []
    inner += [*document.get("all", ()), *document.get("any", ())]
    return sum(map(_leaves, inner)) if inner else 1
