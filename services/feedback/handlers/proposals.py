"""Answer proposals, and follow what becomes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from services.feedback.domain.proposals import (
    UNANSWERED_AFTER,
    Change,
    Proposal,
    PublishAs,
    Status,
    Version,
)
from services.feedback.store.aggregates import NOT_RETIRED, STANDING
from services.feedback.store.unit import Feedback
from shared.contracts.definition import DefinitionBody, DefinitionDocument
from shared.contracts.envelope import Event
from shared.contracts.events import (
    DefinitionChallenging,
    DefinitionPublished,
    DefinitionRetired,
    ProposalApproved,
    ProposalRefused,
)
from shared.contracts.problems import Problem
from shared.scorecard.authoring import definition_of
from shared.scorecard.definition import InvalidDefinition
from shared.scorecard.differences import differences

PROPOSALS: Final = "proposals"
"""The lock of whoever decides about proposals or changes the definition in force."""

_BY_HAND: Final = " Edited by hand since: these figures are those of the document before."
_ON_ITS_WAY: Final = (Status.APPROVED, Status.CHALLENGER, Status.PUBLISHED)


def on_definition_published(event: Event[DefinitionPublished], unit: Feedback) -> None:
    """Another version is in force: what was proposed of the one before is settled, and so is the
    proposal it was made of, perhaps after a time as challenger."""
    data, at = event.data, event.data.published_at
    unit.lock([PROPOSALS])
    published = data.definition
    unit.definitions.fetch(published.version)
    unit.definitions.put(Version(published.version, published.model_dump(mode="json"), at))
    for other in unit.definitions.select(NOT_RETIRED):
        if other.version != published.version and other.published_at <= at:
            unit.definitions.put(replace(other, retired=True))
    for one in _made_into(unit, published.version, data.proposal_id):
        if one.status is not Status.PUBLISHED:  # publishing a version again is no new beginning
            done = replace(one, published_version=published.version, published_at=at)
            unit.proposals.put(replace(done, status=Status.PUBLISHED, resolved_at=at, refusal=None))
    in_force = unit.in_force()
    if in_force is None:
        return
    for one in unit.proposals.select(STANDING):
        if one.base_version != in_force.version:
            unit.proposals.put(replace(one, status=Status.SUPERSEDED, resolved_at=at))
    if published.version == in_force.version:
        _open_again(unit, in_force)


def _open_again(unit: Feedback, base: Version) -> None:
    """After a rollback the last proposal about this version stands again, unless somebody answered
    it or something else is open."""
    if unit.proposals.select(STANDING):
        return
    of_base = unit.proposals.find(base_version=base.version)
    last = max(of_base, key=lambda one: one.proposed_at, default=None)
    if last is not None and last.status is Status.SUPERSEDED and last.resolved_by is None:
        unit.proposals.put(replace(last, status=Status.OPEN, resolved_at=None))


def on_definition_challenging(event: Event[DefinitionChallenging], unit: Feedback) -> None:
    """A version shadow-scores: the proposal it was made of is on trial."""
    data = event.data
    unit.lock([PROPOSALS])
    for one in _made_into(unit, data.definition.version, data.proposal_id):
        if one.status is not Status.PUBLISHED:
            done = replace(one, published_version=data.definition.version, refusal=None)
            at = data.challenging_since
            unit.proposals.put(replace(done, status=Status.CHALLENGER, resolved_at=at))


def on_definition_retired(event: Event[DefinitionRetired], unit: Feedback) -> None:
    """A version is in force no longer, or challenges no longer."""
    unit.lock([PROPOSALS])
    version = unit.definitions.fetch(event.data.version)
    if version is not None and version.published_at <= event.data.retired_at:
        unit.definitions.put(replace(version, retired=True))
    for one in _made_into(unit, event.data.version, None):
        if one.status is Status.CHALLENGER:
            at = event.data.retired_at
            unit.proposals.put(replace(one, status=Status.DROPPED, resolved_at=at))


def on_proposal_refused(event: Event[ProposalRefused], unit: Feedback) -> None:
    """Qualify could not make the version: the proposal is open again, and says why."""
    data = event.data
    unit.lock([PROPOSALS])
    proposal = unit.proposals.fetch(data.proposal_id)
    if proposal is None or proposal.status is not Status.APPROVED:
        return
    in_force = unit.in_force()
    current = in_force is not None and in_force.version == proposal.base_version
    unit.proposals.put(
        replace(
            proposal,
            status=Status.OPEN if current else Status.SUPERSEDED,
            refusal=data.reason,
            resolved_at=None if current else data.refused_at,
            resolved_by=None if current else proposal.resolved_by,
        )
    )


def edit(
    unit: Feedback, proposal_id: str, wanted: Any, by: str, seen: str | None = None
) -> Proposal:
    """Put another document in the place of an open proposal's. Its evidence stays that of the
    document it was proposed with, and says so by ``edited_at``. ``seen`` is the entity tag of the
    document that was changed, if the caller says.

    Raises Problem 404, 409 with ``state`` when the proposal is not open, 412 when it holds another
    document by now, and 422 with pointers.
    """
    proposal = _found(unit, proposal_id, seen)
    _must_be_open(proposal, "edited")
    base = _base(unit, proposal)
    document = checked(wanted).model_dump(mode="json")
    if proposal.definition is not None and document["note"] == proposal.definition.get("note"):
        document["note"] = _edited(document["note"])
    changes = _in_words(body_of(base), document, proposal.changes)
    if not changes:
        same = f"this is version {base.version}: dismiss the proposal instead"
        raise _invalid("The definition is not valid", [("/definition", same)])
    edited = replace(
        proposal,
        definition=document,
        changes=changes,
        edited_at=unit.now,
        edited_by=by,
        refusal=None,
    )
    unit.proposals.put(edited)
    return edited


def approve(
    unit: Feedback,
    proposal_id: str,
    by: str,
    note: str,
    publish_as: PublishAs = "published",
    seen: str | None = None,
) -> Proposal:
    """Ask qualify to make the proposed version, to score or to challenge.

    Raises Problem 404, 409 with ``state`` when the proposal is not open or its base version is in
    force no longer, 412 when it holds another document than the one ``seen``, and 422 when its
    document can't score anybody. Approving again what is approved the same way changes nothing.
    """
    proposal = _found(unit, proposal_id, seen)
    if proposal.status in _ON_ITS_WAY and proposal.publish_as in (None, publish_as):
        return proposal
    _must_be_open(proposal, "approved")
    base = _base(unit, proposal)
    if proposal.definition is None:
        raise _settled(proposal, "It holds no definition that could be published: dismiss it.")
    unit.emit(
        ProposalApproved(
            proposal_id=proposal_id,
            base_version=base.version,
            definition=checked(proposal.definition),
            publish_as=publish_as,
            note=note,
            approved_by=by,
            approved_at=unit.now,
        )
    )
    approved = replace(
        proposal,
        status=Status.APPROVED,
        publish_as=publish_as,
        refusal=None,
        resolved_at=unit.now,
        resolved_by=by,
        note=note,
    )
    unit.proposals.put(approved)
    return approved


def dismiss(
    unit: Feedback, proposal_id: str, by: str, note: str, seen: str | None = None
) -> Proposal:
    """Turn a proposal down, for a reason. The same comes back when there is half as much evidence
    again.

    An approval that no version came of may be taken back like this too, after some minutes: until
    then it may be on its way. Raises Problem 404, 409 with ``state`` when the proposal is settled
    otherwise, 412 when it holds another document than the one ``seen``, and 422 without a reason.
    """
    if not note.strip():
        why = "say why, in a few words: your colleagues will ask, and it may be proposed again"
        raise _invalid("A dismissal needs a reason", [("/note", why)])
    proposal = _found(unit, proposal_id, seen)
    if proposal.status is Status.DISMISSED:
        return proposal
    at = proposal.resolved_at
    lost = proposal.status is Status.APPROVED and at is not None
    if not (lost and at is not None and unit.now - at >= UNANSWERED_AFTER):
        _must_be_open(proposal, "dismissed")
    gone = replace(
        proposal, status=Status.DISMISSED, resolved_at=unit.now, resolved_by=by, note=note
    )
    unit.proposals.put(gone)
    return gone


def checked(document: Any) -> DefinitionBody:
    """The document of a definition that can score. Raises Problem 422 with every mistake."""
    try:
        return definition_of(document)
    except InvalidDefinition as error:
        found = [(f"/definition{one.pointer}", one.detail) for one in error.errors]
        raise _invalid("The definition is not valid", found) from None


def body_of(version: Version) -> dict[str, Any]:
    """The document of a version without its number and status, with everything that documents have
    today."""
    whole = DefinitionDocument.model_validate(version.document).model_dump(mode="json")
    return {key: value for key, value in whole.items() if key not in ("version", "status")}


def _edited(note: str) -> str:
    """The note of a document whose figures are not its own any more."""
    if not note or note.endswith(_BY_HAND):
        return note
    return note[: 2000 - len(_BY_HAND)] + _BY_HAND


def _in_words(
    base: Mapping[str, Any], document: Mapping[str, Any], told: Sequence[Change]
) -> tuple[Change, ...]:
    """What the document changes of the version in force; what was proposed so keeps its reasons."""
    known = {(one.what, one.before, one.after): one for one in told}
    return tuple(
        known.get((one.what, one.before, one.after)) or Change(one.what, one.before, one.after)
        for one in differences(base, document)
    )


def _invalid(title: str, errors: Sequence[tuple[str, str]]) -> Problem:
    found = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
    first = found[0]
    more = f" (and {len(found) - 1} more, see errors)" if len(found) > 1 else ""
    return Problem(
        422,
        title,
        f"{first['pointer']}: {first['detail']}{more}",
        errors=found,
    )


def _made_into(unit: Feedback, version: int, proposal_id: str | None) -> list[Proposal]:
    """The proposals that this version was made of: one, or none."""
    if proposal_id is not None:
        named = unit.proposals.fetch(proposal_id)
        return [named] if named is not None else []
    return unit.proposals.find(published_version=version)


def _base(unit: Feedback, proposal: Proposal) -> Version:
    """The version in force, which the proposal changes."""
    in_force = unit.in_force()
    if in_force is None or in_force.version != proposal.base_version:
        raise Problem(
            409,
            "Another version is in force",
            f"This proposal changes version {proposal.base_version}, which is in force no longer.",
            state=proposal.status.value,
        )
    return in_force


def _found(unit: Feedback, proposal_id: str, seen: str | None) -> Proposal:
    """The proposal, locked like all of them, if it still holds the document that was seen."""
    unit.lock([PROPOSALS])
    proposal = unit.proposals.fetch(proposal_id)
    if proposal is None:
        raise Problem(404, "Unknown proposal", "There is no proposal with this id.")
    if seen is not None and seen not in ("*", proposal.etag):
        raise Problem(
            412,
            "Changed in between",
            "Somebody else changed this proposal after you read it: read it again.",
            etag=proposal.etag,
        )
    return proposal


def _must_be_open(proposal: Proposal, done: str) -> None:
    if proposal.status is not Status.OPEN:
        raise _settled(proposal, f"Only an open one can be {done}.")


def _settled(proposal: Proposal, what_to_do: str) -> Problem:
    return Problem(
        409,
        "Settled already",
        f"This proposal is {proposal.status.value}. {what_to_do}",
        state=proposal.status.value,
    )
