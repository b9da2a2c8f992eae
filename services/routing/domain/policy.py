"""The routing policy: how long a rep has, how often a lead is tried, and who may have which lead.

A lead is offered to ``max_attempts`` reps, one after the other: a round. When nobody took it, it
rests for the time of a first answer and is offered again, ``max_rounds`` times at most.

Rules are tried in order; the first whose conditions all hold names the reps. A lead that no rule
matches may go to anybody. A rule is strict: when its reps are full the lead waits for them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from services.routing.domain.choice import Group
from shared.conditions import Condition, ConditionError, compile_condition


class InvalidPolicy(Exception):
    """A policy that cannot be used. ``errors`` are pairs of a JSON pointer and what is wrong."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer}: {detail}" for pointer, detail in errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Rule:
    """Leads for which all conditions hold go to these reps."""

    id: str
    when: tuple[Condition, ...]
    rep_ids: frozenset[str]

    def matches(self, context: Mapping[str, Any]) -> bool:
        """Whether every condition holds; a rule without any matches every lead."""
        return all(condition.matches(context) for condition in self.when)


class Times(NamedTuple):
    """How long a rep has, in their working time."""

    first_answer: timedelta
    decision: timedelta
    """From acknowledging to accepting or rejecting."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of the policy, ready for use."""

    version: int
    sla: timedelta
    """Time a rep has to a first answer."""
    accept: timedelta
    """Time from acknowledging to accepting or rejecting."""
    max_attempts: int
    """Reps a lead is tried with in one round, before it waits unrouted."""
    max_rounds: int = 3
    """Rounds before it waits until somebody changes a rep or the policy."""
    rules: tuple[Rule, ...] = field(default=())
    by_grade: Mapping[str, Times] = field(default_factory=dict)
    """Of these grades a rep has other times."""
    warn_at: float | None = 0.75
    """After which share of the time a rep is warned; None: never."""
    escalate: bool = True
    """Whether a manager is told when the last attempt of a round ran out."""

    def times(self, grade: str | None) -> Times:
        """How long a rep has for a lead of this grade, in working time."""
        return self.by_grade.get(grade or "", Times(self.sla, self.accept))

    def group(self, context: Mapping[str, Any]) -> Group:
        """Who may have a lead with these facts."""
        for rule in self.rules:
            if rule.matches(context):
                return Group(rule.id, rule.rep_ids)
        return Group()


STARTER: Mapping[str, Any] = {
    "sla_minutes": 60.0,
    "accept_minutes": 240.0,
    "max_attempts": 3,
    "max_rounds": 3,
    "sla_by_grade": [],
    "warn_at": 0.75,
    "escalate": True,
    "rules": [],
}
"""What a fresh installation begins with, what holds before anybody wrote a policy, and what a
policy from before a field was invented says of it."""


def read_policy(version: int, document: Mapping[str, Any]) -> Policy:
    """Compile a policy document of the right shape. Raises InvalidPolicy."""
    errors: list[tuple[str, str]] = []
    rules: list[Rule] = []
    for index, rule in enumerate(document["rules"]):
        if any(rule["id"] == earlier["id"] for earlier in document["rules"][:index]):
            errors.append((f"/rules/{index}/id", "another rule has this id"))
        rules.append(Rule(rule["id"], _conditions(rule, index, errors), frozenset(rule["rep_ids"])))
    graded = [one["grade"] for one in document.get("sla_by_grade", ())]
    errors += [
        (f"/sla_by_grade/{index}/grade", "this grade has times already")
        for index, grade in enumerate(graded)
        if grade in graded[:index]
    ]
    if errors:
        raise InvalidPolicy(errors)
    return Policy(
        version,
        timedelta(minutes=document["sla_minutes"]),
        timedelta(minutes=document["accept_minutes"]),
        document["max_attempts"],
        document.get("max_rounds", STARTER["max_rounds"]),
        tuple(rules),
        {
            one["grade"]: Times(
                timedelta(minutes=one["sla_minutes"]), timedelta(minutes=one["accept_minutes"])
            )
            for one in document.get("sla_by_grade", STARTER["sla_by_grade"])
        },
        document.get("warn_at", STARTER["warn_at"]),
        document.get("escalate", STARTER["escalate"]),
    )


class Compiled:
    """Compiled policies by version, for the life of the process: documents never change."""

    def __init__(self) -> None:
        self._by_version = {0: read_policy(0, STARTER)}

    def find(self, version: int) -> Policy | None:
        """A version that was compiled before."""
        return self._by_version.get(version)

    def add(self, version: int, document: Mapping[str, Any]) -> Policy:
        """Compile a version."""
        found = self._by_version[version] = read_policy(version, document)
        return found


def unknown_reps(document: Mapping[str, Any], known: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of a JSON pointer and a message for each rep a rule names who does not exist."""
    return [
        (f"/rules/{r}/rep_ids/{i}", "no such rep")
        for r, rule in enumerate(document["rules"])
        for i, rep_id in enumerate(rule["rep_ids"])
        if rep_id not in known
    ]


def _conditions(
    rule: Mapping[str, Any], index: int, errors: list[tuple[str, str]]
) -> tuple[Condition, ...]:
    compiled: list[Condition] = []
    for place, when in enumerate(rule["when"]):
        try:
            compiled.append(compile_condition(when["field"], when["operator"], when.get("value")))
        except ConditionError as error:
            errors.append((f"/rules/{index}/when/{place}{error.pointer_suffix}", error.message))
    return tuple(compiled)


class PolicyStatus(StrEnum):
    """A draft may change; the one published holds; those before it are retired."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Written:
    """One version of the policy, as it was written."""

    version: int
    document: Mapping[str, Any]
    created_at: datetime
    status: PolicyStatus = PolicyStatus.DRAFT
    note: str = ""
    """Why this version exists."""
    created_by: str | None = None
    """The id of a key, as in all that ends in ``_by``; None: the product itself."""
    updated_at: datetime | None = None
    updated_by: str | None = None
    published_at: datetime | None = None
    published_by: str | None = None
