"""How decisions and definitions look to callers."""

from collections.abc import Mapping
from typing import Any

from services.qualify.domain.decision import Decision
from services.qualify.domain.replay import is_evaluation
from services.qualify.domain.rescoring import Rescore
from services.qualify.domain.smallest_changes import Chances, qualifying
from services.qualify.domain.versions import Version
from services.qualify.store.queries import LeadHistory
from shared.contracts.definition import DefinitionDocument
from shared.scorecard.definition import compile_definition
from shared.scorecard.scoring import Activity, missed


def version_view(version: Version) -> dict[str, Any]:
    """A version in the shape of the public interface."""
    return {
        **version.public(),
        "created_at": version.created_at,
        "created_by": version.created_by,
        "updated_at": version.updated_at,
        "updated_by": version.updated_by,
        "published_at": version.published_at,
        "published_by": version.published_by,
        "published_reason": version.published_reason,
        "published_before": version.published_before,
        "challenging_since": version.challenging_since,
        "retired_at": version.retired_at,
        "proposal_id": version.proposal_id,
    }


def document_view(version: Version) -> dict[str, Any]:
    """A version's document with its number, its keys in the order in which people read them."""
    whole = DefinitionDocument.model_validate(version.public()).model_dump(mode="json")
    return {"version": whole.pop("version"), "status": whole.pop("status"), **whole}


def rescore_view(run: Rescore) -> dict[str, Any]:
    """A run of re-scoring, and how far it is."""
    return {
        "rescore_id": run.rescore_id,
        "version": run.version,
        "status": run.status,
        "total": max(run.total, run.done),
        "done": run.done,
        "moved": run.moved,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "requested_by": run.requested_by,
    }


def score_view(found: LeadHistory, version: Version | None) -> dict[str, Any]:
    """The newest decision about a lead, explained, with those before it. ``version`` is the one
    that it was made by."""
    lead, newest = found.lead, found.decisions[0]
    return {
        "lead_id": lead.lead_id,
        "stage": lead.stage,
        "stage_since": lead.stage_since,
        "cycle": lead.cycle,
        **decision_view(newest),
        "facts": newest.facts,
        "attribution": newest.attribution,
        "activities": activities_view(newest.activities),
        "contributions": [
            {"criterion_id": one.criterion_id, "points": one.points, "because": one.because}
            for one in newest.contributions
        ],
        **_chances(newest, version),
        "captured_at": newest.captured_at,
        "history": [
            {
                **decision_view(one),
                "stage": one.stage,
                "cycle": one.cycle,
                "trigger": one.trigger,
            }
            for one in found.decisions
        ],
    }


def decision_view(decision: Decision) -> dict[str, Any]:
    """What was decided, without the inputs."""
    return {
        "definition_version": decision.definition_version,
        "score": decision.score,
        "threshold": decision.threshold,
        "grade": decision.grade,
        "decision": decision.verdict,
        "reason": decision.reason,
        "decided_at": decision.decided_at,
        "explored": decision.explored,
        "shadow": shadow_view(decision),
    }


def shadow_view(decision: Decision) -> dict[str, Any] | None:
    """What the challenger would have said; None when there was none."""
    if decision.shadow_version is None:
        return None
    return {
        "definition_version": decision.shadow_version,
        "score": decision.shadow_score,
        "decision": decision.shadow_verdict,
    }


def activities_view(activities: Mapping[str, Activity]) -> dict[str, Any]:
    """How often and when last, by kind."""
    return {kind: {"count": one.count, "last_at": one.last_at} for kind, one in activities.items()}


def _chances(decision: Decision, version: Version | None) -> dict[str, Any]:
    """What gave no points, and the smallest changes that would have qualified the lead."""
    if version is None:
        return {"missed": [], "would_qualify": [], "would_qualify_note": None}
    definition = compile_definition(version.version, version.document)
    at = decision.decided_at
    chances = Chances((), f"a rep turned it down: {decision.reason}")
    if is_evaluation(decision):
        chances = qualifying(definition, decision.inputs, at)
    return {
        "missed": [
            {"criterion_id": one.criterion_id, "because": one.because, "points": one.full}
            for one in missed(definition, decision.inputs, at)
        ],
        "would_qualify": [
            {
                "score": chance.score,
                "changes": [
                    {
                        "field": one.field,
                        "from": one.before,
                        "to": one.after,
                        "points": one.points,
                        "words": one.words,
                    }
                    for one in chance.changes
                ],
            }
            for chance in chances.sets
        ],
        "would_qualify_note": chances.note,
    }
