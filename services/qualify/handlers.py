"""What qualify does: one function per event and per command."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.qualify.domain.decision import Decision, decision_of
from services.qualify.domain.definition import compile_definition
from services.qualify.domain.lifecycle import (
    CAPTURE_KIND,
    Lead,
    after_outcome,
    after_rejection,
    after_score,
    came_first,
    declined,
    did,
    learn,
)
from services.qualify.domain.scoring import evaluate
from services.qualify.domain.versions import with_points
from services.qualify.ports import Version, Work
from shared.contracts.definition import DefinitionBody, DefinitionDocument
from shared.contracts.envelope import Event
from shared.contracts.events import (
    ActivityRecorded,
    DefinitionPublished,
    DefinitionRetired,
    LeadCaptured,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadRejected,
    LeadScored,
    OutcomeRecorded,
    ProposalApproved,
)
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import REASON_CLASS, ReasonClass, Stage
from shared.runtime.clock import Clock


async def on_lead_captured(event: Event[LeadCaptured], uow: Work, clock: Clock) -> None:
    """Score a new lead: it becomes an MQL, is nurtured, or is disqualified."""
    data = event.data
    if not uow.leads.first_time(data.lead_id, data.submission_id):
        return
    known = uow.leads.get(data.lead_id)
    origin = data.attribution.model_dump()
    lead = known or Lead(data.lead_id, data.captured_at)
    lead = came_first(lead, origin, data.captured_at)
    lead = learn(lead, data.facts, origin, event.time)
    lead = did(lead, CAPTURE_KIND, data.captured_at)
    await _decide(uow, lead, "captured", data.captured_at, clock.now())


async def on_activity_recorded(event: Event[ActivityRecorded], uow: Work, clock: Clock) -> None:
    """Score a lead again after it did something; also one whose capture we have not seen."""
    data = event.data
    if not uow.leads.first_time(data.lead_id, data.activity_id):
        return
    lead = uow.leads.get(data.lead_id) or Lead(data.lead_id, data.occurred_at)
    lead = learn(lead, data.facts, data.attribution.model_dump(), event.time)
    lead = did(lead, data.kind, data.occurred_at)
    await _decide(uow, lead, data.kind, data.occurred_at, clock.now())


async def on_lead_rejected(event: Event[LeadRejected], uow: Work, clock: Clock) -> None:
    """Take a lead back that a rep turned down, unless routing only has to find another rep."""
    data = event.data
    before = uow.leads.get(data.lead_id)
    last = await uow.decisions.latest(data.lead_id)
    if before is None or last is None:
        return
    now = clock.now()
    lead = after_rejection(before, data.reason, data.cycle, now)
    if lead.stage is before.stage:
        return
    if REASON_CLASS[data.reason] is ReasonClass.DEFINITIONAL:
        lead = declined(lead, last.definition_version, last.score)
    decision = replace(
        last,
        trigger="rejected",
        stage=lead.stage,
        moved=True,
        verdict="DISQUALIFIED" if lead.stage is Stage.DISQUALIFIED else "NURTURE",
        reason=data.reason.value,
        cycle=lead.cycle,
        decided_at=now,
    )
    _keep(uow, lead, decision)


async def on_outcome_recorded(event: Event[OutcomeRecorded], uow: Work, clock: Clock) -> None:
    """Follow what becomes of a lead after the hand-off; RECYCLED starts its cool-off."""
    data = event.data
    lead = uow.leads.get(data.lead_id)
    if lead is None or not uow.leads.first_time(data.lead_id, f"outcome:{data.outcome_id}"):
        return
    uow.leads.put(after_outcome(lead, Stage(data.stage), min(data.occurred_at, clock.now())))


async def on_proposal_approved(event: Event[ProposalApproved], uow: Work, clock: Clock) -> str:
    """Make an approved proposal the published version. Answers ``published``, ``repeated`` (it
    was already) or ``stale`` (another version is published by now). Raises ValueError when the
    changed document is not valid."""
    data = event.data
    await uow.definitions.lock()
    if await uow.definitions.of_proposal(data.proposal_id):
        return "repeated"
    base = await uow.definitions.published_version()
    if base is None or base.version != data.base_version:
        return "stale"
    points = {change.criterion_id: change.points_after for change in data.changes}
    document = with_points(base.document, points)
    document["note"] = data.note[:2000] or f"Learned from feedback on version {base.version}."
    body = DefinitionBody.model_validate(document).model_dump(mode="json")
    compile_definition(base.version + 1, body)
    made = await uow.definitions.add(body, clock.now(), proposal_id=data.proposal_id)
    await _publish(uow, made, clock.now(), data.proposal_id)
    return "published"


async def create_definition(
    uow: Work, body: DefinitionBody, now: datetime, request_key: str | None = None
) -> Version:
    """Store a definition as the next version, a draft.

    ``request_key`` makes it safe to ask again: the same key and document answer the same version.
    Raises InvalidDefinition, and Problem 422 for the same key with another document.
    """
    document = body.model_dump(mode="json")
    compile_definition(0, document)
    await uow.definitions.lock()
    if request_key is not None:
        made = await uow.definitions.of_request(request_key)
        if made is not None:
            if made.document != document:
                raise Problem(
                    422,
                    "Idempotency-Key used before",
                    "This key came with another definition: use a new key for this one.",
                )
            return made
    return await uow.definitions.add(document, now, request_key=request_key)


async def publish_definition(uow: Work, version: int, now: datetime) -> Version:
    """Let a version score from now on, also one that was retired. Once is enough: publishing what
    is published changes nothing. Raises Problem 404."""
    await uow.definitions.lock()
    found = await uow.definitions.get(version)
    if found is None:
        raise Problem(404, "No such definition", f"There is no version {version}.")
    if found.status == "published":
        return found
    return await _publish(uow, found, now, None)


async def _publish(uow: Work, made: Version, now: datetime, proposal_id: str | None) -> Version:
    before = await uow.definitions.published_version()
    await uow.definitions.set_published(made.version, now)
    after = replace(made, status="published", published_at=now)
    if before is not None:
        uow.emit(DefinitionRetired(version=before.version, retired_at=now))
    uow.emit(
        DefinitionPublished(
            definition=DefinitionDocument.model_validate(after.public()),
            published_at=now,
            proposal_id=proposal_id,
        )
    )
    return after


async def _decide(uow: Work, lead: Lead, trigger: str, signal_at: datetime, now: datetime) -> None:
    """Score the lead with the published definition, move it, keep and tell the decision."""
    definition = await uow.definitions.published()
    score = evaluate(definition, lead.inputs, now)
    after = after_score(lead, score, signal_at, now, definition.cool_off_days)
    _keep(uow, after, decision_of(after, lead.stage, score, trigger, now))


def _keep(uow: Work, lead: Lead, decision: Decision) -> None:
    uow.leads.put(lead)
    uow.decisions.add(decision)
    told: dict[str, Any] = {
        "lead_id": lead.lead_id,
        "definition_version": decision.definition_version,
        "cycle": decision.cycle,
        "score": decision.score,
        "grade": decision.grade,
        "threshold": decision.threshold,
        "facts": dict(decision.facts),
        "attribution": dict(decision.attribution),
        "contributions": [
            {"criterion_id": one.criterion_id, "points": one.points, "because": one.because}
            for one in decision.contributions
        ],
        "captured_at": decision.captured_at,
        "decided_at": decision.decided_at,
    }
    if not decision.moved:
        uow.emit(LeadScored(**told))
    elif decision.stage is Stage.MQL:
        uow.emit(LeadQualified(**told))
    elif decision.stage is Stage.NURTURE:
        uow.emit(LeadNurtured(**told, reason=decision.reason))
    else:
        uow.emit(LeadDisqualified(**told, reason=decision.reason))
