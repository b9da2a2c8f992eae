"""What rejections that are no answers teach the others: routing and capture.

A procedural reason ("wrong territory") is routing's to learn from, a clerical one ("incomplete")
capture's. A hint is a group of leads in which a reason is given clearly more often than in the
rest: the interval of the difference (Newcombe 1998) lies above zero, at a confidence that allows
for the number of groups compared (Bonferroni), and it is seen often enough to be worth a look.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

from shared.contracts.vocabulary import ReasonClass
from shared.scorecard.intervals import Interval, newcombe

LEAST: Final = 5
"""Rejections for the reason in a group before anything is said of it."""
MARGIN: Final = 0.05
"""The difference must be likely to be at least this large."""
EXAMPLES: Final = 5
MOST: Final = 20
TERRITORY: Final = (
    "country",
    "region",
    "state",
    "city",
    "territory",
    "language",
    "industry",
    "product",
)
"""Facts that routing rules are made of, also as ``fields.<name>``."""
WHERE_FROM: Final = ("form_id", "utm_source", "utm_medium", "utm_campaign")

Part = tuple[str, str]
"""A name and its value: ``("country", "AT")``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a rep; ``reason`` is None for an acceptance."""

    lead_id: str
    rep_id: str
    reason: str | None
    reason_class: str | None
    facts: Mapping[str, Any]
    attribution: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hint:
    """A reason that one group of leads is turned down for more often than the rest."""

    reason: str
    where: tuple[Part, ...]
    count: int
    of: int
    rest_count: int
    rest_of: int
    difference: Interval
    examples: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The hint as JSON-ready members, shares from 0 to 1."""
        return {
            "reason": self.reason,
            "where": dict(self.where),
            "count": self.count,
            "of": self.of,
            "share": round(self.count / self.of, 4),
            "rest": {
                "count": self.rest_count,
                "of": self.rest_of,
                "share": round(self.rest_count / self.rest_of, 4),
            },
            "difference": round(self.difference.estimate, 4),
            "low": round(self.difference.low, 4),
            "high": round(self.difference.high, 4),
            "examples": list(self.examples),
            "text": self.words(),
        }

    def words(self) -> str:
        """The hint as a sentence."""
        where = " and ".join(_part_words(part) for part in self.where)
        share, rest = round(100 * self.count / self.of), round(100 * self.rest_count / self.rest_of)
        return (
            f"{self.reason} was the answer to {self.count} of {self.of} leads ({share} %) with "
            f"{where}, and to {rest} % of the others."
        )


def routing_hints(answers: Sequence[Answer]) -> list[Hint]:
    """Where procedural reasons are given more often: by rep, by territory, and by both."""

    def parts(answer: Answer) -> Iterator[tuple[Part, ...]]:
        rep = ("rep_id", answer.rep_id)
        yield (rep,)
        for part in _territories(answer.facts):
            yield (part,)
            yield (rep, part)

    return _hints(answers, ReasonClass.PROCEDURAL, parts)


def capture_hints(answers: Sequence[Answer]) -> list[Hint]:
    """Where clerical reasons are given more often: by form, source, and fields that are missing."""
    expected = _expected_fields(answers)

    def parts(answer: Answer) -> Iterator[tuple[Part, ...]]:
        form = answer.attribution.get("form_id")
        for name in WHERE_FROM:
            if value := answer.attribution.get(name):
                yield ((name, value),)
        for name in expected:
            if answer.facts.get(name) in (None, "", []):
                yield (("missing", name),)
                if form:
                    yield (("form_id", form), ("missing", name))

    return _hints(answers, ReasonClass.CLERICAL, parts)


def _territories(facts: Mapping[str, Any]) -> Iterator[Part]:
    for name, value in sorted(facts.items()):
        if name.removeprefix("fields.") in TERRITORY and isinstance(value, str) and value:
            yield (name, value)


def _expected_fields(answers: Sequence[Answer]) -> tuple[str, ...]:
    """Facts that at least a fifth of the leads have: those whose absence is worth a word."""
    held: dict[str, int] = defaultdict(int)
    for answer in answers:
        for name, value in answer.facts.items():
            held[name] += value not in (None, "", [])
    return tuple(sorted(name for name, count in held.items() if count * 5 >= len(answers)))


def _hints(answers: Sequence[Answer], reason_class: ReasonClass, parts: Any) -> list[Hint]:
    """The clearest first. Of several groups that tell of the same leads, the clearest is kept."""
    totals: dict[tuple[Part, ...], int] = defaultdict(int)
    leads: dict[tuple[str, tuple[Part, ...]], list[str]] = defaultdict(list)
    reasons: dict[str, int] = defaultdict(int)
    for answer in answers:
        learns = answer.reason is not None and answer.reason_class == reason_class.value
        if learns:
            reasons[str(answer.reason)] += 1
        for group in parts(answer):
            totals[group] += 1
            if learns:
                leads[str(answer.reason), group].append(answer.lead_id)
    compared = {key: found for key, found in leads.items() if len(found) >= LEAST}
    z = NormalDist().inv_cdf(1 - 0.025 / max(len(compared), 1))
    hints: list[Hint] = []
    for (reason, group), found in compared.items():
        count, of = len(found), totals[group]
        rest_count, rest_of = reasons[reason] - count, len(answers) - of
        interval = newcombe(count, of, rest_count, rest_of, z)
        if interval is not None and interval.low >= MARGIN:
            shown = tuple(found[:EXAMPLES])
            hints.append(Hint(reason, group, count, of, rest_count, rest_of, interval, shown))
    hints.sort(key=lambda one: (-one.difference.low, len(one.where), one.reason, one.where))
    return _without_echoes(hints, leads)


def _without_echoes(
    hints: Sequence[Hint], leads: Mapping[tuple[str, tuple[Part, ...]], list[str]]
) -> list[Hint]:
    kept: list[Hint] = []
    for hint in hints:
        mine = set(leads[hint.reason, hint.where])
        told = (set(leads[hint.reason, one.where]) for one in kept if one.reason == hint.reason)
        if not any(len(mine & other) * 2 > min(len(mine), len(other)) for other in told):
            kept.append(hint)
    return kept[:MOST]


def _part_words(part: Part) -> str:
    name, value = part
    return f"no {value}" if name == "missing" else f"{name} {value}"
