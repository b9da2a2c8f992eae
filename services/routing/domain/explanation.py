"""What is kept of a decision: who got a lead, and why not the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.routing.domain.choice import Candidate, Decision
from services.routing.domain.lead import Lead


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision about a lead, with what it rested on."""

    decision_id: str
    lead_id: str
    cycle: int
    attempt: int
    policy_version: int
    rule_id: str | None
    rep_id: str | None
    unrouted_reason: str | None
    reason: str
    candidates: tuple[Candidate, ...]
    left_out: int
    decided_at: datetime
    pool_id: str | None = None
    """The record of the reps as they stood; None of a decision from before they were kept."""
    inputs: Mapping[str, Any] | None = None
    """What else it rested on, with its ``step`` in that record."""


def explain(
    decision_id: str,
    lead: Lead,
    decision: Decision,
    policy_version: int,
    now: datetime,
    pool_id: str,
    inputs: Mapping[str, Any],
) -> Explanation:
    """A decision as it is kept."""
    return Explanation(
        decision_id=decision_id,
        lead_id=lead.lead_id,
        cycle=lead.cycle,
        attempt=lead.attempt,
        policy_version=policy_version,
        rule_id=decision.rule_id,
        rep_id=decision.rep_id,
        unrouted_reason=decision.unrouted,
        reason=decision.reason,
        candidates=decision.candidates,
        left_out=decision.left_out,
        decided_at=now,
        pool_id=pool_id,
        inputs=inputs,
    )
