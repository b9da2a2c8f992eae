"""Small noisy worlds whose truth is a formula: made by the hundred, judged without the luck of
the draw, since each lead's chance is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.bench_learning.figures import Floats
from tests.bench_learning.judge import read, table_of

CATEGORIES = {
    "source": ("search", "social", "newsletter", "partner", "event", "other"),
    "region": ("north", "south", "east", "west"),
    "role": ("owner", "manager", "engineer", "student", "buyer", "assistant", "other"),
    "product": ("basic", "plus", "pro"),
}
NUMBERS = ("staff", "visits", "budget", "tenure")
FLAGS = ("trial", "demo", "referred")
FACTS = (*CATEGORIES, *NUMBERS, *FLAGS)
MISSING = 0.12
"""How often a number or a category is not known."""
UNSEEN = 0.6
"""Standard deviation, in log-odds, of what no fact tells about a lead."""


@dataclass(frozen=True)
class Effect:
    """A true reason: whoever has one of ``values`` of a fact (a number from ``least`` on) has so
    much more log-odds."""

    fact: str
    log_odds: float
    values: frozenset[Any] = frozenset()
    least: float | None = None


@dataclass(frozen=True)
class Leads:
    """Generated leads: facts as definitions name them, each one's chance to be accepted, and what
    of its log-odds comes from facts (before some went missing)."""

    facts: list[dict[str, Any]]
    chances: Floats
    told: Floats


class SmallWorld:
    """Facts of eleven kinds, of which a few decide, or none. The same seed gives the same world."""

    def __init__(self, seed: int, *, rate: float | None = None, drivers: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self.base = _log_odds(self._rng.uniform(0.06, 0.4) if rate is None else rate)
        number = int(self._rng.integers(2, 5)) if drivers is None else drivers
        chosen = self._rng.choice(FACTS, number, replace=False)
        self.effects = [self._effect(str(name)) for name in chosen]

    def _effect(self, name: str) -> Effect:
        size = float(self._rng.uniform(0.4, 1.3) * self._rng.choice([-1, 1]))
        if name in CATEGORIES:
            values = CATEGORIES[name]
            some = self._rng.choice(values, int(self._rng.integers(1, len(values) // 2 + 1)), False)
            return Effect(name, size, values=frozenset(map(str, some)))
        if name in NUMBERS:
            return Effect(name, size, least=float(np.quantile(self._number(name, 500), 0.6)))
        return Effect(name, size, values=frozenset({True}))

    def _number(self, name: str, count: int) -> Floats:
        if name == "visits":
            return self._rng.poisson(4, count).astype(float)
        middle = {"staff": 4.5, "budget": 9.0, "tenure": 3.0}[name]
        return np.round(self._rng.lognormal(middle, 1.2, count))

    def leads(self, count: int) -> Leads:
        """The next leads."""
        columns: dict[str, list[Any]] = {
            name: list(map(str, self._rng.choice(values, count)))
            for name, values in CATEGORIES.items()
        }
        columns |= {name: list(map(int, self._number(name, count))) for name in NUMBERS}
        missing = {name: self._rng.random(count) < MISSING for name in columns}
        columns |= {name: list(map(bool, self._rng.random(count) < 0.5)) for name in FLAGS}
        log_odds = np.full(count, self.base)
        for effect in self.effects:
            log_odds += effect.log_odds * np.array(
                [_holds(effect, v) for v in columns[effect.fact]]
            )
        for name, gone in missing.items():
            columns[name] = [None if no else v for no, v in zip(gone, columns[name], strict=True)]
        names = list(columns)
        facts = [
            {f"fields.{name}": v for name, v in zip(names, row, strict=True) if v is not None}
            for row in zip(*columns.values(), strict=True)
        ]
        unseen = self._rng.normal(0, UNSEEN, count)
        return Leads(facts, 1 / (1 + np.exp(-(log_odds + unseen))), log_odds)

    def drawn(self, chances: Floats) -> list[int]:
        """What reps say: 1 with each lead's chance."""
        return [int(yes) for yes in self._rng.random(len(chances)) < chances]

    def accept(self, rate: float) -> None:
        """From now on this share of all leads is accepted; what drives it stays."""
        told = self.leads(4000).told - self.base
        unseen = self._rng.normal(0, UNSEEN, len(told))
        low, high = -12.0, 12.0
        for _ in range(40):
            self.base = (low + high) / 2
            mean = float((1 / (1 + np.exp(-(self.base + told + unseen)))).mean())
            low, high = (self.base, high) if mean < rate else (low, self.base)

    def starter(self, guesses: int = 3, without: str = "") -> dict[str, Any]:
        """A marketer's first definition: some of what is true, roughly, and some guesses; about
        half of the leads reach its threshold. Nothing of it is about the fact ``without``."""
        true = [effect for effect in self.effects if effect.fact != without]
        told = [_criterion(effect) for effect in true[: 1 + len(true) // 2]]
        taken = {without, *(one["id"] for one in told)}
        others = [name for name in FACTS if name not in taken]
        some = self._rng.choice(others, guesses, replace=False)
        told += [{**_criterion(self._effect(str(name))), "points": 10} for name in some]
        made = {"name": "Starter", "threshold": 0, "criteria": told, "exploration_rate": 0.02}
        points = read({**made, "threshold": -1000}, table_of(self.leads(500).facts)).total
        return {**made, "threshold": int(np.median(points))}


def _log_odds(rate: float) -> float:
    return float(np.log(rate / (1 - rate)))


def _holds(effect: Effect, value: Any) -> bool:
    return value >= effect.least if effect.least is not None else value in effect.values


def _criterion(effect: Effect) -> dict[str, Any]:
    """A reason as somebody would write it down, who knows its direction and not its size."""
    made: dict[str, Any] = {
        "id": effect.fact,
        "group": "fit",
        "field": f"fields.{effect.fact}",
        "points": 20 if effect.log_odds > 0 else -10,
    }
    if effect.least is not None:
        return {**made, "operator": "at_least", "value": effect.least}
    if effect.values == {True}:
        return {**made, "operator": "is_true"}
    return {**made, "operator": "in", "value": sorted(effect.values)}
