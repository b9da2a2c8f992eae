"""The rows that a transaction of qualify works on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.qualify.domain.answers import Answer
from services.qualify.domain.decision import Decision
from services.qualify.domain.lifecycle import Lead
from services.qualify.domain.rescoring import Rescore
from services.qualify.domain.versions import Version
from services.qualify.store.tables import answers, decisions, definitions, leads, rescores
from shared.contracts.vocabulary import ReasonClass, RejectReason, Stage
from shared.db.aggregates import Aggregate, Selection
from shared.scorecard.scoring import Activity, Points


def _activities(stored: Mapping[str, Any]) -> dict[str, Activity]:
    return {
        kind: Activity(
            one["count"],
            datetime.fromisoformat(one["last_at"]),
            tuple(map(datetime.fromisoformat, one.get("recent", ()))),
        )
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
    fixed=("created_at", "proposal_id", "request_key", "created_by"),
    decode={
        "published_before": lambda stored: tuple(
            {**one, "at": datetime.fromisoformat(one["at"])} for one in stored
        )
    },
)
ANSWERS = Aggregate(
    answers,
    Answer,
    loaded_by="lead_id",
    decode={"reason": RejectReason, "reason_class": ReasonClass},
)
RESCORES = Aggregate(
    rescores,
    Rescore,
    in_order=True,  # one ends before another begins
    fence=("status", "cursor"),
)
