"""The rows that a transaction of qualify works on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.qualify.domain.decision import Decision
from services.qualify.domain.lifecycle import Lead
from services.qualify.domain.scoring import Activity, Points
from services.qualify.domain.versions import Version
from services.qualify.store.tables import decisions, definitions, leads
from shared.contracts.vocabulary import Stage
from shared.db.aggregates import Aggregate, Selection


def _activities(stored: Mapping[str, Any]) -> dict[str, Activity]:
    return {
        kind: Activity(one["count"], datetime.fromisoformat(one["last_at"]))
        for kind, one in stored.items()
    }


LEADS = Aggregate(
    leads,
    Lead,
    loaded_by="lead_id",
    decode={"stage": Stage, "activities": _activities, "signals": tuple},
)
DECISIONS = Aggregate(
    decisions,
    Decision,
    decode={
        "stage": Stage,
        "activities": _activities,
        "contributions": lambda stored: tuple(Points(**one) for one in stored),
    },
)
LATEST = Selection[Decision](
    "lead_id = :lead_id",
    lambda one, given: one.lead_id == given["lead_id"],
    order="decision_id DESC",
    sort=lambda one: one.decision_id,
    descending=True,
)
"""A lead's decisions, the newest first."""

DEFINITIONS = Aggregate(
    definitions,
    Version,
    in_order=True,  # one is retired before another is published
    fixed=("document", "created_at", "proposal_id", "request_key"),
)
