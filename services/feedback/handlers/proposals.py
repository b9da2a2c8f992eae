"""Turn answers into proposals, and follow what becomes of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.feedback.domain.evidence import (
    Change,
    Comparison,
    Counts,
    Definition,
    Evidence,
    Rule,
    weigh,
)
from services.feedback.domain.proposals import (
    Propose,
    Refresh,
    Status,
    Withdraw,
    decide,
)
from services.feedback.ports import Proposals, Unit
from shared.contracts.definition import DefinitionDocument
from shared.contracts.envelope import Event
from shared.contracts.events import (
    DefinitionProposed,
    DefinitionPublished,
    DefinitionRetired,
    PointsChange,
    ProposalApproved,
)
from shared.contracts.problems import Problem
from shared.runtime.clock import Clock, new_id

CONFIDENCE = 0.95


async def on_definition_published(
    event: Event[DefinitionPublished], uow: Unit, clock: Clock
) -> None:
    """Another version is in force: what was proposed of the one before is settled."""
    data = event.data
    await uow.proposals.publish(data.definition, data.published_at)
    if data.proposal_id is not None and await uow.proposals.find(data.proposal_id):
        await uow.proposals.resolve(
            data.proposal_id,
            Status.PUBLISHED,
            data.published_at,
            published_version=data.definition.version,
        )
    in_force = await uow.proposals.in_force()
    for proposal_id, _, base_version in await uow.proposals.unresolved():
        if in_force is not None and base_version != in_force.version:
            await uow.proposals.resolve(proposal_id, Status.SUPERSEDED, data.published_at)


async def on_definition_retired(event: Event[DefinitionRetired], uow: Unit, clock: Clock) -> None:
    """A version is in force no longer."""
    await uow.proposals.retire(event.data.version)


async def current_evidence(
    proposals: Proposals, minimum: int, *, lock: bool = False
) -> Evidence | None:
    """What the answers say about the definition in force; None while there is none."""
    document = await proposals.in_force(lock=lock)
    if document is None:
        return None
    tally: dict[frozenset[str], Counts] = {}
    for criteria, answer, leads in await proposals.tally(document.version):
        counts = Counts(accepted=leads) if answer == "accepted" else Counts(rejected=leads)
        held = frozenset(criteria)
        tally[held] = tally.get(held, Counts()) + counts
    return weigh(_definition(document), tally, minimum)


async def weigh_answers(uow: Unit, clock: Clock, minimum: int) -> bool:
    """Make, refresh or withdraw a proposal as the answers ask for. True when something changed."""
    evidence = await current_evidence(uow.proposals, minimum, lock=True)
    if evidence is None:
        return False
    earlier = await uow.proposals.of(evidence.definition.version)
    decision = decide(evidence, earlier)
    now = clock.now()
    match decision:
        case Propose(changes, replaces):
            if replaces is not None:
                await uow.proposals.resolve(replaces, Status.SUPERSEDED, now)
            await _propose(uow, evidence, changes, now)
        case Refresh(proposal_id):
            await uow.proposals.refresh(
                proposal_id, evidence_document(evidence), evidence.counts.answers, now
            )
        case Withdraw(proposal_id):
            # The numbers that made it go belong to the record of why it went.
            await uow.proposals.refresh(
                proposal_id, evidence_document(evidence), evidence.counts.answers, now
            )
            await uow.proposals.resolve(proposal_id, Status.WITHDRAWN, now)
        case None:
            return False
    return True


async def approve(proposal_id: str, by: str, note: str, uow: Unit, clock: Clock) -> dict[str, Any]:
    """Ask qualify to make and publish the proposed version.

    Raises Problem 404, and 409 with ``state`` when the proposal is not open, or its base version is
    in force no longer. Approving what is approved already changes nothing.
    """
    in_force = await uow.proposals.in_force(lock=True)
    row = await _found(proposal_id, uow)
    if row["status"] in (Status.APPROVED, Status.PUBLISHED):
        return row
    _must_be_open(row)
    if in_force is None or in_force.version != row["base_version"]:
        raise Problem(
            409,
            "Another version is in force",
            f"This proposal changes version {row['base_version']}, which is in force no longer.",
            state=row["status"],
        )
    now = clock.now()
    values = {"resolved_by": by, "note": note}
    await uow.proposals.resolve(proposal_id, Status.APPROVED, now, **values)
    uow.emit(
        ProposalApproved(
            proposal_id=proposal_id,
            base_version=row["base_version"],
            changes=[PointsChange(**change) for change in row["changes"]],
            note=note,
            approved_at=now,
        )
    )
    return {**row, "status": Status.APPROVED.value, "resolved_at": now, **values}


async def dismiss(proposal_id: str, by: str, note: str, uow: Unit, clock: Clock) -> dict[str, Any]:
    """Turn a proposal down. It comes back when there is half as much evidence again.

    Raises Problem 404, and 409 with ``state`` when the proposal is settled otherwise.
    """
    await uow.proposals.in_force(lock=True)
    row = await _found(proposal_id, uow)
    if row["status"] == Status.DISMISSED:
        return row
    _must_be_open(row)
    values = {"resolved_by": by, "note": note}
    await uow.proposals.resolve(proposal_id, Status.DISMISSED, clock.now(), **values)
    return {**row, "status": Status.DISMISSED.value, "resolved_at": clock.now(), **values}


def proposal_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A proposal as the interface shows it."""
    return {
        "proposal_id": row["proposal_id"],
        "status": row["status"],
        "base_version": row["base_version"],
        "changes": row["changes"],
        "evidence": row["evidence"],
        "proposed_at": _time(row["proposed_at"]),
        "evidence_at": _time(row["evidence_at"]),
        "resolved_at": _time(row["resolved_at"]),
        "note": row["note"],
        "published_version": row["published_version"],
    }


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """The evidence as it travels and is stored: shares from 0 to 1."""
    return {
        "definition_version": evidence.definition.version,
        "threshold": evidence.definition.threshold,
        "answers": evidence.counts.answers,
        "accepted": evidence.counts.accepted,
        "rejected": evidence.counts.rejected,
        "minimum_per_side": evidence.minimum,
        "confidence": CONFIDENCE,
        "method": "Newcombe 1998, method 10 (hybrid score)",
        "criteria": [_comparison(c) for c in evidence.comparisons],
        "notes": evidence.notes(),
    }


