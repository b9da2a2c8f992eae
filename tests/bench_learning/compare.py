"""One world through the running product, and how well everybody scores its newer half."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.scorecard.figures import Judged, auc_difference
from tests.bench_learning.figures import Floats, auc, auc_error, top_precision
from tests.bench_learning.judge import fields_of, ranked, table_of
from tests.bench_learning.product import Product, Trouble, running
from tests.bench_learning.rivals import all_rivals
from tests.bench_learning.worlds import Lead, World, starter

PARTS = 8
"""The first half comes in so many parts, with time to learn after each."""
CHECKED = 40
"""Newer leads that are posted too, to see that the product scores them as they are judged here."""


@dataclass
class Compared:
    """What one world showed. ``scores`` has AUC and precision in the top fifth by name."""

    world: World
    answers: int
    accepted: int
    published: int
    refused: list[str]
    scores: dict[str, tuple[float, float]]
    error: float
    """Standard error of an AUC on this half."""
    behind: bool
    """Whether naive Bayes is better by more than chance: the interval of the difference, by DeLong
    et al. (1988) on the same leads, is below zero."""
    found: int
    known: int
    """Drivers that the final definition uses, and that the starter used already."""
    useless: int
    """Facts in the final definition that have nothing to do with the outcome."""
    final: Mapping[str, Any]
    said: str
    """What the last look said was missing."""
    wanted: float

    def area(self, name: str) -> float:
        """The AUC by name; NaN for a rival that could not be fitted."""
        return self.scores.get(name, (math.nan, math.nan))[0]


async def compare(world: World, folder: Path) -> Compared:
    """Run a world through the product, then judge. Raises Trouble."""
    older, newer = world.halves
    async with running(folder) as product:
        await product.prepare(world, starter())
        for part in np.array_split(np.arange(len(older)), PARTS):
            await product.take_in([older[index] for index in part])
            await product.answer()
            await product.learn()
        final = await product.definition()
        await _check(product, final, newer)
    return _judged(world, product, final)


async def _check(product: Product, final: Mapping[str, Any], newer: tuple[Lead, ...]) -> None:
    """The product scores newer leads as the document read here says."""
    some = newer[:CHECKED]
    expected = ranked({**final, "disqualifiers": []}, table_of(lead.named for lead in some))
    for lead_id, points in zip(await product.take_in(some), expected, strict=True):
        if (given := await product.score(lead_id)) != points:
            raise Trouble(f"the product gives {given} points where its document says {points:.0f}")


def _judged(world: World, product: Product, final: Mapping[str, Any]) -> Compared:
    older, newer = world.halves
    labels, table = _labels(newer), table_of(lead.named for lead in newer)
    facts = [lead.facts for lead in newer]
    answered = product.learned.answered
    scored = {"starter": ranked(starter(), table), "proposed": ranked(final, table)}
    scored |= all_rivals([one.facts for one in answered], _labels(answered), facts)
    everything = all_rivals([one.facts for one in older], _labels(older), facts)
    scored |= {f"{name}, all leads": found for name, found in everything.items()}
    used = _facts(final)
    return Compared(
        world,
        answers=len(answered),
        accepted=int(_labels(answered).sum()),
        published=product.learned.published,
        refused=product.learned.refused,
        scores={n: (auc(v, labels), top_precision(v, labels)) for n, v in scored.items()},
        error=auc_error(scored["proposed"], labels),
        behind=_behind(scored, labels),
        found=sum(bool(used & names) for names in world.drivers.values()),
        known=sum(bool(_facts(starter()) & names) for names in world.drivers.values()),
        useless=len(used & world.useless),
        final=final,
        said=next((one["missing"] for one in reversed(product.learned.looks) if one), ""),
        wanted=float(labels.mean()),
    )


def _behind(scored: Mapping[str, Floats], labels: Floats) -> bool:
    if "naive Bayes" not in scored:
        return False
    judged = Judged(labels.astype(np.int64), np.ones(len(labels)), np.zeros(len(labels), bool))
    found = auc_difference(scored["proposed"], scored["naive Bayes"], judged).interval
    return found is not None and found.high < 0


def _facts(definition: Mapping[str, Any]) -> set[str]:
    return {name.removeprefix("fields.") for name in fields_of(definition)}


def _labels(leads: Any) -> Floats:
    return np.array([lead.wanted for lead in leads], float)
