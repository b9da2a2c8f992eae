"""Whether marketing's wishes for learning name things that exist, and what they go against."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from services.feedback.domain.learning import Choices
from services.feedback.domain.proposals import Proposal
from shared.conditions import did_you_mean
from shared.scorecard.definition import ACTIVITY, compile_definition
from shared.scorecard.facts import FIELDS, known, meant


def faults(
    wanted: Choices, before: Choices, documents: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Names that can't be meant: JSON pointers of the interface's document, and what is wrong.

    ``documents`` are the definition in force and the one proposed; without any, no criterion can be
    checked. What was there ``before`` may stay.
    """
    kept = {*before.never, *before.trusted, *before.signs}
    for pointer, fact in _facts(wanted):
        if fact not in kept and (not fact.isprintable() or not known(fact)):
            close = meant(fact)
            hint = f"did you mean {close}?" if close else "write fields.<name> for a custom one"
            yield pointer, f"no lead has a fact {fact[:60]!r}; {hint}"
    criteria = {one["id"] for document in documents for one in document["criteria"]}
    for index, name in enumerate(wanted.fixed):
        if documents and name not in criteria and name not in before.fixed:
            close = did_you_mean(name, sorted(criteria))
            listed = ", ".join(sorted(criteria)[:10])
            hint = f"did you mean {close}?" if close else f"there are {listed}"
            yield f"/locks/criteria/{index}", f"no criterion has the id {name[:60]!r}; {hint}"


def not_seen(wanted: Choices, seen: Collection[str]) -> list[dict[str, str]]:
    """Custom fields and activities that are wished for and that no lead has had so far."""
    return [
        {"pointer": pointer, "detail": f"no lead has had {fact} so far"}
        for pointer, fact in _facts(wanted)
        if fact.startswith((FIELDS, ACTIVITY)) and fact not in seen
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
    changed = [name for name in chosen.fixed if was.get(name) != will.get(name)]
    if changed:
        return f"It changes the criterion {changed[0]}, which is locked now."
    news = _fields(proposal.definition) - _fields(base)
    locked = sorted(news.intersection(chosen.never))
    return f"It uses the fact {locked[0]}, which is locked now." if locked else None


def _facts(wanted: Choices) -> Iterator[tuple[str, str]]:
    for part, names in (("/locks/facts", wanted.never), ("/trusted", wanted.trusted)):
        for index, name in enumerate(names):
            yield f"{part}/{index}", name
    for name in wanted.signs:
        yield "/signs/" + name.replace("~", "~0").replace("/", "~1"), name


def _criteria(document: Mapping[str, Any]) -> dict[str, Any]:
    return {one["id"]: one for one in document["criteria"]}


def _fields(document: Mapping[str, Any]) -> set[str]:
    return set(compile_definition(0, document).fields)
