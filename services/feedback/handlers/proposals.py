"""Turn answers into proposals, and follow what becomes of them."""

from dataclasses import replace
from typing import Any, Final

from services.feedback.domain.evidence import Change, Evidence
from services.feedback.domain.proposals import (
    Proposal,
    Propose,
    Refresh,
    Status,
    Version,
    Withdraw,
    decide,
)
from services.feedback.store.aggregates import NOT_RETIRED, OF_VERSION, STANDING
from services.feedback.store.unit import Feedback
from shared.contracts.envelope import Event
from shared.contracts.events import (
    DefinitionProposed,
    DefinitionPublished,
    DefinitionRetired,
    PointsChange,
    ProposalApproved,
)
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem

_PROPOSALS: Final = "proposals"
"""The lock of whoever decides about proposals or changes the definition in force."""


def on_definition_published(event: Event[DefinitionPublished], unit: Feedback) -> None:
    """Another version is in force: what was proposed of the one before is settled."""
    data, at = event.data, event.data.published_at
    unit.lock([_PROPOSALS])
    published = data.definition
    unit.definitions.fetch(published.version)
    unit.definitions.put(Version(published.version, published.model_dump(mode="json"), at))
    for other in unit.definitions.select(NOT_RETIRED):
        if other.version != published.version and other.published_at <= at:
            unit.definitions.put(replace(other, retired=True))
    proposal = unit.proposals.fetch(data.proposal_id) if data.proposal_id is not None else None
    if proposal is not None:
        done = replace(proposal, published_version=published.version)
        unit.proposals.put(replace(done, status=Status.PUBLISHED, resolved_at=at))
    in_force = unit.in_force()
    for one in unit.proposals.select(STANDING):
        if in_force is not None and one.base_version != in_force.version:
            unit.proposals.put(replace(one, status=Status.SUPERSEDED, resolved_at=at))


def on_definition_retired(event: Event[DefinitionRetired], unit: Feedback) -> None:
    """A version is in force no longer."""
    unit.lock([_PROPOSALS])
    version = unit.definitions.fetch(event.data.version)
    if version is not None:
        unit.definitions.put(replace(version, retired=True))


def weigh_answers(unit: Feedback, evidence: Evidence) -> bool:
    """Make, refresh or withdraw a proposal as the evidence asks for. True when something changed.

    Evidence about a version that is in force no longer says nothing.
    """
    unit.lock([_PROPOSALS])
    version, in_force = evidence.definition.version, unit.in_force()
    if in_force is None or in_force.version != version:
        return False
    earlier = {one.proposal_id: one for one in unit.proposals.select(OF_VERSION, version=version)}
    match decide(evidence, list(earlier.values())):
        case Propose(changes, replaces):
            if replaces is not None:
                _settle(unit, earlier[replaces], Status.SUPERSEDED)
            _propose(unit, evidence, changes)
        case Refresh(proposal_id):
            unit.proposals.put(_refreshed(unit, earlier[proposal_id], evidence))
        case Withdraw(proposal_id):
            # The numbers that made it go belong to the record of why it went.
            _settle(unit, _refreshed(unit, earlier[proposal_id], evidence), Status.WITHDRAWN)
        case None:
            return False
    return True


def approve(unit: Feedback, proposal_id: str, by: str, note: str) -> Proposal:
    """Ask qualify to make and publish the proposed version.

    Raises Problem 404, and 409 with ``state`` when the proposal is not open, or its base version is
    in force no longer. Approving what is approved already changes nothing.
    """
    proposal = _found(unit, proposal_id)
    if proposal.status in (Status.APPROVED, Status.PUBLISHED):
        return proposal
    _must_be_open(proposal)
    in_force = unit.in_force()
    if in_force is None or in_force.version != proposal.base_version:
        raise Problem(
            409,
            "Another version is in force",
            f"This proposal changes version {proposal.base_version}, which is in force no longer.",
            state=proposal.status.value,
        )
    unit.emit(
        ProposalApproved(
            proposal_id=proposal_id,
            base_version=proposal.base_version,
            changes=_points(proposal.changes),
            note=note,
            approved_at=unit.now,
        )
    )
    return _settle(unit, proposal, Status.APPROVED, resolved_by=by, note=note)


def dismiss(unit: Feedback, proposal_id: str, by: str, note: str) -> Proposal:
    """Turn a proposal down. It comes back when there is half as much evidence again.

    Raises Problem 404, and 409 with ``state`` when the proposal is settled otherwise.
    """
    proposal = _found(unit, proposal_id)
    if proposal.status is Status.DISMISSED:
        return proposal
    _must_be_open(proposal)
    return _settle(unit, proposal, Status.DISMISSED, resolved_by=by, note=note)


def _propose(unit: Feedback, evidence: Evidence, changes: tuple[Change, ...]) -> None:
    proposal = Proposal(
        new_id(),
        Status.OPEN,
        evidence.definition.version,
        changes,
        evidence.document(),
        answers=evidence.counts.answers,
        made_from=evidence.counts.answers,
        proposed_at=unit.now,
        evidence_at=unit.now,
    )
    unit.proposals.put(proposal)
    unit.emit(
        DefinitionProposed(
            proposal_id=proposal.proposal_id,
            base_version=proposal.base_version,
            changes=_points(changes),
            evidence=dict(proposal.evidence),
            proposed_at=unit.now,
        )
    )


def _refreshed(unit: Feedback, proposal: Proposal, evidence: Evidence) -> Proposal:
    """The proposal with the evidence of today."""
    answers = evidence.counts.answers
    return replace(proposal, evidence=evidence.document(), answers=answers, evidence_at=unit.now)


def _settle(unit: Feedback, proposal: Proposal, status: Status, **values: Any) -> Proposal:
    settled = replace(proposal, status=status, resolved_at=unit.now, **values)
    unit.proposals.put(settled)
    return settled


def _points(changes: tuple[Change, ...]) -> list[PointsChange]:
    return [PointsChange(**change.document()) for change in changes]


def _found(unit: Feedback, proposal_id: str) -> Proposal:
    """The proposal, locked like all of them."""
    unit.lock([_PROPOSALS])
    proposal = unit.proposals.fetch(proposal_id)
    if proposal is None:
        raise Problem(404, "Unknown proposal", "There is no proposal with this id.")
    return proposal


def _must_be_open(proposal: Proposal) -> None:
    if proposal.status is not Status.OPEN:
        raise Problem(
            409,
            "Settled already",
            f"This proposal is {proposal.status.value}. "
            "Only an open one can be approved or dismissed.",
            state=proposal.status.value,
        )
