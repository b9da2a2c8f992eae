"""The routing policy: how long a rep has, how often a lead is tried, and who may have which lead.

A lead is offered to ``max_attempts`` reps, one after the other: a round. When nobody took it, it
rests for the time of a first answer and is offered again, ``max_rounds`` times at most.

Rules are tried in order; the first that fits a lead names who may have it: some reps, a team, the
account's owner, or everybody, each narrowed by what they need to have. A lead that no rule fits is
the fallback's. When nobody of a rule can take a lead it waits for them, unless the rule says that
the fallback is asked as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from services.routing.domain.asked import LANGUAGE, Asked, Basis, LeadAccount
from services.routing.domain.choice import (
    FALLBACK,
    UNROUTED_WORDS,
    Decision,
    Group,
    Pool,
    Standing,
    Unrouted,
    undecided,
)
from shared.conditions import ConditionErrors, Test, compile_all
from shared.contracts.etag import etag_of


class InvalidPolicy(Exception):
    """A policy that cannot be used. ``errors`` are pairs of a JSON pointer and what is wrong."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer}: {detail}" for pointer, detail in errors))
        self.errors = tuple(errors)


class To(StrEnum):
    """Whom a rule gives leads to."""

    REPS = "reps"
    TEAM = "team"
    ACCOUNT_OWNER = "account_owner"
    """Who looks after the lead's account, or their stand-in."""
    EVERYBODY = "everybody"
    NOBODY = "nobody"
    """The lead waits until somebody changes a rep or the policy. For the fallback alone."""


