"""From a fact to a few levels: bins of a number, groups of a category, and "not known".

Levels are made from answers, so only from those that a judgement may see. Neighbours that answers
can't tell apart are merged from the bottom up (ChiMerge, Kerber 1992): adjacent bins of a number,
and categories next to each other in the order of their shrunk acceptance.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.feedback.learning.candidates import Candidate, group_of
from services.feedback.learning.facts import Column, Floats, first_hold

Rows = NDArray[np.intp]

FINE_BINS: Final = 20
MAX_LEVELS: Final = 5
MAX_CATEGORIES: Final = 60
"""Of a category's values only the most frequent are looked at; the others are one level."""
MAX_TEXT: Final = 100
MERGE_BELOW: Final = 7.0
"""Chi-squared with one degree of freedom, 0.8 % by chance: below it, two neighbours are one."""
PRIOR: Final = 10.0
"""Answers at the average rate that are added to each category before it is placed."""


@dataclass(frozen=True)
class Answers:
    """Labelled leads to learn from: their rows, labels, and weights that average 1."""

    rows: Rows
    labels: Floats
    weights: Floats

    @property
    def support(self) -> float:
        """The least answers a level must have."""
        return min(max(10.0, 0.015 * len(self.rows)), 200.0)

    @property
    def rate(self) -> float:
        """The weighted share of accepted ones."""
        return float(np.average(self.labels, weights=self.weights))

    def tally(self, column: Column) -> tuple[Floats, Floats]:
        """For each distinct value of a column: answers, and accepted ones."""
        return (
            column.counts(self.rows, self.weights),
            column.counts(self.rows, self.weights * self.labels),
        )


def levels_of(column: Column, answers: Answers) -> Candidate | None:
    """A fact as one candidate with levels; None when answers tell nothing apart by it."""
    ordered_from: int | None = None
    sorted_out = 0
    if column.is_truth(answers.rows):
        conditions = _truth(column, answers)
    elif column.is_numeric(answers.rows):
        missing = _missing(column, answers)
        bins = _numbers(column, answers)
        conditions = [*missing, *bins] if len(bins) > 1 else missing
        ordered_from = len(missing) if len(bins) > 1 else None
    else:
        conditions, sorted_out = _categories(column, answers)
    if not conditions:
        return None
    return Candidate(
        key=column.field,
        field=column.field,
        group=group_of(column.field),
        conditions=tuple(conditions),
        codes=first_hold(column, conditions),
        ordered_from=ordered_from,
        sorted_out=sorted_out,
    )


def _missing(column: Column, answers: Answers) -> list[dict[str, Any]]:
    unknown = answers.tally(column)[0][0]
    known = answers.weights.sum() - unknown
    enough = min(unknown, known) >= answers.support
    return [{"operator": "is_missing"}] if enough else []


def _truth(column: Column, answers: Answers) -> list[dict[str, Any]]:
    yes = column.holding({"operator": "is_true"})
    counts = answers.tally(column)[0]
    if not answers.support <= counts[yes].sum() <= answers.weights.sum() - answers.support:
        return _missing(column, answers)
    both = counts[0] >= answers.support and counts[~yes][1:].sum() >= answers.support
    return [{"operator": "is_true"}, *([{"operator": "is_missing"}] if both else [])]


def _numbers(column: Column, answers: Answers) -> list[dict[str, Any]]:
    """Bins as a chain: less than the first cut, less than the next, at least the last."""
    answered, accepted = answers.tally(column)
    order = np.argsort(column.numbers, kind="stable")
    order = order[~np.isnan(column.numbers[order])]
    order = order[answered[order] > 0]
    if len(order) < 2:
        return []
    distinct, start = np.unique(column.numbers[order], return_index=True)
    answered = np.add.reduceat(answered[order], start)
    accepted = np.add.reduceat(accepted[order], start)
    # Each fine bin starts where the next share of the answers begins, and holds whole values.
    place = np.floor(FINE_BINS * (np.cumsum(answered) - answered / 2) / answered.sum())
    if len(distinct) <= FINE_BINS:
        place = np.arange(len(distinct))
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    kept = merged(
        np.add.reduceat(answered, starts), np.add.reduceat(accepted, starts), answers.support
    )
    cuts = [
        plain_between(distinct[starts[group[0]] - 1], distinct[starts[group[0]]])
        for group in kept[1:]
    ]
    if not cuts:
        return []
    chain = [{"operator": "less_than", "value": cut} for cut in cuts]
    return [*chain, {"operator": "at_least", "value": cuts[-1]}]


