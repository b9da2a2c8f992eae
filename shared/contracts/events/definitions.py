"""``definition.proposed`` and ``definition.published``."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.definition import DefinitionBody, DefinitionDocument
from shared.contracts.events.base import EventData


class Change(BaseModel):
    """One thing that a proposal changes, in words; None: not there."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    what: str
    before: str | None
    after: str | None
    why: str = ""


class _AboutProposal(EventData):
    proposal_id: str

    def key(self) -> str:
        return self.proposal_id


class DefinitionProposed(_AboutProposal):
    """Feedback suggests a better definition, with its evidence."""

    type = "leadloop.definition.proposed.v2"
    topic = "definition.proposed"

    base_version: int
    definition: DefinitionBody
    changes: list[Change]
    evidence: dict[str, Any]
    proposed_at: AwareDatetime


class ProposalApproved(_AboutProposal):
    """Somebody in marketing said yes: qualify makes the version and lets it score, or shadow-score
    as the challenger."""

    type = "leadloop.definition.approved.v2"
    topic = "definition.proposed"

    base_version: int
    definition: DefinitionBody
    publish_as: Literal["published", "challenger"]
    note: str = ""
    approved_by: str
    approved_at: AwareDatetime


class ProposalRefused(_AboutProposal):
    """Qualify could not make the version of an approved proposal; ``reason`` says what to do."""

    type = "leadloop.definition.refused.v1"
    topic = "definition.published"

    reason: str
    refused_at: AwareDatetime


class _NewVersion(EventData):
    topic = "definition.published"

    definition: DefinitionDocument
    proposal_id: str | None = None

    def key(self) -> str:
        return str(self.definition.version)


class DefinitionPublished(_NewVersion):
    """This version scores from now on."""

    type = "leadloop.definition.published.v1"

    published_at: AwareDatetime


class DefinitionChallenging(_NewVersion):
    """This version shadow-scores every lead from now on, beside the published one."""

    type = "leadloop.definition.challenging.v1"

    challenging_since: AwareDatetime


class DefinitionRetired(EventData):
    """This version scores no longer, nor challenges."""

    type = "leadloop.definition.retired.v1"
    topic = "definition.published"

    version: int
    retired_at: AwareDatetime

    def key(self) -> str:
        return str(self.version)
