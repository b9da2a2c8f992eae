"""The life of a proposal, and when evidence makes, refreshes or withdraws one.

open → approved → published, or open → dismissed, or superseded by another version or by better
evidence, or withdrawn when the evidence stops supporting it. What a proposal changes never changes:
who approves it approves what they read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.feedback.domain.evidence import Change, Evidence, suggest, unmuted


class Status(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    PUBLISHED = "published"
    DISMISSED = "dismissed"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


UNRESOLVED: Final = (Status.OPEN, Status.APPROVED)

COMES_BACK_AT: Final = 1.5
"""A change that was turned down comes back when there are this many times the answers."""

REPLACED_AT: Final = 1.2
"""An open proposal is replaced by a different one when there are this many times the answers it was
made from; before that only its evidence is refreshed, or it would change daily."""


@dataclass(frozen=True, slots=True)
class Version:
    """A definition that was published; the newest that is not retired is the one in force."""

    version: int
    document: Mapping[str, Any]
    published_at: datetime
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of the definition that answers ask for.

    ``answers`` is how many its evidence rests on now, ``made_from`` how many it was made from.
    """

    proposal_id: str
    status: Status
    base_version: int
    changes: tuple[Change, ...]
    evidence: Mapping[str, Any]
    answers: int
    made_from: int
    proposed_at: datetime
    evidence_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    note: str = ""
    published_version: int | None = None

    def document(self) -> dict[str, Any]:
        """The proposal as the interface shows it."""
        return {
            "proposal_id": self.proposal_id,
            "status": self.status.value,
            "base_version": self.base_version,
            "changes": [change.document() for change in self.changes],
            "evidence": self.evidence,
            "proposed_at": self.proposed_at,
            "evidence_at": self.evidence_at,
            "resolved_at": self.resolved_at,
            "note": self.note,
            "published_version": self.published_version,
        }


@dataclass(frozen=True, slots=True)
class Propose:
    """Make a proposal, in place of another when ``replaces`` names one."""

    changes: tuple[Change, ...]
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """Keep the open proposal and show the new evidence."""

    proposal_id: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The evidence no longer supports the open proposal."""

    proposal_id: str


Decision = Propose | Refresh | Withdraw | None


def decide(evidence: Evidence, earlier: Sequence[Proposal]) -> Decision:
    """What the evidence asks for, given what was proposed of this version before."""
    if any(p.status in (Status.APPROVED, Status.PUBLISHED) for p in earlier):
        return None  # a new version is on its way: it earns its own evidence
    muted: dict[tuple[str, int], int] = {}
    for past in earlier:
        if past.status in (Status.DISMISSED, Status.WITHDRAWN):
            for change in past.changes:
                muted[change.direction] = max(muted.get(change.direction, 0), past.answers)
    answers = evidence.counts.answers
    changes = unmuted(suggest(evidence), muted, answers, COMES_BACK_AT)
    standing = next((p for p in earlier if p.status is Status.OPEN), None)
    if standing is None:
        return Propose(changes) if changes else None
    if not changes:
        return Withdraw(standing.proposal_id)
    if changes != standing.changes and answers >= standing.made_from * REPLACED_AT:
        return Propose(changes, replaces=standing.proposal_id)
    return Refresh(standing.proposal_id) if answers != standing.answers else None
