"""Write, publish and learn definitions: one function per command."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prometheus_client import Counter

from services.qualify.domain.definition import compile_definition
from services.qualify.domain.versions import Version, with_points
from services.qualify.store.unit import Qualify
from shared.contracts.definition import DefinitionBody, DefinitionDocument
from shared.contracts.envelope import Event
from shared.contracts.events import DefinitionPublished, DefinitionRetired, ProposalApproved
from shared.contracts.problems import Problem

PROPOSALS = Counter(
    "leadloop_qualify_proposals_total", "Approved proposals, by what became of them", ["result"]
)
_VERSIONS = "definitions"
"""The lock of whoever numbers or publishes versions."""


def on_proposal_approved(event: Event[ProposalApproved], unit: Qualify) -> None:
    """Make an approved proposal the published version: once, and only while the version it was made
    for is published. Raises ValueError when the changed document is not valid."""
    data = event.data
    unit.lock([_VERSIONS])
    base = unit.published()
    if unit.definitions.find(proposal_id=data.proposal_id):
        PROPOSALS.labels("repeated").inc()
        return
    if base is None or base.version != data.base_version:
        PROPOSALS.labels("stale").inc()
        unit.warn(
            "proposal %s was made for version %d, which is not published any more: ignored",
            data.proposal_id,
            data.base_version,
        )
        return
    points = {change.criterion_id: change.points_after for change in data.changes}
    document = with_points(base.document, points)
    document["note"] = data.note[:2000] or f"Learned from feedback on version {base.version}."
    body = DefinitionBody.model_validate(document).model_dump(mode="json")
    compile_definition(base.version + 1, body)
    _publish(unit, _draft(unit, body, proposal_id=data.proposal_id))
    PROPOSALS.labels("published").inc()


def create_definition(
    unit: Qualify, body: DefinitionBody, request_key: str | None = None
) -> Version:
    """Store a definition as the next version, a draft.

    ``request_key`` makes it safe to ask again: the same key and document answer the same version.
    Raises InvalidDefinition, and Problem 422 for the same key with another document.
    """
    document = body.model_dump(mode="json")
    compile_definition(0, document)
    unit.lock([_VERSIONS])
    made = unit.definitions.find(request_key=request_key) if request_key is not None else []
    if not made:
        return _draft(unit, document, request_key=request_key)
    if made[0].document != document:
        raise Problem(
            422,
            "Idempotency-Key used before",
            "This key came with another definition: use a new key for this one.",
        )
    return made[0]


def publish_definition(unit: Qualify, version: int, instead_of: int | None = None) -> Version:
    """Let a version score from now on, also one that was retired. Once is enough: publishing what
    is published changes nothing. Raises Problem 404, and 409 when ``instead_of`` is given and
    another version is published."""
    unit.lock([_VERSIONS])
    found = unit.definitions.fetch(version)
    if found is None:
        raise Problem(404, "No such definition", f"There is no version {version}.")
    if found.status == "published":
        return found
    current = unit.published()
    if instead_of is not None and current is not None and current.version != instead_of:
        raise Problem(
            409,
            "Another version was published",
            f"Version {current.version} is published by now, not {instead_of}.",
            version=current.version,
        )
    return _publish(unit, found)


def _draft(
    unit: Qualify,
    document: Mapping[str, Any],
    *,
    proposal_id: str | None = None,
    request_key: str | None = None,
) -> Version:
    """The document under the next number; needs the lock."""
    last = max((one.version for one in unit.definitions.all()), default=0)
    made = Version(
        last + 1,
        "draft",
        document,
        unit.now,
        proposal_id=proposal_id,
        request_key=request_key,
    )
    unit.definitions.put(made)
    return made


def _publish(unit: Qualify, made: Version) -> Version:
    before = unit.published()
    if before is not None:
        unit.definitions.put(replace(before, status="retired", retired_at=unit.now))
        unit.emit(DefinitionRetired(version=before.version, retired_at=unit.now))
    after = replace(made, status="published", published_at=unit.now, retired_at=None)
    unit.definitions.put(after)
    unit.emit(
        DefinitionPublished(
            definition=DefinitionDocument.model_validate(after.public()),
            published_at=unit.now,
            proposal_id=made.proposal_id if made.status == "draft" else None,
        )
    )
    return after
