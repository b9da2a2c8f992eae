"""The rows that a transaction of feedback works on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.feedback.domain.event_filter import EventFilter
from services.feedback.domain.learning import Choices, Schedule
from services.feedback.domain.outcomes import Outcome, WaitingOutcome
from services.feedback.domain.people import Person
from services.feedback.domain.proposals import (
    TURNED_DOWN,
    UNRESOLVED,
    Change,
    Proposal,
    Status,
    Version,
)
from services.feedback.domain.samples import Label, Sample
from services.feedback.domain.stages import (
    MILESTONES,
    Attempt,
    Lead,
    Move,
    Mql,
    Phase,
    Place,
)
from services.feedback.domain.webhooks import Webhook
from services.feedback.store.tables import (
    attempts,
    definitions,
    idempotency,
    lead_stages,
    learning_settings,
    looks,
    mqls,
    outcomes,
    people,
    proposals,
    samples,
    stage_changes,
    waiting_outcomes,
    webhooks,
)
from shared.contracts.vocabulary import RejectReason, Stage
from shared.db.aggregates import Aggregate, Selection

_FIRSTS = tuple((stage, f"first_{stage.lower()}_at") for stage in MILESTONES)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to a request that may come again."""

    caller: str
    key: str
    fingerprint: str
    answer: Mapping[str, Any]
    created_at: datetime


def _event_filter(stored: Mapping[str, Any]) -> EventFilter:
    types, sources, campaigns, reasons = (
        tuple(stored[name]) for name in ("types", "sources", "campaigns", "reasons")
    )
    return EventFilter(types, sources, campaigns, reasons, stored["lead_id"])


def _lead_row(lead: Lead) -> dict[str, Any]:
    place, firsts = lead.place, lead.firsts
    row = {
        "lead_id": lead.lead_id,
        "stage": str(lead.stage),
        "since": lead.since,
        "place_cycle": place.cycle,
        "place_phase": int(place.phase),
        "place_attempt": place.attempt,
        "place_step": place.step,
        "captured_at": lead.captured_at,
        "source": lead.source,
        "campaign": lead.campaign,
        "form_id": lead.form_id,
        "definition_version": lead.definition_version,
        "score": lead.score,
        "criteria": lead.criteria,
        "rep_id": lead.rep_id,
    }
    for stage, name in _FIRSTS:
        row[name] = firsts.get(stage)
    return row


def _lead(row: Mapping[str, Any]) -> Lead:
    return Lead(
        lead_id=row["lead_id"],
        stage=Stage(row["stage"]),
        since=row["since"],
        place=Place(
            row["place_cycle"], Phase(row["place_phase"]), row["place_attempt"], row["place_step"]
        ),
        captured_at=row["captured_at"],
        source=row["source"],
        campaign=row["campaign"],
        form_id=row["form_id"],
        definition_version=row["definition_version"],
        score=row["score"],
        criteria=tuple(row["criteria"]),
        rep_id=row["rep_id"],
        firsts={stage: row[name] for stage, name in _FIRSTS if row[name] is not None},
    )


def _move_row(move: Move) -> dict[str, Any]:
    return {
        "lead_id": move.lead_id,
        "stage": str(move.stage),
        "cycle": move.cycle,
        "attempt": move.attempt,
        "at": move.at,
        "rep_id": move.rep_id,
    }


LEADS = Aggregate(lead_stages, Lead, loaded_by="lead_id", row=_lead_row, item=_lead)
STAGE_CHANGES = Aggregate(
    stage_changes, Move, key=("lead_id", "cycle", "attempt", "stage", "at"), row=_move_row
)
"""Only ever added to."""
MQLS = Aggregate(mqls, Mql, loaded_by="lead_id", decode={"criteria": tuple})
ATTEMPTS = Aggregate(
    attempts,
    Attempt,
    loaded_by="lead_id",
    fixed=("lead_id", "cycle", "attempt", "rep_id"),
    decode={"reason": RejectReason},
)
OUTCOMES = Aggregate(outcomes, Outcome, decode={"stage": Stage})
WAITING_OUTCOMES = Aggregate(
    waiting_outcomes, WaitingOutcome, loaded_by="lead_id", decode={"stage": Stage}
)
ANSWERED = Aggregate(idempotency, Answered)

DEFINITIONS = Aggregate(definitions, Version)
NOT_RETIRED = Selection[Version](
    "NOT retired",
    lambda one, _: not one.retired,
    order="published_at DESC, version DESC",
    sort=lambda one: (one.published_at, one.version),
    descending=True,
)
"""The first of them is the one in force."""

PROPOSALS = Aggregate(
    proposals,
    Proposal,
    decode={
        "status": Status,
        "changes": lambda stored: tuple(map(Change.of, stored)),
    },
)
STANDING = Selection[Proposal](
    f"status IN ({', '.join(repr(status.value) for status in UNRESOLVED)})",
    lambda one, _: one.status in UNRESOLVED,
)
"""Proposals that are not settled."""
REFUSED_FOR_NOW = Selection[Proposal](
    f"status IN ({', '.join(repr(status.value) for status in TURNED_DOWN)})",
    lambda one, _: one.status in TURNED_DOWN,
)
"""Proposals after which the same is not proposed for a while."""

SAMPLES = Aggregate(samples, Sample, on_conflict="replace")
"""Never loaded: a newer one takes the place of the one with its key."""
PEOPLE = Aggregate(people, Person, on_conflict="replace", decode={"words": tuple})
"""Never loaded, like samples."""
WEBHOOKS = Aggregate(webhooks, Webhook, decode={"wanted": _event_filter})
DUE_WEBHOOKS = Selection[Webhook](
    "active AND place < :newest AND next_at <= :now "
    "AND (lease_until IS NULL OR lease_until <= :now)",
    lambda one, given: one.active and one.place < given["newest"] and one.due_at() <= given["now"],
    order="next_at, webhook_id",
    sort=lambda one: (one.next_at, one.webhook_id),
)
"""Webhooks that there may be something for and nobody sends to, who waits longest first."""
CHOICES = Aggregate(
    learning_settings,
    Choices,
    decode={"label": Label, "never": tuple, "fixed": tuple, "trusted": tuple},
)
LOOKS = Aggregate(looks, Schedule)
