"""The life of a proposal, and what a look at the answers makes of it.

open → approved → published, or → challenger → published or dropped; open → dismissed, or superseded
by another version or a better proposal, or withdrawn when a later look supports it no longer. An
approval that qualify refuses makes it open again. At most one is open. A look changes only what
nobody has edited; who approves a proposal approves the document they read.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final, Literal

from shared.scorecard.differences import differences

PublishAs = Literal["published", "challenger"]
Direction = tuple[str, int]


class Status(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    CHALLENGER = "challenger"
    PUBLISHED = "published"
    DROPPED = "dropped"
    DISMISSED = "dismissed"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


UNRESOLVED: Final = (Status.OPEN, Status.APPROVED)

TURNED_DOWN: Final = (Status.DISMISSED, Status.CHALLENGER, Status.DROPPED, Status.PUBLISHED)
"""After these the same is not proposed again until there is more evidence; after a published one
when another version is in force by now."""

COMES_BACK_AT: Final = 1.5
"""What was turned down comes back when there are this many times the answers."""

ALIKE: Final = 0.5
"""Two proposals are the same when at least this share of what the newer one changes, by criterion
and direction, was in the older one."""

UNANSWERED_AFTER: Final = timedelta(minutes=10)
"""An approval that has not led to a version for so long may be taken back."""


@dataclass(frozen=True, slots=True)
class Version:
    """A definition that was published; the newest that is not retired is the one in force."""

    version: int
    document: Mapping[str, Any]
    published_at: datetime
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a proposal changes, in words; None: not there. ``levels`` are the answers that
    speak for it, by level of the criterion."""

    what: str
    before: str | None
    after: str | None
    why: str = ""
    criterion_id: str | None = None
    disqualifier_id: str | None = None
    levels: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Change":
        """A change from its JSON members; others are passed over."""
        return cls(
            document["what"],
            document["before"],
            document["after"],
            document.get("why", ""),
            document.get("criterion_id"),
            document.get("disqualifier_id"),
            tuple(document.get("levels") or ()),
        )

    def document(self) -> dict[str, Any]:
        """The change as JSON-ready members."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A better definition that the answers ask for.

    ``definition`` is the whole document; None in proposals from before they held one. ``answers``
    is how many the evidence rests on. ``refusal`` is why the last approval came to nothing.
    """

    proposal_id: str
    status: Status
    base_version: int
    definition: Mapping[str, Any] | None
    changes: tuple[Change, ...]
    evidence: Mapping[str, Any]
    answers: int
    proposed_at: datetime
    evidence_at: datetime
    edited_at: datetime | None = None
    edited_by: str | None = None
    publish_as: PublishAs | None = None
    refusal: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    note: str = ""
    published_version: int | None = None
    published_at: datetime | None = None

    @property
    def etag(self) -> str:
        """An entity tag (RFC 9110, 8.8.3) of the proposed document, whatever its keys' order."""
        text = json.dumps(self.definition, sort_keys=True).encode()
        return f'"{blake2b(text, digest_size=8).hexdigest()}"'

    def document(self) -> dict[str, Any]:
        """The proposal as the interface shows it."""
        return {
            "proposal_id": self.proposal_id,
            "status": self.status.value,
            "base_version": self.base_version,
            "definition": self.definition,
            "changes": [change.document() for change in self.changes],
            "evidence": self.evidence,
            "answers": self.answers,
            "proposed_at": self.proposed_at,
            "evidence_at": self.evidence_at,
            "edited_at": self.edited_at,
            "edited_by": self.edited_by,
            "publish_as": self.publish_as,
            "refusal": self.refusal,
            "resolved_at": self.resolved_at,
            "resolved_by": self.resolved_by,
            "note": self.note,
            "published_version": self.published_version,
            "published_at": self.published_at,
        }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a look found worth a person's time."""

    definition: Mapping[str, Any]
    changes: tuple[Change, ...]
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a look: a suggestion, or what is ``missing`` to make one, in words.

    ``answers`` is how many were looked at, ``looked`` False when it was too early for a look after
    all, ``still_better`` whether the gain is as large as is asked for, though this look, which may
    err less than the one before, can't rule out chance. ``looks`` is the learner's account of the
    error it has spent, ``report`` what else it found: drift, reps, warnings.
    """

    base_version: int
    answers: int
    suggestion: Suggestion | None = None
    missing: str = ""
    looked: bool = True
    still_better: bool = False
    looks: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Propose:
    """Make a proposal, in place of another when ``replaces`` names one."""

    suggestion: Suggestion
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """Keep the open proposal and show the new evidence."""

    proposal_id: str
    suggestion: Suggestion


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The look supports the open proposal no longer."""

    proposal_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Change nothing; ``why`` in words."""

    why: str


Decision = Propose | Refresh | Withdraw | Leave


def decide(
    finding: Finding,
    base: Mapping[str, Any],
    standing: Sequence[Proposal],
    turned_down: Iterable[Proposal],
) -> Decision:
    """What a look at the definition in force (``base``) asks for; ``standing`` are the proposals
    that are not settled, ``turned_down`` those that were dismissed, or approved as challengers."""
    if any(one.status is Status.APPROVED for one in standing):
        return Leave("An approved proposal is on its way.")
    is_open = next((one for one in standing if one.status is Status.OPEN), None)
    if is_open is not None and is_open.edited_at is not None:
        return Leave("The open proposal was edited by hand, so this look leaves it alone.")
    suggestion = finding.suggestion
    if suggestion is None:
        if is_open is None or not finding.looked or finding.still_better:
            return Leave(finding.missing)
        return Withdraw(is_open.proposal_id, finding.missing)
    if is_open is not None and same_document(is_open.definition, suggestion.definition):
        return Refresh(is_open.proposal_id, suggestion)
    before = _turned_down(finding, base, suggestion, turned_down)
    if before is not None:
        needed = int(before.answers * COMES_BACK_AT + 0.999)
        return Leave(
            f"What would be proposed was {_SETTLED[before.status]} with {before.answers} answers; "
            f"it comes back with {needed}."
        )
    return Propose(suggestion, is_open.proposal_id if is_open is not None else None)


_SETTLED: Final = {
    Status.DISMISSED: "dismissed",
    Status.CHALLENGER: "approved as a challenger, which still runs,",
    Status.DROPPED: "tried as a challenger and dropped",
    Status.PUBLISHED: "published and taken back",
}


def _turned_down(
    finding: Finding,
    base: Mapping[str, Any],
    suggestion: Suggestion,
    turned_down: Iterable[Proposal],
) -> Proposal | None:
    """The proposal that said the same, on so much evidence that it may not come back yet."""
    wanted = directions(base, suggestion.definition)
    for past in sorted(turned_down, key=lambda one: -one.answers):
        if past.definition is None or finding.answers >= past.answers * COMES_BACK_AT:
            continue
        if same_document(past.definition, suggestion.definition):
            return past
        known = directions(past.evidence.get("base") or base, past.definition)
        if wanted and len(wanted & known) >= ALIKE * len(wanted):
            return past
    return None


def same_document(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Whether two documents score alike: names and notes don't count."""
    return one is not None and not differences(one, other)


def directions(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[Direction]:
    """What a document changes of another, without how loud: each criterion, disqualifier and the
    threshold, with 1 for more or new, -1 for less or gone, 0 for something else."""
    found: set[Direction] = set()
    for part in ("criteria", "disqualifiers"):
        old = {one["id"]: one for one in before.get(part) or []}
        new = {one["id"]: one for one in after.get(part) or []}
        for key in old.keys() | new.keys():
            if key not in old or key not in new:
                found.add((f"{part}/{key}", 1 if key in new else -1))
            elif old[key] != new[key]:
                found.add((f"{part}/{key}", _sign(_reach(new[key]) - _reach(old[key]))))
    threshold = after.get("threshold", 0) - before.get("threshold", 0)
    return frozenset(found | {("threshold", _sign(threshold))} if threshold else found)


def _reach(item: Mapping[str, Any]) -> int:
    """How much a criterion can move a score: its points, or the span of its levels."""
    levels = item.get("levels")
    if levels is None:
        return int(item.get("points") or 0)
    points = [*(one["points"] for one in levels), item.get("otherwise") or 0]
    return int(max(points) - min(points))


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