def _categories(column: Column, answers: Answers) -> tuple[list[dict[str, Any]], int]:
    """Groups of the frequent values; the group nearest the average, with all that is rare, is
    what levels leave over. And how many values were grouped."""
    counts, wins = answers.tally(column)
    answered: dict[str, float] = {}
    accepted: dict[str, float] = {}
    spelled: dict[str, Any] = {}
    for code in (np.flatnonzero(counts[1:]) + 1).tolist():
        value = column.values[code]
        for text in column.texts[code]:
            if not sayable(text):
                continue
            answered[text] = answered.get(text, 0.0) + counts[code]
            accepted[text] = accepted.get(text, 0.0) + wins[code]
            spelled.setdefault(text, value if isinstance(value, str | int | float) else text)
    frequent = sorted(answered, key=lambda text: (-answered[text], text))[:MAX_CATEGORIES]
    frequent = [text for text in frequent if answered[text] >= answers.support]
    rate = answers.rate
    total, won = float(counts[1:].sum()), float(wins[1:].sum())
    rare = total - sum(answered[text] for text in frequent)
    rare_won = won - sum(accepted[text] for text in frequent)
    groups: list[tuple[list[str], float, float]] = [
        ([text], answered[text], accepted[text]) for text in frequent
    ]
    if rare >= answers.support:
        groups.append(([], rare, max(rare_won, 0.0)))

    def placed(group: tuple[list[str], float, float]) -> float:
        return (group[2] + PRIOR * rate) / (group[1] + PRIOR)

    groups.sort(key=lambda group: (placed(group), group[0]))
    if not groups:
        return _missing(column, answers), 0
    parts = merged(
        np.array([group[1] for group in groups]),
        np.array([group[2] for group in groups]),
        answers.support,
    )
    joined = [
        (
            sorted(text for index in part for text in groups[index][0]),
            sum(groups[index][1] for index in part),
            sum(groups[index][2] for index in part),
            rare >= answers.support and any(not groups[index][0] for index in part),
        )
        for part in parts
    ]

    def distance(one: tuple[list[str], float, float, bool]) -> float:
        return abs(_logit((one[2] + PRIOR * rate) / (one[1] + PRIOR)) - _logit(rate))

    over = next((one for one in joined if one[3]), min(joined, key=distance))
    named = sorted((one for one in joined if one is not over), key=distance, reverse=True)
    levels = [{"operator": "in", "value": [spelled[text] for text in one[0]]} for one in named]
    return _missing(column, answers) + levels, len(groups)


def sayable(value: Any) -> bool:
    """Whether a definition can name a value: no endless text, no infinity, nothing unstorable."""
    if isinstance(value, str):
        return len(value) <= MAX_TEXT and "\0" not in value and value not in ("inf", "-inf", "nan")
    return not isinstance(value, float) or math.isfinite(value)


def merged(answered: Floats, accepted: Floats, support: float) -> list[list[int]]:
    """Neighbours merged until each part has ``support`` answers, differs from the next, and there
    are few. Returns the indices of each part, in order."""
    parts = [[index] for index in range(len(answered))]
    count, won = list(map(float, answered)), list(map(float, accepted))
    while len(parts) > 1:
        small = [index for index, number in enumerate(count) if number < support]
        differ = [
            _chi_squared(won[i], count[i], won[i + 1], count[i + 1]) for i in range(len(parts) - 1)
        ]
        if small:
            index = min(small, key=lambda one: count[one])
            sides = [one for one in (index - 1, index) if 0 <= one < len(differ)]
            at = min(sides, key=lambda one: differ[one])
        else:
            at = int(np.argmin(differ))
            if differ[at] >= MERGE_BELOW and len(parts) <= MAX_LEVELS:
                break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        count[at : at + 2] = [count[at] + count[at + 1]]
        won[at : at + 2] = [won[at] + won[at + 1]]
    return parts


def _chi_squared(won_1: float, count_1: float, won_2: float, count_2: float) -> float:
    """Pearson's chi-squared of two shares; 0 when both are all or nothing."""
    total = count_1 + count_2
    rate = (won_1 + won_2) / total if total else 0.0
    spread = rate * (1 - rate)
    if spread <= 0 or count_1 <= 0 or count_2 <= 0:
        return 0.0
    difference = won_1 / count_1 - won_2 / count_2
    return float(difference**2 / (spread * (1 / count_1 + 1 / count_2)))


def _logit(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))


def plain_between(low: float, high: float) -> int | float:
    """The plainest number above ``low`` and at most ``high``: 50 between 37 and 64."""
    for exponent in range(12, -7, -1):
        for step in (10.0**exponent, 5.0 * 10.0 ** (exponent - 1)):
            cut = round(math.floor(high / step + 1e-9) * step, 9)
            if low < cut <= high:
                return int(cut) if cut == int(cut) else cut
    return int(high) if high == int(high) else float(high)
