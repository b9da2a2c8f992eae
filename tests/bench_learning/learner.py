"""The learner called directly, day by day: leads come, are scored and answered, and it looks.

Time is simulated here, so a year takes minutes. What a lead's answer will be is drawn from its
chance, which the world knows; the learner sees what the product would show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from services.feedback.learning.data import Sample, Settings
from services.feedback.learning.finding import Finding, Proposal
from services.feedback.learning.learn import learn
from services.feedback.learning.looks import Looks
from tests.bench_learning.figures import Floats, auc
from tests.bench_learning.judge import ranked, read, table_of
from tests.bench_learning.small import Leads, SmallWorld

START = datetime(2026, 1, 5, tzinfo=UTC)
ANSWERED_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Replaced:
    """A proposal that was approved: what was in force before and after, and when."""

    day: float
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass
class Stream:
    """A product's life under one world. Whatever is proposed is approved at once."""

    document: Mapping[str, Any]
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    samples: list[Sample] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    looks: Looks = field(default_factory=Looks)
    answers: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, 7])

    def come(self, leads: Leads, day: float, days: float = 1.0) -> None:
        """Leads come within ``days`` from ``day`` on; those that reach a rep are answered."""
        scored = read(self.document, table_of(leads.facts))
        rate = float(self.document.get("exploration_rate") or 0.0)
        drawn = self._rng.random(len(leads.facts)) < rate
        yes = self._rng.random(len(leads.facts)) < leads.chances
        for place, facts in enumerate(leads.facts):
            at = START + timedelta(days=day + days * place / len(leads.facts))
            mql, explored = bool(scored.mql[place]), False
            if not mql and not scored.disqualified[place]:
                mql = explored = bool(drawn[place])
            self.samples.append(
                Sample(
                    f"l{len(self.samples):07d}",
                    at,
                    facts,
                    label=int(yes[place]) if mql else None,
                    answered_at=at + ANSWERED_AFTER if mql else None,
                    rep_id=f"rep{place % 3}" if mql else None,
                    weight=1 / rate if explored else 1.0,
                    mql=mql,
                    definition_version=1 + len(self.replaced),
                    score=int(scored.total[place]),
                )
            )
            self.answers += mql

    def look(self) -> Finding | None:
        """Ask the learner; what it proposes is in force from now on. None where its own count says
        that no look is due, which is what it would have answered."""
        now = self.samples[-1].at + ANSWERED_AFTER
        if self.looks.at(now).missing(self.answers, now, self.settings.min_answers):
            return None
        found = learn(self.samples, self.document, self.settings, self.looks, now)
        self.looks = found.looks
        if isinstance(found, Proposal):
            day = (now - START) / timedelta(days=1)
            after = {"exploration_rate": self.document.get("exploration_rate"), **found.definition}
            self.replaced.append(Replaced(day, self.document, after))
            self.document = after
        return found


class Held:
    """Many leads that nobody learned from, to judge by."""

    def __init__(self, leads: Leads) -> None:
        self.leads = leads
        self._table = table_of(leads.facts)

    def ranks(self, document: Mapping[str, Any]) -> Floats:
        """Their order by a definition."""
        return ranked(document, self._table)

    def qualified(self, document: Mapping[str, Any]) -> Floats:
        """1 for each that a definition makes an MQL, else 0."""
        return read(document, self._table).mql.astype(float)

    def best(self) -> float:
        """The AUC of what the facts truly tell: nobody can pass it."""
        return auc(self.leads.told, self.leads.chances)

    def area(self, document: Mapping[str, Any]) -> float:
        """The AUC of a definition, by each lead's own chance."""
        return auc(self.ranks(document), self.leads.chances)


def answered_at_once(world: SmallWorld, count: int) -> list[Sample]:
    """A year of leads that all have an answer."""
    stream = Stream({**world.starter(), "threshold": -1000})
    stream.come(world.leads(count), 0.0, 365.0)
    return stream.samples


def one_look(document: Mapping[str, Any], samples: list[Sample]) -> str:
    """What a first look at these samples finds, in a word."""
    found = learn(samples, document, Settings(), Looks())
    return "a proposal" if isinstance(found, Proposal) else found.reason