@dataclass(frozen=True, slots=True)
class Target:
    """Who may have a lead. All ``skills`` and ``languages`` are needed, and one of the
    ``territories``."""

    to: To = To.EVERYBODY
    rep_ids: frozenset[str] = frozenset()
    team_id: str | None = None
    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    territories: frozenset[str] = frozenset()
    by_country: bool = False
    """Whether the lead's country has to be one of the rep's territories."""
    by_language: bool = False
    """Whether the rep has to speak the lead's language."""

    @classmethod
    def of(cls, part: Mapping[str, Any]) -> "Target":
        """What a rule or the fallback of a document says."""
        if part.get("team_id") is not None:
            to = To.TEAM
        else:
            to = To.REPS if part.get("rep_ids") else To(part.get("to") or To.EVERYBODY)

        def needed(name: str) -> frozenset[str]:
            return frozenset(map(str.casefold, part.get(name) or ()))

        return cls(
            to,
            frozenset(part.get("rep_ids") or ()),
            part.get("team_id"),
            needed("skills"),
            needed("languages"),
            needed("territories"),
            bool(part.get("by_country")),
            bool(part.get("by_language")),
        )

    @property
    def narrows(self) -> bool:
        """Whether more is asked of a rep than to be one of those named."""
        literal = self.skills or self.languages or self.territories
        return bool(literal or self.by_country or self.by_language)

    def fits(self, asked: Asked) -> bool:
        """Whether it can be said of this lead at all who is meant."""
        if self.to is To.ACCOUNT_OWNER and (asked.account is None or not asked.account.rep_ids):
            return False
        if self.by_country and asked.country is None:
            return False
        return not self.by_language or asked.language is not None

    def group(self, name: str | None, asked: Asked, pool: Pool) -> Group:
        """Who is meant."""
        if self.to is To.EVERYBODY and not self.narrows:
            return Group(None if name == FALLBACK else name)
        if self.to is To.REPS and not self.narrows:
            return Group(name, self.rep_ids)
        country = asked.country if self.by_country else None
        language = asked.language if self.by_language else None
        named = self.rep_ids
        if self.to is To.ACCOUNT_OWNER:
            named = asked.account.rep_ids if asked.account is not None else frozenset()
        key = (name, named, country, language)
        return pool.group(key, name, lambda rep: self._admits(rep, named, country, language))

    def admits(self, rep: Standing) -> bool:
        """Whether some lead may go to this rep."""
        return self.to is To.ACCOUNT_OWNER or self._admits(rep, self.rep_ids, None, None)

    def _admits(
        self, rep: Standing, named: frozenset[str], country: str | None, language: str | None
    ) -> bool:
        if self.to is To.NOBODY or (self.to is To.TEAM and rep.team_id != self.team_id):
            return False
        if self.to in (To.REPS, To.ACCOUNT_OWNER) and rep.rep_id not in named:
            return False
        territories = rep.territories
        return (
            self.skills <= rep.skills
            and self.languages <= rep.languages
            and (not self.territories or not self.territories.isdisjoint(territories))
            and (country is None or country in territories)
            and (language is None or language in rep.languages)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Leads for which all tests hold go to whom the target means."""

    id: str
    when: tuple[Test, ...]
    target: Target
    waits: bool = True
    """Whether a lead waits when none of them can take it; else the fallback is asked."""

    def fits(self, asked: Asked) -> bool:
        """Whether it is this rule that says who may have the lead."""
        return all(test.matches(asked.facts) for test in self.when) and self.target.fits(asked)


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
    accounts_first: bool = True
    """Whether whoever looks after a lead's account comes before all rules."""
    fallback: Target = Target()
    fields: frozenset[str] = frozenset()
    """The facts that its rules look at."""

    def times(self, grade: str | None) -> Times:
        """How long a rep has for a lead of this grade, in working time."""
        return self.by_grade.get(grade or "", Times(self.sla, self.accept))

    def rule(self, asked: Asked) -> Rule | None:
        """The rule that says who may have a lead; None: the fallback does."""
        return next((rule for rule in self.rules if rule.fits(asked)), None)

    def group(self, asked: Asked, pool: Pool) -> Group:
        """Who may have a lead."""
        rule = self.rule(asked)
        if rule is not None:
            return rule.target.group(rule.id, asked, pool)
        return self.fallback.group(FALLBACK, asked, pool)

    def decide(
        self, pool: Pool, asked: Asked, excluded: Mapping[str, str], used: int = 0
    ) -> Decision:
        """Whom a lead is given to, by the pool as it is. ``excluded`` may not have it; ``used``
        attempts of the running round came to nothing. Changes nothing."""
        found = self._decide(pool, asked, excluded, used)
        return replace(found, basis=Basis(asked, excluded, used))

    def _decide(self, pool: Pool, asked: Asked, excluded: Mapping[str, str], used: int) -> Decision:
        rule = self.rule(asked)
        group = self.group(asked, pool)
        if used >= self.max_attempts:
            return undecided(pool, group, Unrouted.ATTEMPTS_USED)
        of_account = rule is not None and rule.target.to is To.ACCOUNT_OWNER
        if asked.account is not None and (self.accounts_first or of_account):
            found = _of_account(pool, asked.account, group, excluded)
            if found is not None:
                return found
            reps = (asked.account.owner_id, asked.account.stand_in_id)
            decision = pool.waiting_for(pool.choose(group, excluded), reps, excluded)
        else:
            decision = pool.choose(group, excluded)
        if decision.rep_id is not None or rule is None or rule.waits:
            return decision
        other = pool.choose(self.fallback.group(FALLBACK, asked, pool), excluded)
        return min(decision, other, key=_hope)

    def last_word(self, decision: Decision, rounds: int) -> Decision:
        """The last round ends for good; one that lacks room goes on once there is some."""
        over = decision.unrouted in (Unrouted.ALL_HAD_IT, Unrouted.ATTEMPTS_USED)
        if not over or rounds < self.max_rounds:
            return decision
        return decision.nobody(Unrouted.ROUNDS_USED, UNROUTED_WORDS[Unrouted.ROUNDS_USED])


def _of_account(
    pool: Pool, account: LeadAccount, group: Group, excluded: Mapping[str, str]
) -> Decision | None:
    words = (
        (account.owner_id, f"looks after {account.name}, whose lead it is"),
        (account.stand_in_id, f"stands in for whoever looks after {account.name}"),
    )
    for rep_id, why in words:
        rep = pool.reps.get(rep_id or "")
        if rep is not None and rep.is_here and rep.rep_id not in excluded:
            return pool.appoint(rep.rep_id, group, excluded, f"{why}: {account.reason}")
    return None


_SOONEST: Final = (None, Unrouted.NO_ROOM, Unrouted.OFF_WORK, Unrouted.ALL_HAD_IT, Unrouted.NO_REP)


def _hope(decision: Decision) -> int:
    """Of two decisions that which gives the lead to somebody, else which may do so soonest."""
    return _SOONEST.index(decision.unrouted)


STARTER: Mapping[str, Any] = {
    "sla_minutes": 60.0,
    "accept_minutes": 240.0,
    "max_attempts": 3,
    "max_rounds": 3,
    "sla_by_grade": [],
    "warn_at": 0.75,
    "escalate": True,
    "accounts_first": True,
    "rules": [],
    "fallback": {"to": "everybody"},
}
"""What a fresh installation begins with, what holds before anybody wrote a policy, and what a
policy from before a field was invented says of it."""


def read_policy(version: int, document: Mapping[str, Any]) -> Policy:
    """Compile a policy document of the right shape. Raises InvalidPolicy."""
    document = {**STARTER, **document}
    errors: list[tuple[str, str]] = []
    rules: list[Rule] = []
    for index, rule in enumerate(document["rules"]):
        place = f"/rules/{index}"
        if rule["id"] == FALLBACK:
            errors.append((f"{place}/id", "the fallback has this name: choose another"))
        if any(rule["id"] == earlier["id"] for earlier in document["rules"][:index]):
            errors.append((f"{place}/id", "another rule has this id"))
        tests = _tests(rule["when"], place, errors)
        rules.append(Rule(rule["id"], tests, Target.of(rule), rule.get("waits", True)))
    graded = [one["grade"] for one in document["sla_by_grade"]]
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
        document["max_rounds"],
        tuple(rules),
        {
            one["grade"]: Times(
                timedelta(minutes=one["sla_minutes"]), timedelta(minutes=one["accept_minutes"])
            )
            for one in document["sla_by_grade"]
        },
        document["warn_at"],
        document["escalate"],
        document["accounts_first"],
        Target.of(document["fallback"]),
        _fields(rules),
    )


