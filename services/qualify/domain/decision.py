"""A decision as it is kept: what was decided, and every input it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.qualify.domain.exploration import explored
from services.qualify.domain.lifecycle import Lead
from shared.conditions import FactValue
from shared.contracts.vocabulary import Stage
from shared.scorecard.definition import Definition
from shared.scorecard.scoring import Activity, Inputs, Points, Score, Verdict, evaluate

REJECTED: Final = "rejected"
"""The trigger of what a rep decided: no evaluation, so nothing to replay."""
RESCORED: Final = "rescored"
"""The trigger of a decision that a new version made anew of a lead that did nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one lead. Never changed; ``replayed`` makes it anew."""

    decision_id: str
    lead_id: str
    trigger: str
    """What made us decide: ``captured``, the kind of an activity, ``rejected`` or ``rescored``."""
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

    @property
    def inputs(self) -> Inputs:
        """All that its score depended on, beside the definition and the moment."""
        return Inputs(self.facts, self.attribution, self.activities)


def judge(definition: Definition, lead: Lead, at: datetime, *, explores: bool) -> Score:
    """What a definition says of a lead now. ``explores`` says that a lead may be explored that has
    never been an MQL."""
    score = evaluate(definition, lead.inputs, at)
    if not explores or lead.cycle > 0 or lead.stage not in (Stage.INQUIRY, Stage.NURTURE):
        return score
    return explored(score, lead.lead_id, definition.exploration_rate)


def decision_of(
    decision_id: str,
    lead: Lead,
    before: Stage,
    score: Score,
    trigger: str,
    now: datetime,
    *,
    exploration_rate: float = 0.0,
    shadow: Score | None = None,
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
        explored=score.verdict == "MQL" and score.score < score.threshold,
        exploration_rate=exploration_rate,
        shadow_version=None if shadow is None else shadow.definition_version,
        shadow_score=None if shadow is None else shadow.score,
        shadow_verdict=None if shadow is None else shadow.verdict,
    )


def replayed(definition: Definition, decision: Decision) -> Score:
    """The score from the stored inputs: the same as then, for ever."""
    score = evaluate(definition, decision.inputs, decision.decided_at)
    became = decision.moved and decision.stage is Stage.MQL
    cycle = decision.cycle - 1 if became else decision.cycle
    waited = decision.moved or decision.stage in (Stage.INQUIRY, Stage.NURTURE)
    only_scored = decision.trigger == RESCORED and not decision.explored
    if cycle > 0 or not waited or only_scored:
        return score
    return explored(score, decision.lead_id, decision.exploration_rate)
