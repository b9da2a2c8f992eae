"""Look at the answers: begin, apply what was found, give up; and take marketing's wishes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.feedback.domain import wishes
from services.feedback.domain.learning import (
    Choices,
    Schedule,
    after_look,
    claimed,
    failed,
    missing_answers,
    stopped,
)
from services.feedback.domain.proposals import (
    Finding,
    Leave,
    Proposal,
    Propose,
    Refresh,
    Status,
    Suggestion,
    Version,
    Withdraw,
    decide,
)
from services.feedback.handlers.proposals import PROPOSALS, body_of
from services.feedback.store.aggregates import REFUSED_FOR_NOW, STANDING
from services.feedback.store.unit import Feedback
from shared.contracts.definition import DefinitionBody
from shared.contracts.events import Change, DefinitionProposed
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem

_OURS: Final = ("base", "flips")
"""What of the evidence is for our page alone."""
_LOOKS: Final = "looks"
"""The lock of whoever begins, ends or asks for a look."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A look that this process is to take."""

    lease: str
    base: Version
    learned_at: datetime | None
    """When the base was learned from answers itself, if it was."""
    choices: Choices
    state: Mapping[str, Any]
    asked_at: datetime | None = None


def choose(unit: Feedback, wanted: Choices, by: str, seen: Any = None) -> Choices:
    """Keep marketing's wishes; the next look follows them. ``seen`` is the ``updated_at`` that the
    caller changed, if they say. An open proposal that goes against them is withdrawn, unless
    somebody edited it.

    Raises Problem 409 when somebody else was faster, 422 with pointers for names that no lead and
    no criterion has.
    """
    unit.lock([_LOOKS, PROPOSALS])
    before = unit.chosen()
    if seen is not None and seen != before.updated_at:
        raise Problem(
            409,
            "Changed meanwhile",
            "Somebody else has changed these settings: read them again and repeat your change.",
        )
    base = unit.in_force()
    standing = [one for one in unit.proposals.select(STANDING) if one.status is Status.OPEN]
    documents = [one.document for one in [base] if one is not None]
    documents += [one.definition for one in standing if one.definition is not None]
    if errors := list(wishes.faults(wanted, before, documents)):
        raise Problem(
            422,
            "Some names are not known",
            f"{errors[0][0]}: {errors[0][1]}",
            errors=[{"pointer": pointer, "detail": detail} for pointer, detail in errors],
        )
    chosen = replace(wanted, updated_at=unit.now, updated_by=by)
    unit.choices.put(chosen)
    for one in standing:
        why = wishes.against(one, None if base is None else body_of(base), before, chosen)
        if why is not None and one.edited_at is None:
            _settle(unit, one, Status.WITHDRAWN, why)
    return chosen


def ask(unit: Feedback) -> Schedule:
    """Have a look taken now. Raises Problem 409 while no definition is in force."""
    unit.lock([_LOOKS])
    if unit.in_force() is None:
        raise Problem(
            409, "Nothing to improve", "No definition is published yet: publish one first."
        )
    looks = replace(unit.schedule(), asked_at=unit.now, retry_at=None)
    unit.looks.put(looks)
    return looks


def begin(unit: Feedback, answers: int) -> Begun | None:
    """Begin a look, if one is due with so many answers and nobody is at it."""
    unit.lock([_LOOKS])
    looks, base, choices = unit.schedule(), unit.in_force(), unit.chosen()
    missing = missing_answers(looks, choices, answers, unit.now)
    if base is None or not looks.due(missing, unit.now):
        return None
    if any(one.status is Status.APPROVED for one in unit.proposals.select(STANDING)):
        return None  # what comes of it decides what there is to look at
    lease = new_id()
    unit.looks.put(claimed(looks, lease, unit.now))
    made_of = unit.proposals.find(published_version=base.version)
    learned_at = max((one.evidence_at for one in made_of), default=None)
    return Begun(lease, base, learned_at, choices, looks.state, looks.asked_at)


def carry_on(unit: Feedback, lease: str) -> bool:
    """Say that the look is still being taken; False when it is somebody else's by now."""
    unit.lock([_LOOKS])
    looks = unit.schedule()
    if looks.lease != lease:
        return False
    unit.looks.put(claimed(looks, lease, unit.now))
    return True


