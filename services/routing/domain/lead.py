"""A lead as routing knows it: an MQL that is owed an owner, with what made it one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Lead:
    """The latest MQL decision about a lead, and how far routing has come with it."""

    lead_id: str
    cycle: int
    """How often the lead has become an MQL; each cycle is routed once."""
    definition_version: int
    score: int
    grade: str | None
    threshold: int
    facts: Mapping[str, Any]
    attribution: Mapping[str, Any]
    contributions: Sequence[Mapping[str, Any]]
    captured_at: datetime
    qualified_at: datetime
    attempt: int = 0
    """The last attempt number used in this cycle."""
    round_base: int = 0
    """The last attempt number of the rounds before the running one."""
    rounds: int = 0
    """Rounds begun, in this cycle and since somebody last changed a rep or the policy."""
    unrouted_at: datetime | None = None
    """Since when nobody has it; None while somebody does."""
    unrouted_reason: str | None = None
    retry_at: datetime | None = None
    """When the sweep looks at it next; None: once somebody changes a rep or the policy."""
    rest_until: datetime | None = None
    """Until then it is only offered to reps who never had it."""
    account_id: str | None = None
    """The account it belongs to, as far as is known."""
    account_reason: str | None = None
    """How that is known, in words."""
    escalated_at: datetime | None = None
    """When its last attempt had run out and a manager was told."""

    @property
    def explored(self) -> bool:
        """Whether it reached a rep below the threshold, as one of the sample that shows what the
        definition misses."""
        return self.score < self.threshold

    def context(self) -> dict[str, Any]:
        """What a policy's conditions may ask about."""
        known = {name: value for name, value in self.attribution.items() if value is not None}
        return known | dict(self.facts) | {"score": self.score, "grade": self.grade}


@dataclass(frozen=True, slots=True)
class Contact:
    """Who a lead is: personal data, for the rep who has it and for admins."""

    lead_id: str
    contact: Mapping[str, Any]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote about a lead while working on it. Personal data: it stays in routing."""

    note_id: str
    lead_id: str
    rep_id: str | None
    """The rep who wrote it, or for whom somebody did."""
    written_by: str
    """The id of the writer's key."""
    text: str
    written_at: datetime
