"""Whether marketing's wishes for learning name things that exist, and what they go against."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from services.feedback.domain.learning import Choices
from services.feedback.domain.proposals import Proposal
from shared.conditions import did_you_mean
from shared.scorecard.definition import ACTIVITY, DAYS_AGO, PERSONAL, compile_definition
from shared.scorecard.facts import FIELDS, known, meant

_LOCKED: Final = "/locks/facts/"
_SIGNS: Final = "/signs/"
_UNPRINTABLE: Final = "the name has a character that can't be printed: write it anew"


def faults(
    wanted: Choices, before: Choices, documents: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Names that can't be meant: JSON pointers of the interface's document, and what is wrong.

    ``documents`` are the definition in force and the one proposed; without any, no criterion can be
    checked. What was there ``before`` may stay. A sign may also be that of a criterion.
    """
    kept = {*before.never, *before.trusted, *before.signs}
    criteria = sorted({one["id"] for document in documents for one in document["criteria"]})
    for pointer, fact in _facts(wanted):
        of_criterion = pointer.startswith(_SIGNS) and fact in criteria
        wrong = None if fact in kept or of_criterion else _wrong_fact(fact)
        if wrong is None and fact in PERSONAL and not pointer.startswith(_LOCKED):
            wrong = f"{fact} is personal and never used; there is {PERSONAL[fact] or 'no other'}"
        if wrong is not None:
            yield pointer, wrong
    for index, name in enumerate(wanted.fixed):
        wrong = None if name in before.fixed else _wrong_criterion(name, criteria, bool(documents))
        if wrong is not None:
            yield f"/locks/criteria/{index}", wrong


def _wrong_fact(fact: str) -> str | None:
    """What is wrong with the name of a fact."""
    if not fact.isprintable():
        return _UNPRINTABLE
    if known(fact):
        return None
    close = meant(fact)
    hint = f"did you mean {close}?" if close else "write fields.<name> for a custom one"
    return f"no lead has a fact {fact[:60]!r}; {hint}"


def _wrong_criterion(name: str, criteria: Sequence[str], checkable: bool) -> str | None:
    """What is wrong with the id of a criterion."""
    if not name.isprintable():
        return _UNPRINTABLE
    if not checkable or name in criteria:
        return None
    close = did_you_mean(name, criteria)
    listed = f"there are {', '.join(criteria[:10])}" if criteria else "there are none"
    hint = f"did you mean {close}?" if close else listed
    return f"no criterion has the id {name[:60]!r}; {hint}"


def not_seen(wanted: Choices, seen: Collection[str]) -> list[dict[str, str]]:
    """Custom fields and activities that are wished for and that none of the newest leads has; they
    may come yet. ``seen`` is what those leads have."""
    return [
        {"pointer": pointer, "detail": f"none of the newest leads has {fact}"}
        for pointer, fact in _facts(wanted)
        if fact.startswith((FIELDS, ACTIVITY))
        and fact.removesuffix(DAYS_AGO) not in (*seen, f"{ACTIVITY}any")
    ]


def against(
    proposal: Proposal, base: Mapping[str, Any] | None, before: Choices, chosen: Choices
) -> str | None:
    """Why an open proposal is not what is wished for any more; None when it still may be."""
    if chosen.label is not before.label:
        return "It was learned for another idea of a good lead than the settings have now."
    if chosen.target != before.target:
        return "Its threshold was set for another target than the settings have now."
    if proposal.definition is None or base is None:
        return None
    was, will = (_criteria(one) for one in (base, proposal.definition))
    changed = [name for name in chosen.fixed if name in was and was[name] != will.get(name)]
    if changed:
        return f"It changes the criterion {changed[0]}, which is locked now."
    news = _fields(proposal.definition) - _fields(base)
    locked = sorted(news.intersection(chosen.never))
    return f"It uses the fact {locked[0]}, which is locked now." if locked else None


def _facts(wanted: Choices) -> Iterator[tuple[str, str]]:
    for part, names in ((_LOCKED, wanted.never), ("/trusted/", wanted.trusted)):
        for index, name in enumerate(names):
            yield f"{part}{index}", name
    for name in wanted.signs:
        yield _SIGNS + name.replace("~", "~0").replace("/", "~1"), name


def _criteria(document: Mapping[str, Any]) -> dict[str, Any]:
    return {one["id"]: one for one in document["criteria"]}


def _fields(document: Mapping[str, Any]) -> set[str]:
    return set(compile_definition(0, document).fields)
