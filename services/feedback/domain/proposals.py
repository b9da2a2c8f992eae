"""The life of a proposal, and when evidence makes, refreshes or withdraws one.

open → approved → published, or open → dismissed, or superseded by another version or by better
evidence, or withdrawn when the evidence stops supporting it. What a proposal changes never changes:
who approves it approves what they read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.feedback.domain.evidence import Change, Evidence, suggest, unmuted


class Status(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    PUBLISHED = "published"
    DISMISSED = "dismissed"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


COMES_BACK_AT: Final = 1.5
"""A change that was turned down comes back when there are this many times the answers."""

REPLACED_AT: Final = 1.2
"""An open proposal is replaced by a different one when there are this many times the answers it was
made from; before that only its evidence is refreshed, or it would change daily."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A proposal of the same base version that exists already.

    ``answers`` is how many its evidence rests on now, ``made_from`` how many it was made from.
    """

    proposal_id: str
    status: Status
    changes: tuple[Change, ...]
    answers: int
    made_from: int


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


def decide(evidence: Evidence, earlier: Sequence[Earlier]) -> Decision:
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
