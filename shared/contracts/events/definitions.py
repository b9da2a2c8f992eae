"""``definition.proposed`` and ``definition.published``."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.definition import DefinitionDocument
from shared.contracts.events.base import EventData


class PointsChange(BaseModel):
    """One suggested change of a criterion's points."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    criterion_id: str
    points_before: int
    points_after: int


class DefinitionProposed(EventData):
    """Feedback suggests a better definition, with its evidence."""

    type = "leadloop.definition.proposed.v1"
    topic = "definition.proposed"

    proposal_id: str
    base_version: int
    changes: list[PointsChange]
    evidence: dict[str, Any]
    proposed_at: AwareDatetime

    def key(self) -> str:
        return self.proposal_id


class ProposalApproved(EventData):
    """Somebody in marketing said yes: qualify makes the version and publishes it."""

    type = "leadloop.definition.approved.v1"
    topic = "definition.proposed"

    proposal_id: str
    base_version: int
    changes: list[PointsChange]
    note: str = ""
    approved_at: AwareDatetime

    def key(self) -> str:
        return self.proposal_id


class DefinitionPublished(EventData):
    """This version scores from now on."""

    type = "leadloop.definition.published.v1"
    topic = "definition.published"

    definition: DefinitionDocument
    published_at: AwareDatetime
    proposal_id: str | None = None

    def key(self) -> str:
        return str(self.definition.version)


class DefinitionRetired(EventData):
    """This version scores no longer."""

    type = "leadloop.definition.retired.v1"
    topic = "definition.published"

    version: int
    retired_at: AwareDatetime

    def key(self) -> str:
        return str(self.version)
