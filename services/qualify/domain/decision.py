"""A decision as it is kept: what was decided, and every input it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.qualify.domain.lifecycle import Lead
from shared.conditions import FactValue
from shared.contracts.vocabulary import Stage
from shared.scorecard.definition import Definition
from shared.scorecard.scoring import Activity, Inputs, Points, Score, Verdict, evaluate


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one lead. Never changed; ``replayed`` makes it anew."""

    decision_id: str
    lead_id: str
    trigger: str
    """What made us decide: ``captured``, the kind of an activity, or ``rejected``."""
    definition_version: int
    cycle: int
    stage: Stage
    """The lead's stage afterwards."""
    moved: bool
    """Whether the stage is another one than before."""
    verdict: Verdict
    reason: str
    score: int
    threshold: int
    grade: str | None
    contributions: tuple[Points, ...]
    facts: Mapping[str, FactValue]
    attribution: Mapping[str, str | None]
    activities: Mapping[str, Activity]
    captured_at: datetime
    decided_at: datetime
    explored: bool = False
    """Whether it is an MQL below the threshold, as one of the exploration sample."""
    exploration_rate: float = 0.0
    """The share of leads below the threshold that the definition explores."""
    shadow_version: int | None = None
    shadow_score: int | None = None
    shadow_verdict: Verdict | None = None
    """What the challenger would have said."""


def decision_of(
    decision_id: str, lead: Lead, before: Stage, score: Score, trigger: str, now: datetime
) -> Decision:
    """The decision that a score came to; ``lead`` as it is afterwards."""
    return Decision(
        decision_id=decision_id,
        lead_id=lead.lead_id,
        trigger=trigger[:120],
        definition_version=score.definition_version,
        cycle=lead.cycle,
        stage=lead.stage,
        moved=lead.stage is not before,
        verdict=score.verdict,
        reason=score.reason[:120],
        score=score.score,
        threshold=score.threshold,
        grade=score.grade,
        contributions=score.contributions,
        facts=lead.facts,
        attribution=lead.attribution,
        activities=lead.activities,
        captured_at=lead.captured_at,
        decided_at=now,
    )


def replayed(definition: Definition, decision: Decision) -> Score:
    """The score from the stored inputs: the same as then, for ever."""
    inputs = Inputs(decision.facts, decision.attribution, decision.activities)
    return evaluate(definition, inputs, decision.decided_at)
