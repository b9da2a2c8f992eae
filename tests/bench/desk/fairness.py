"""How fair the choice is: the same leads, joins, leaves and rejections through three rules.

A *deviation* is what somebody has more or less than their weighted share of what was handed out
while they were there, in leads. A lead that was rejected as nothing for that rep does not count for
them, and is handed out again.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from rich.table import Table

from services.routing.domain.choice import EVERYBODY, Pool, Standing, level
from tests.bench.desk.report import Report

LEADS: Final = 10_000
REPS: Final = 24
ROOM: Final = 10**9
SEEDS: Final = 5

Happening = tuple[str, str, int]
"""What happens, to whom, and a number: ``lead`` (1: whoever gets it turns it down), ``join`` with a
weight, ``leave`` for good, ``away`` and ``back``."""


class Rule(Protocol):
    """A way to choose."""

    def join(self, rep_id: str, weight: int) -> None: ...
    def leave(self, rep_id: str) -> None: ...
    def away(self, rep_id: str) -> None: ...
    def back(self, rep_id: str) -> None: ...
    def choose(self, excluded: frozenset[str]) -> str: ...
    def give_back(self, rep_id: str) -> None: ...


class Ours:
    """What the product does."""

    def __init__(self) -> None:
        self._pool = Pool()

    def join(self, rep_id: str, weight: int) -> None:
        rep = Standing(rep_id, weight, ROOM)
        rep.calibration = level(rep, self._pool.reps.values())
        self._pool.join(rep)

    def leave(self, rep_id: str) -> None:
        rep = self._pool.reps[rep_id]
        rep.active = False
        self._pool.join(rep)

    def away(self, rep_id: str) -> None:
        self._pool.reps[rep_id].away = "away"

    def back(self, rep_id: str) -> None:
        self._pool.reps[rep_id].away = None

    def choose(self, excluded: frozenset[str]) -> str:
        chosen = self._pool.choose(EVERYBODY, dict.fromkeys(excluded, "had it")).rep_id
        assert chosen is not None
        self._pool.give(chosen)
        return chosen

    def give_back(self, rep_id: str) -> None:
        self._pool.give_back(rep_id)


@dataclass
class Pointer:
    """A plain round robin: a list in which everybody stands as often as their weight says, and a
    pointer that goes on to the next who is there."""

    turns: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    at: int = 0

    def join(self, rep_id: str, weight: int) -> None:
        self.turns += [rep_id] * weight

    def leave(self, rep_id: str) -> None:
        self.gone.add(rep_id)

    def away(self, rep_id: str) -> None:
        self.gone.add(rep_id)

    def back(self, rep_id: str) -> None:
        self.gone.discard(rep_id)

    def choose(self, excluded: frozenset[str]) -> str:
        while True:
            chosen = self.turns[self.at % len(self.turns)]
            self.at += 1
            if chosen not in self.gone and chosen not in excluded:
                return chosen

    def give_back(self, rep_id: str) -> None:
        """A pointer doesn't go back."""


@dataclass
class Shortfall:
    """Cal.com's weighted rule as it is described in public: the largest shortfall of (all assigned
    + all calibration) x weight / weights - (own assigned + own calibration). A newcomer's
    calibration is the mean of the others' bookings; who comes back gets what the others got
    meanwhile, divided by their number."""

    weight: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    calibration: dict[str, float] = field(default_factory=dict)
    left_at: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    given: int = 0
    gone: set[str] = field(default_factory=set)

    def join(self, rep_id: str, weight: int) -> None:
        others = [self.assigned[one] + self.calibration[one] for one in self._there()]
        self.weight[rep_id], self.assigned[rep_id] = weight, 0
        self.calibration[rep_id] = sum(others) / len(others) if others else 0.0

    def leave(self, rep_id: str) -> None:
        self.gone.add(rep_id)

    def away(self, rep_id: str) -> None:
        self.gone.add(rep_id)
        self.left_at[rep_id] = self.given

    def back(self, rep_id: str) -> None:
        self.gone.discard(rep_id)
        others = len(self._there()) - 1
        self.calibration[rep_id] += (self.given - self.left_at[rep_id]) / max(1, others)

    def choose(self, excluded: frozenset[str]) -> str:
        there = self._there()
        total = sum(self.assigned[one] + self.calibration[one] for one in there)
        weights = sum(self.weight[one] for one in there)
        chosen = max(
            (one for one in there if one not in excluded),
            key=lambda one: (
                total * self.weight[one] / weights - self.assigned[one] - self.calibration[one],
                self.weight[one],
                -self.last.get(one, 0),
            ),
        )
        self.given += 1
        self.assigned[chosen] += 1
        self.last[chosen] = self.given
        return chosen

    def give_back(self, rep_id: str) -> None:
        self.assigned[rep_id] -= 1
        self.given -= 1

    def _there(self) -> list[str]:
        return [one for one in self.weight if one not in self.gone]