async def _propose(
    uow: Unit, evidence: Evidence, changes: tuple[Change, ...], now: datetime
) -> None:
    row: dict[str, Any] = {
        "proposal_id": new_id(),
        "status": Status.OPEN.value,
        "base_version": evidence.definition.version,
        "changes": [_change(change) for change in changes],
        "evidence": evidence_document(evidence),
        "answers": evidence.counts.answers,
        "made_from": evidence.counts.answers,
        "proposed_at": now,
        "evidence_at": now,
        "note": "",
    }
    await uow.proposals.add(row)
    uow.emit(
        DefinitionProposed(
            proposal_id=row["proposal_id"],
            base_version=row["base_version"],
            changes=[PointsChange(**change) for change in row["changes"]],
            evidence=row["evidence"],
            proposed_at=now,
        )
    )


async def _found(proposal_id: str, uow: Unit) -> dict[str, Any]:
    row = await uow.proposals.find(proposal_id)
    if row is None:
        raise Problem(404, "Unknown proposal", "There is no proposal with this id.")
    return row


def _must_be_open(row: Mapping[str, Any]) -> None:
    if row["status"] != Status.OPEN:
        raise Problem(
            409,
            "Settled already",
            f"This proposal is {row['status']}. Only an open one can be approved or dismissed.",
            state=row["status"],
        )


def _definition(document: DefinitionDocument) -> Definition:
    rules = tuple(Rule(criterion.id, criterion.points) for criterion in document.criteria)
    return Definition(document.version, document.threshold, rules)


def _comparison(comparison: Comparison) -> dict[str, Any]:
    interval = comparison.interval
    return {
        "criterion_id": comparison.criterion_id,
        "points": comparison.points,
        "with": _counts(comparison.having),
        "without": _counts(comparison.lacking),
        "missing": comparison.missing,
        "difference": interval and round(interval.estimate, 4),
        "low": interval and round(interval.low, 4),
        "high": interval and round(interval.high, 4),
        "text": comparison.words(),
    }


def _counts(counts: Counts) -> dict[str, Any]:
    share = counts.share
    return {
        "accepted": counts.accepted,
        "answers": counts.answers,
        "share": share if share is None else round(share, 4),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "criterion_id": change.criterion_id,
        "points_before": change.points_before,
        "points_after": change.points_after,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None