def give_up(unit: Feedback, lease: str, why: str | None) -> None:
    """The look came to nothing: it is taken again, later when there is a reason ``why``."""
    unit.lock([_LOOKS])
    looks = unit.schedule()
    if looks.lease == lease:
        unit.looks.put(stopped(looks) if why is None else failed(looks, why, unit.now))


def apply(unit: Feedback, begun: Begun, finding: Finding) -> str | None:
    """What a look found, in one transaction: its account, and at most one proposal made, refreshed
    or withdrawn. Returns what was done in a word; None when the look is somebody else's by now.

    When another version came into force or marketing's wishes changed meanwhile, nothing is
    proposed and a new look is due.
    """
    unit.lock([_LOOKS, PROPOSALS])
    looks = unit.schedule()
    if looks.lease != begun.lease:
        return None
    base = unit.in_force()
    current = base is not None and base.version == finding.base_version
    done, why = "outdated", "Another version was published while the answers were looked at."
    if unit.chosen().updated_at != begun.choices.updated_at:
        current, why = False, "The settings of learning were changed while it looked."
    if base is not None and current:
        done, why = _decide(unit, finding, base)
    last = {
        "answers": finding.answers,
        "base_version": finding.base_version,
        "looked": finding.looked,
        "done": done,
        "why": why,
        "missing": finding.missing,
        **finding.report,
    }
    seen = after_look(looks, last, unit.now)
    unit.looks.put(
        Schedule(
            state=finding.looks if done == "proposed" else _nothing_proposed(finding.looks),
            last=seen.last,
            looked_at=seen.looked_at,
            asked_at=_still_asked(looks.asked_at, begun) if current else unit.now,
        )
    )
    return done


def _still_asked(asked_at: datetime | None, begun: Begun) -> datetime | None:
    """When somebody asked for a look after this one began."""
    return asked_at if asked_at != begun.asked_at else None


def _nothing_proposed(looks: Mapping[str, Any]) -> dict[str, Any]:
    """The account of a look that found something which nobody needs to be asked about again."""
    taken = [dict(one) for one in looks.get("taken") or ()]
    if taken:
        taken[-1]["proposed"] = False
    return {**looks, "taken": taken}


def _decide(unit: Feedback, finding: Finding, base: Version) -> tuple[str, str]:
    standing = {one.proposal_id: one for one in unit.proposals.select(STANDING)}
    turned_down = [
        one
        for one in unit.proposals.select(REFUSED_FOR_NOW)
        if one.status is not Status.PUBLISHED or one.published_version != base.version
    ]
    match decide(finding, body_of(base), list(standing.values()), turned_down):
        case Propose(suggestion, replaces):
            if replaces is not None:
                _settle(unit, standing[replaces], Status.SUPERSEDED)
            _propose(unit, finding, suggestion)
            return "proposed", ""
        case Refresh(proposal_id, suggestion):
            unit.proposals.put(
                replace(
                    standing[proposal_id],
                    evidence=suggestion.evidence,
                    answers=finding.answers,
                    evidence_at=unit.now,
                )
            )
            return "refreshed", ""
        case Withdraw(proposal_id, why):
            _settle(unit, standing[proposal_id], Status.WITHDRAWN, why)
            return "withdrawn", why
        case Leave(why):
            return "nothing", why


def _propose(unit: Feedback, finding: Finding, suggestion: Suggestion) -> None:
    proposal = Proposal(
        new_id(),
        Status.OPEN,
        finding.base_version,
        suggestion.definition,
        suggestion.changes,
        suggestion.evidence,
        answers=finding.answers,
        proposed_at=unit.now,
        evidence_at=unit.now,
    )
    unit.proposals.put(proposal)
    unit.emit(
        DefinitionProposed(
            proposal_id=proposal.proposal_id,
            base_version=proposal.base_version,
            definition=DefinitionBody.model_validate(suggestion.definition),
            changes=[Change.model_validate(one.document()) for one in suggestion.changes],
            evidence={k: v for k, v in suggestion.evidence.items() if k not in _OURS},
            proposed_at=unit.now,
        )
    )


def _settle(unit: Feedback, proposal: Proposal, status: Status, note: str = "") -> None:
    settled = replace(proposal, status=status, resolved_at=unit.now, note=note)
    unit.proposals.put(settled)