@dataclass
class Account:
    """What one rep got and should have got."""

    weight: int
    got: float = 0.0
    due: float = 0.0


RULES: Final[Mapping[str, type[Rule]]] = {
    "ours: shortfall, level at entry, credit while away": Ours,
    "plain round robin with a pointer": Pointer,
    "Cal.com's weighted rule, as described": Shortfall,
}
KINDS: Final[Mapping[str, tuple[int, float]]] = {
    "all of one weight, who come and go": (1, 0.0),
    "weights 1 to 4, who come and go": (4, 0.0),
    "the same, and a tenth rejected": (4, 0.1),
}
"""The heaviest weight, and the share of leads that whoever gets them turns down."""


async def measure(report: Report) -> None:
    """The table, with the worst of several histories of each kind."""
    table = Table(
        "rule", "happenings", "largest deviation", "mean", "most in a row",
        title=f"{LEADS:,} leads, {REPS} reps; in leads; the worst of {SEEDS} histories",
    )  # fmt: skip
    for words, (heaviest, rate) in KINDS.items():
        for name, rule in RULES.items():
            runs = [run(rule(), history(seed, heaviest, rate)) for seed in range(SEEDS)]
            worst, mean = max(one[0] for one in runs), max(one[1] for one in runs)
            most = max(one[2] for one in runs)
            table.add_row(name, words, f"{worst:.1f}", f"{mean:.1f}", str(most))
            report.line(f"fairness, {name}, {words}", f"off by at most {worst:.1f} leads")
    report.console.print(table)


def history(seed: int, heaviest: int, turned_down: float) -> Iterator[Happening]:
    """Leads, and now and then somebody who comes, goes, or is away for a while."""
    dice = random.Random(seed)
    there = [f"rep-{number}" for number in range(REPS)]
    yield from (("join", rep_id, dice.randint(1, heaviest)) for rep_id in there)
    away: list[str] = []
    new = REPS
    for _ in range(LEADS):
        chance = dice.random()
        if chance < 0.002:
            there.append(f"rep-{new}")
            new += 1
            yield "join", there[-1], dice.randint(1, heaviest)
        elif chance < 0.004 and len(there) > REPS // 2:
            yield "leave", there.pop(dice.randrange(len(there))), 0
        elif chance < 0.012 and len(there) > REPS // 2:
            away.append(there.pop(dice.randrange(len(there))))
            yield "away", away[-1], 0
        elif chance < 0.020 and away:
            there.append(away.pop(dice.randrange(len(away))))
            yield "back", there[-1], 0
        yield "lead", "", int(dice.random() < turned_down)


def run(rule: Rule, happenings: Iterable[Happening]) -> tuple[float, float, int]:
    """The largest and the mean deviation, and the most leads that somebody got in a row."""
    books: dict[str, Account] = {}
    there: set[str] = set()
    row, row_of, most = 0, "", 0
    largest = 0.0
    for what, rep_id, number in happenings:
        if what == "lead":
            had: set[str] = set()
            for turn in range(1 + number):
                chosen = rule.choose(frozenset(had))
                row, row_of = (row + 1 if chosen == row_of else 1), chosen
                most = max(most, row)
                if turn < number:
                    rule.give_back(chosen)
                    had.add(chosen)
            books[chosen].got += 1
            weights = sum(books[one].weight for one in there)
            for one in there:
                books[one].due += books[one].weight / weights
            largest = max(largest, abs(books[chosen].got - books[chosen].due))
            continue
        if what == "join":
            books[rep_id] = Account(number)
            rule.join(rep_id, number)
        else:
            {"leave": rule.leave, "away": rule.away, "back": rule.back}[what](rep_id)
        (there.add if what in ("join", "back") else there.discard)(rep_id)
    deviations = [abs(one.got - one.due) for one in books.values()]
    return max(largest, *deviations), sum(deviations) / len(deviations), most