def _fields(rules: Sequence[Rule]) -> frozenset[str]:
    found = {name for rule in rules for test in rule.when for name in test.fields}
    if any(rule.target.by_country for rule in rules):
        found.add("country")
    if any(rule.target.by_language for rule in rules):
        found.update(LANGUAGE)
    return frozenset(found)


def _tests(documents: Sequence[Any], place: str, errors: list[tuple[str, str]]) -> tuple[Test, ...]:
    try:
        return tuple(compile_all(documents))
    except ConditionErrors as found:
        errors += [(f"{place}/when{one.pointer_suffix}", one.message) for one in found.errors]
        return ()


class Compiled:
    """Compiled policies by version, for the life of the process: what was published never
    changes."""

    def __init__(self) -> None:
        self._by_version = {0: read_policy(0, STARTER)}

    def find(self, version: int) -> Policy | None:
        """A version that was compiled before."""
        return self._by_version.get(version)

    def add(self, version: int, document: Mapping[str, Any]) -> Policy:
        """Compile a version."""
        found = self._by_version[version] = read_policy(version, document)
        return found


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

    @property
    def whole(self) -> dict[str, Any]:
        """The document, with what was invented after it was written."""
        return {**STARTER, **self.document}

    @property
    def etag(self) -> str:
        """An entity tag of what may change of a draft."""
        return etag_of(self.version, {"note": self.note, **self.document})


BUILT_IN: Final = Written(0, STARTER, datetime(2026, 1, 1, tzinfo=UTC), PolicyStatus.PUBLISHED)
"""What holds before anybody wrote a policy."""
