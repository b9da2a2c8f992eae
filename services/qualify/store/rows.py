"""Between rows and the domain's dataclasses."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.qualify.domain.decision import Decision
from services.qualify.domain.lifecycle import Lead
from services.qualify.domain.scoring import Activity, Points
from services.qualify.ports import Version
from shared.contracts.vocabulary import Stage


def lead_row(lead: Lead) -> dict[str, Any]:
    """A lead as a row of ``leads``."""
    return {
        "lead_id": lead.lead_id,
        "stage": lead.stage.value,
        "stage_since": lead.stage_since,
        "cycle": lead.cycle,
        "captured_at": lead.captured_at,
        "facts": dict(lead.facts),
        "facts_at": lead.facts_at,
        "attribution": dict(lead.attribution),
        "activities": _activities_out(lead.activities),
        "declined_version": lead.declined_version,
        "declined_score": lead.declined_score,
    }


def lead_of(row: Row[Any]) -> Lead:
    """A row of ``leads`` as a lead."""
    return Lead(
        lead_id=row.lead_id,
        captured_at=row.captured_at,
        stage=Stage(row.stage),
        stage_since=row.stage_since,
        cycle=row.cycle,
        facts=row.facts,
        facts_at=row.facts_at,
        attribution=row.attribution,
        activities=_activities_in(row.activities),
        declined_version=row.declined_version,
        declined_score=row.declined_score,
    )


def decision_row(decision_id: str, decision: Decision) -> dict[str, Any]:
    """A decision as a row of ``decisions``."""
    return {
        "decision_id": decision_id,
        "lead_id": decision.lead_id,
        "trigger": decision.trigger[:120],
        "definition_version": decision.definition_version,
        "cycle": decision.cycle,
        "stage": decision.stage.value,
        "moved": decision.moved,
        "verdict": decision.verdict,
        "reason": decision.reason[:120],
        "score": decision.score,
        "threshold": decision.threshold,
        "grade": decision.grade,
        "contributions": [
            {
                "criterion_id": one.criterion_id,
                "points": one.points,
                "because": one.because,
                "full": one.full,
            }
            for one in decision.contributions
        ],
        "facts": dict(decision.facts),
        "attribution": dict(decision.attribution),
        "activities": _activities_out(decision.activities),
        "captured_at": decision.captured_at,
        "decided_at": decision.decided_at,
    }


def decision_of_row(row: Row[Any]) -> Decision:
    """A row of ``decisions`` as a decision."""
    return Decision(
        lead_id=row.lead_id,
        trigger=row.trigger,
        definition_version=row.definition_version,
        cycle=row.cycle,
        stage=Stage(row.stage),
        moved=row.moved,
        verdict=row.verdict,
        reason=row.reason,
        score=row.score,
        threshold=row.threshold,
        grade=row.grade,
        contributions=tuple(Points(**one) for one in row.contributions),
        facts=row.facts,
        attribution=row.attribution,
        activities=_activities_in(row.activities),
        captured_at=row.captured_at,
        decided_at=row.decided_at,
    )


def version_of(row: Row[Any]) -> Version:
    """A row of ``definitions`` as a version."""
    return Version(
        version=row.version,
        status=row.status,
        document=row.document,
        created_at=row.created_at,
        published_at=row.published_at,
        retired_at=row.retired_at,
        proposal_id=row.proposal_id,
    )


def _activities_out(activities: Mapping[str, Activity]) -> dict[str, Any]:
    return {
        kind: {"count": activity.count, "last_at": activity.last_at.isoformat()}
        for kind, activity in activities.items()
    }


def _activities_in(stored: Mapping[str, Any]) -> dict[str, Activity]:
    return {
        kind: Activity(one["count"], datetime.fromisoformat(one["last_at"]))
        for kind, one in stored.items()
    }
