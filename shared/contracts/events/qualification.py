"""``lead.qualification``: decisions, with everything that made them."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.events.base import Attribution, Facts, LeadEvent


class Contribution(BaseModel):
    """What one criterion added to a score, and why."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    criterion_id: str
    points: int
    because: str


class ActivityCount(BaseModel):
    """What a lead did of one kind: how often, when last, and its newest moments."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    count: int
    last_at: AwareDatetime
    recent: list[AwareDatetime] = []


class ShadowScore(BaseModel):
    """What the challenger would have said of the same lead."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    definition_version: int
    score: int
    decision: str


class Qualification(LeadEvent):
    """A decision about a lead, with everything that made it."""

    topic = "lead.qualification"

    definition_version: int
    cycle: int
    """How often the lead has become an MQL, this decision included."""
    score: int
    """The exact sum of ``contributions``."""
    grade: str | None = None
    threshold: int
    facts: Facts
    attribution: Attribution = Attribution()
    activities: dict[str, ActivityCount] = Field(default_factory=dict)
    contributions: list[Contribution]
    captured_at: AwareDatetime
    decided_at: AwareDatetime
    explored: bool = False
    """Whether it became an MQL below the threshold, as one of the exploration sample."""
    exploration_rate: float = 0
    """The share of leads below the threshold that the definition explores."""
    shadow: ShadowScore | None = None


class LeadScored(Qualification):
    """A new score that does not move the lead to another stage."""

    type = "leadloop.lead.scored.v1"


class LeadQualified(Qualification):
    """The lead is an MQL: routing owes it an owner."""

    type = "leadloop.lead.qualified.v1"


class LeadNurtured(Qualification):
    """Not yet: below the threshold, or sent back by a rep for a reason that may pass."""

    type = "leadloop.lead.nurtured.v1"
    reason: str


class LeadDisqualified(Qualification):
    """Never: a disqualifier met, or a rep's reason that will not pass."""

    type = "leadloop.lead.disqualified.v1"
    reason: str
