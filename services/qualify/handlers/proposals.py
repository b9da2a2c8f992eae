"""What feedback learned and marketing approved becomes a version, or is refused with the reason."""

from prometheus_client import Counter

from services.qualify.handlers.definitions import VERSIONS, add_draft, let_challenge, publish
from services.qualify.store.unit import Qualify
from shared.contracts.definition import DefinitionBody
from shared.contracts.envelope import Event
from shared.contracts.events import ProposalApproved, ProposalRefused
from shared.scorecard.authoring import definition_of
from shared.scorecard.definition import InvalidDefinition

PROPOSALS = Counter(
    "leadloop_qualify_proposals_total", "Approved proposals, by what became of them", ["result"]
)
LONGEST = 500
"""Characters of a refusal's reason."""


def on_proposal_approved(event: Event[ProposalApproved], unit: Qualify) -> None:
    """Make the version of an approved proposal, once: published, or the challenger. What can't be
    made is refused, so that nobody waits for it; never does it become a dead letter."""
    data = event.data
    unit.lock([VERSIONS])
    if unit.definitions.find(proposal_id=data.proposal_id):
        PROPOSALS.labels("repeated").inc()
        return
    body = _approved(unit, data)
    if isinstance(body, str):
        PROPOSALS.labels("refused").inc()
        unit.emit(
            ProposalRefused(
                proposal_id=data.proposal_id, reason=body[:LONGEST], refused_at=unit.now
            )
        )
        return
    document = body.model_dump(mode="json")
    document["note"] = data.note[:2000] or body.note or f"Learned from version {data.base_version}."
    made = add_draft(unit, document, proposal_id=data.proposal_id, by=data.approved_by[:64])
    if data.publish_as == "challenger":
        let_challenge(unit, made)
    else:
        publish(unit, made, by=data.approved_by[:64], reason=data.note)
    PROPOSALS.labels(data.publish_as).inc()


def _approved(unit: Qualify, data: ProposalApproved) -> DefinitionBody | str:
    """The definition to be made; else why it can't, and what to do."""
    base = unit.published()
    if base is None or base.version != data.base_version:
        now = "none is published now" if base is None else f"version {base.version} is published"
        return (
            f"It was made for version {data.base_version}, but {now}: dismiss it, and wait for a "
            "proposal that fits."
        )
    try:
        return definition_of(data.definition.model_dump(mode="json"))
    except InvalidDefinition as error:
        first = error.errors[0]
        more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
        return (
            f"The definition is not valid: {first.pointer or 'the document'}: {first.detail}{more}"
        )
