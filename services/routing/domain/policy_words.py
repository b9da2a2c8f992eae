"""A policy in words: what its rules say, and what changes from one version to the next."""

from collections.abc import Mapping
from typing import Any, Final

from services.routing.domain.policy import STARTER, Target, To
from shared.conditions import compile_tree
from shared.scorecard.differences import Difference

_PLAIN: Final = (
    ("sla_minutes", "Minutes to a first answer"),
    ("accept_minutes", "Minutes from acknowledging to accepting"),
    ("max_attempts", "Reps to try in a round"),
    ("max_rounds", "Rounds"),
    ("warn_at", "Warned after this share of the time"),
    ("escalate", "A manager is told when a round is over"),
    ("accounts_first", "Whoever looks after the account comes first"),
)


def whom(part: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Whom a rule or the fallback means. ``names`` has reps by id, teams by ``team:`` and id."""
    target = Target.of(part)
    match target.to:
        case To.TEAM:
            said = f"the team {names.get(f'team:{target.team_id}', target.team_id)}"
        case To.REPS:
            said = ", ".join(names.get(one, one) for one in part["rep_ids"])
        case To.ACCOUNT_OWNER:
            said = "whoever looks after the account"
        case To.EVERYBODY:
            said = "everybody"
        case To.NOBODY:
            said = "nobody: the lead waits"
    needs = [*(part.get("skills") or ())]
    needs += [f"speaks {one}" for one in part.get("languages") or ()]
    if part.get("territories"):
        needs.append("has " + " or ".join(part["territories"]))
    if target.by_country:
        needs.append("has the lead's country")
    if target.by_language:
        needs.append("speaks the lead's language")
    return f"{said} ({', '.join(needs)})" if needs else said


def when(rule: Mapping[str, Any]) -> str:
    """For which leads a rule is."""
    tests = [compile_tree(one).sentence() for one in rule.get("when") or ()]
    return " and ".join(tests) or "every lead"


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Mapping[str, str]
) -> list[Difference]:
    """What changes when ``after`` takes the place of ``before``: documents that compile."""
    before, after = {**STARTER, **before}, {**STARTER, **after}
    found = [
        Difference(label, _value(before[name]), _value(after[name]))
        for name, label in _PLAIN
        if before[name] != after[name]
    ]
    old = {one["grade"]: _times(one) for one in before["sla_by_grade"]}
    new = {one["grade"]: _times(one) for one in after["sla_by_grade"]}
    found += [
        Difference(f"Times for grade {grade}", old.get(grade), new.get(grade))
        for grade in dict.fromkeys((*old, *new))
        if old.get(grade) != new.get(grade)
    ]
    found += _rules(before["rules"], after["rules"], names)
    was, will = whom(before["fallback"], names), whom(after["fallback"], names)
    return found if was == will else [*found, Difference("Leads of no rule", was, will)]


def _rules(before: Any, after: Any, names: Mapping[str, str]) -> list[Difference]:
    old = {one["id"]: _rule(one, names) for one in before}
    new = {one["id"]: _rule(one, names) for one in after}
    found = [
        Difference(f"Rule {name}", old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    was, will = [one for one in old if one in new], [one for one in new if one in old]
    if was != will:
        found.append(Difference("Order of the rules", ", ".join(was), ", ".join(will)))
    return found


def _rule(rule: Mapping[str, Any], names: Mapping[str, str]) -> str:
    waits = "" if rule.get("waits", True) else ", else the fallback"
    return f"{when(rule)}: {whom(rule, names)}{waits}"


def _times(one: Mapping[str, Any]) -> str:
    return f"{one['sla_minutes']:g} and {one['accept_minutes']:g} minutes"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "never" if value is None else f"{value:g}"
