"""How decisions and definitions look to callers."""

from collections.abc import Mapping
from typing import Any

from services.qualify.domain.decision import Decision
from shared.scorecard.scoring import Activity
from services.qualify.store.queries import LeadHistory


def score_view(found: LeadHistory) -> dict[str, Any]:
    """The newest decision about a lead, explained, with those before it."""
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
    }


def activities_view(activities: Mapping[str, Activity]) -> dict[str, Any]:
    """How often and when last, by kind."""
    return {kind: {"count": one.count, "last_at": one.last_at} for kind, one in activities.items()}
