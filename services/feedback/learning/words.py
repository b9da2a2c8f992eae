"""Words in a text such as a job title: which speak for a lead, and which against."""

import re
from typing import Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from services.feedback.learning.binning import Answers
from services.feedback.learning.candidates import Candidate, group_of
from services.feedback.learning.facts import Column, first_hold

MAX_WORDS: Final = 150
LOOKED_AT: Final = 5000
"""Distinct texts that are searched for words, the most frequent ones."""
WEIGHED_ON: Final = 12_000
"""Answers that words are weighed on, at most."""
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def words_of(column: Column, answers: Answers) -> list[Candidate]:
    """Up to four candidates: words that speak clearly or somewhat for a lead, or against it.

    All frequent words are weighed together (L1), so that "of" does not live on "head of".
    """
    if column.is_numeric(answers.rows) or column.is_truth(answers.rows):
        return []
    counts = answers.tally(column)[0]
    held = np.flatnonzero(counts[1:]) + 1
    held = held[np.argsort(-counts[held], kind="stable")][:LOOKED_AT]
    tokens = {
        int(code): frozenset(w for text in column.texts[code] for w in _WORD.findall(text))
        for code in held
    }
    several = sum(counts[code] for code, found in tokens.items() if len(found) > 1)
    if several < 0.2 * counts[1:].sum() or several < answers.support:
        return []
    often: dict[str, float] = {}
    for code, found in tokens.items():
        for word in found:
            often[word] = often.get(word, 0.0) + counts[code]
    frequent = [
        word
        for word in sorted(often, key=lambda one: (-often[one], one))[:MAX_WORDS]
        if answers.support <= often[word] <= answers.weights.sum() - answers.support
        and len(word) > 1
    ]
    if not frequent:
        return []
    weights = _weigh(column, answers, tokens, frequent)
    return [
        _candidate(column, name, words, len(frequent))
        for name, words in _grouped(frequent, weights)
        if words
    ]


def _weigh(
    column: Column, answers: Answers, tokens: dict[int, frozenset[str]], words: list[str]
) -> dict[str, float]:
    index = {word: position for position, word in enumerate(words)}
    has = np.zeros((len(column.values), len(words)))
    for code, found in tokens.items():
        for word in found:
            if word in index:
                has[code, index[word]] = 1.0
    rows, labels, weight = answers.rows, answers.labels, answers.weights
    if len(rows) > WEIGHED_ON:  # evenly in time
        pick = np.linspace(0, len(rows) - 1, WEIGHED_ON).astype(int)
        rows, labels, weight = rows[pick], labels[pick], weight[pick]
    x = has[column.codes[rows]]
    if labels.min() == labels.max():
        return dict.fromkeys(words, 0.0)
    # Several in one text are alike; what is left of a word's weight is what it says by itself.
    model = LogisticRegression(
        l1_ratio=1.0, C=0.25, solver="liblinear", random_state=0, intercept_scaling=10.0
    )
    model.fit(x, labels, sample_weight=weight)
    return dict(zip(words, map(float, model.coef_[0]), strict=True))


def _grouped(words: list[str], weights: dict[str, float]) -> list[tuple[str, list[str]]]:
    """Words by sign and strength: those with at least half the strongest weight, and the others."""
    groups = []
    for sign, name in ((1, "for"), (-1, "against")):
        told = {word: sign * weights[word] for word in words if sign * weights[word] > 0.05}
        if not told:
            continue
        bar = max(told.values()) / 2
        strong = sorted(word for word in told if told[word] >= bar)
        mild = sorted(word for word in told if told[word] < bar)
        groups += [(name, strong), (f"somewhat_{name}", mild)]
    return groups


def _candidate(column: Column, name: str, words: list[str], tried: int) -> Candidate:
    condition: dict[str, Any] = {"operator": "matches_word", "value": words}
    return Candidate(
        key=f"{column.field}.words_{name}",
        field=column.field,
        group=group_of(column.field),
        conditions=(condition,),
        codes=first_hold(column, [condition]),
        sorted_out=tried // 2,
    )
