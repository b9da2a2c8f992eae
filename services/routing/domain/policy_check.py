"""What is wrong with a policy, and what is doubtful, each with its place as a JSON pointer."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.routing.domain.policy import InvalidPolicy, Rule, Target, To, read_policy
from services.routing.domain.reps import Rep, Team
from shared.conditions import did_you_mean
from shared.scorecard.facts import KNOWN_FIELDS, known, meant

OWN_FIELDS: Final = ("score", "grade")
"""What a policy may ask about beside the facts."""
Fault = tuple[str, str]
"""A JSON pointer, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Known:
    """Whom and what a policy may name."""

    reps: Mapping[str, Rep] = field(default_factory=dict)
    teams: Mapping[str, Team] = field(default_factory=dict)
    grades: Collection[str] = ()
    """Those that recent leads have; none: not known yet."""


def faults(document: Mapping[str, Any], known_ones: Known) -> list[Fault]:
    """Why a document of the right shape can't be a policy; [] when it can."""
    try:
        read_policy(0, document)
        found: list[Fault] = []
    except InvalidPolicy as error:
        found = list(error.errors)
    for index, rule in enumerate(document["rules"]):
        place = f"/rules/{index}"
        found += _target_faults(rule, place, known_ones)
        for at, condition in enumerate(rule["when"]):
            found += _unknown_fields(condition, f"{place}/when/{at}")
    found += _target_faults(document.get("fallback") or {}, "/fallback", known_ones)
    return found


def cautions(document: Mapping[str, Any], known_ones: Known) -> list[Fault]:
    """What is doubtful about a policy without faults."""
    policy = read_policy(0, document)
    found: list[Fault] = []
    for index, rule in enumerate(policy.rules):
        place = f"/rules/{index}"
        before = next((one for one in policy.rules[:index] if _shadows(one, rule)), None)
        if before is not None:
            words = f"no lead gets here: the rule {before.id} before it takes them all"
            found.append((place, words))
        found += _target_cautions(rule.target, place, known_ones)
    found += _target_cautions(policy.fallback, "/fallback", known_ones)
    if known_ones.grades:
        found += _grade_cautions(document, known_ones.grades)
    return found


def _target_faults(part: Mapping[str, Any], place: str, known_ones: Known) -> Iterator[Fault]:
    for at, rep_id in enumerate(part.get("rep_ids") or ()):
        if rep_id not in known_ones.reps:
            yield f"{place}/rep_ids/{at}", _no_such("rep", rep_id, known_ones.reps)
    team_id = part.get("team_id")
    if team_id is not None and team_id not in known_ones.teams:
        yield f"{place}/team_id", _no_such("team", team_id, known_ones.teams)


def _no_such(what: str, wanted: str, there_are: Collection[str]) -> str:
    close = did_you_mean(wanted, there_are)
    if close:
        return f"no such {what}; did you mean {close}?"
    return f"no such {what}" + ("" if there_are else f": add a {what} first")


def _unknown_fields(condition: Any, place: str) -> Iterator[Fault]:
    """Fields that no lead can have, in a condition or a tree of them."""
    if not isinstance(condition, Mapping):
        return
    name = condition.get("field")
    if isinstance(name, str) and name.strip():
        name = name.strip()
        if name not in OWN_FIELDS and not known(name):
            close = did_you_mean(name, (*OWN_FIELDS, *KNOWN_FIELDS)) or meant(name)
            hint = f"did you mean {close}?" if close else "write fields.<name> for a custom one"
            yield f"{place}/field", f"no lead has a fact {name[:60]!r}; {hint}"
    yield from _unknown_fields(condition.get("not"), f"{place}/not")
    for word in ("all", "any"):
        inner = condition.get(word)
        for at, one in enumerate(inner if isinstance(inner, Sequence) else ()):
            yield from _unknown_fields(one, f"{place}/{word}/{at}")


def _shadows(before: Rule, rule: Rule) -> bool:
    """Whether every lead that fits ``rule`` fits the one before it as well: it asks for nothing
    that this one does not ask for, too."""
    asks, other = before.target, rule.target
    applies = (
        (asks.to is not To.ACCOUNT_OWNER or other.to is To.ACCOUNT_OWNER)
        and (not asks.by_country or other.by_country)
        and (not asks.by_language or other.by_language)
    )
    return applies and _said(before) <= _said(rule)


def _said(rule: Rule) -> set[str]:
    return {json.dumps(test.to_document(), sort_keys=True) for test in rule.when}


def _target_cautions(target: Target, place: str, known_ones: Known) -> Iterator[Fault]:
    if target.to in (To.NOBODY, To.ACCOUNT_OWNER):
        return
    team = known_ones.teams.get(target.team_id or "")
    named = [
        rep
        for rep in known_ones.reps.values()
        if target.to is To.EVERYBODY
        or (rep.team_id == target.team_id if team else rep.rep_id in target.rep_ids)
    ]
    if not named:
        if team is not None:
            yield f"{place}/team_id", f"nobody is in the team {team.name}"
        return
    if not any(rep.shares for rep in named):
        yield _at(target, place), f"nobody of them gets leads: {_why_not(named)}"
        return
    yield from _weightless(target, place, known_ones)
    here = [rep for rep in named if rep.shares]
    lacking = list(_lacking(target, here))
    for name, words in lacking:
        yield f"{place}/{name}", words
    if not lacking and not any(target.admits(rep.standing()) for rep in here):
        yield _at(target, place), "nobody of them has all that is needed"


def _weightless(target: Target, place: str, known_ones: Known) -> Iterator[Fault]:
    """Reps who are named and get no leads, beside others who do."""
    for rep_id in sorted(target.rep_ids):
        rep = known_ones.reps.get(rep_id)
        if rep is not None and not rep.shares:
            yield f"{place}/rep_ids", f"{rep.name} gets no leads: {_why_not([rep])}"


def _lacking(target: Target, reps: Iterable[Rep]) -> Iterator[tuple[str, str]]:
    """Needs that none of these reps meets."""
    standings = [rep.standing() for rep in reps]
    for one in sorted(target.skills):
        if not any(one in rep.skills for rep in standings):
            yield "skills", f"nobody of them has the skill {one}"
    for one in sorted(target.languages):
        if not any(one in rep.languages for rep in standings):
            yield "languages", f"nobody of them speaks {one}"
    if target.territories and not any(target.territories & rep.territories for rep in standings):
        yield "territories", f"nobody of them has {' or '.join(sorted(target.territories)).upper()}"
    if target.by_country and not any(rep.territories for rep in standings):
        yield "by_country", "nobody of them has a territory"
    if target.by_language and not any(rep.languages for rep in standings):
        yield "by_language", "nobody of them has a language"


def _at(target: Target, place: str) -> str:
    return place + {To.TEAM: "/team_id", To.REPS: "/rep_ids"}.get(target.to, "/to")


def _why_not(reps: Sequence[Rep]) -> str:
    return ", ".join(
        dict.fromkeys(rep.status.value if not rep.active else "weight 0" for rep in reps)
    )


def _grade_cautions(document: Mapping[str, Any], grades: Collection[str]) -> Iterator[Fault]:
    listed = ", ".join(sorted(grades))
    for index, one in enumerate(document.get("sla_by_grade") or ()):
        if one["grade"] not in grades:
            words = f"no recent lead has the grade {one['grade']}; there are {listed}"
            yield f"/sla_by_grade/{index}/grade", words
