"""Score leads, and follow what becomes of them: one function per event."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.qualify.domain.decision import REJECTED, Decision, decision_of, judge
from services.qualify.domain.lifecycle import (
    CAPTURE_KIND,
    Lead,
    after_outcome,
    after_rejection,
    after_score,
    counted,
    declined,
    heard,
)
from services.qualify.handlers.answers import keep_outcome, keep_rejection
from services.qualify.store.unit import Qualify
from shared.contracts.envelope import Event
from shared.contracts.events import (
    ActivityRecorded,
    LeadCaptured,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadRejected,
    LeadScored,
    OutcomeRecorded,
)
from shared.contracts.ids import new_id
from shared.contracts.vocabulary import REASON_CLASS, ReasonClass, Stage
from shared.scorecard.scoring import evaluate


def on_lead_captured(event: Event[LeadCaptured], unit: Qualify) -> None:
    """Score a new lead: it becomes an MQL, is nurtured, or is disqualified."""
    data = event.data
    at, origin = data.captured_at, data.attribution.model_dump()
    before = unit.leads.get(data.lead_id) or Lead(data.lead_id, at)
    lead = heard(before, data.submission_id, CAPTURE_KIND, at, data.facts, origin, first=True)
    if lead is not None:
        decide(unit, lead, "captured", at, explores=True)


def on_activity_recorded(event: Event[ActivityRecorded], unit: Qualify) -> None:
    """Score a lead again after it did something; also one whose capture we have not seen."""
    data = event.data
    at, origin = data.occurred_at, data.attribution.model_dump()
    before = unit.leads.get(data.lead_id) or Lead(data.lead_id, at)
    lead = heard(before, data.activity_id, data.kind, at, data.facts, origin)
    if lead is not None:
        decide(unit, lead, data.kind, at, explores=True)


def on_lead_rejected(event: Event[LeadRejected], unit: Qualify) -> None:
    """Take a lead back that a rep turned down, unless routing only has to find another rep."""
    data = event.data
    keep_rejection(data, unit)
    before = unit.leads.get(data.lead_id)
    last = unit.latest_decision(data.lead_id)
    if before is None or last is None:
        return
    now = unit.now
    lead = after_rejection(before, data.reason, data.cycle, now)
    if lead.stage is before.stage:
        return
    if REASON_CLASS[data.reason] is ReasonClass.DEFINITIONAL:
        lead = declined(lead, last.definition_version, last.score)
    decision = replace(
        last,
        decision_id=new_id(),
        trigger=REJECTED,
        stage=lead.stage,
        moved=True,
        verdict="DISQUALIFIED" if lead.stage is Stage.DISQUALIFIED else "NURTURE",
        reason=data.reason.value,
        cycle=lead.cycle,
        decided_at=now,
        explored=False,
        shadow_version=None,
        shadow_score=None,
        shadow_verdict=None,
    )
    _keep(unit, lead, decision)


def on_outcome_recorded(event: Event[OutcomeRecorded], unit: Qualify) -> None:
    """Follow what becomes of a lead after the hand-off; RECYCLED starts its cool-off."""
    data = event.data
    keep_outcome(data, unit)
    lead = unit.leads.get(data.lead_id)
    lead = counted(lead, f"outcome:{data.outcome_id}") if lead is not None else None
    if lead is None:
        return
    unit.leads.put(after_outcome(lead, Stage(data.stage), min(data.occurred_at, unit.now)))


def decide(
    unit: Qualify,
    lead: Lead,
    trigger: str,
    signal_at: datetime,
    *,
    explores: bool = False,
    moves: bool = True,
) -> Decision:
    """Score the lead with the published definition, keep and tell the decision, and move the lead
    if it may be moved. The challenger scores it too, and moves nothing."""
    now = unit.now
    definition, challenger = unit.scoring(), unit.shadowing()
    score = judge(definition, lead, now, explores=explores)
    rest = definition.cool_off_days
    after = after_score(lead, score, signal_at, now, rest) if moves else lead
    decision = decision_of(
        new_id(),
        after,
        lead.stage,
        score,
        trigger,
        now,
        exploration_rate=definition.exploration_rate,
        shadow=evaluate(challenger, lead.inputs, now) if challenger is not None else None,
    )
    _keep(unit, after, decision)
    return decision


def _keep(unit: Qualify, lead: Lead, decision: Decision) -> None:
    unit.leads.put(lead)
    unit.decisions.put(decision)
    told = _told(decision)
    if not decision.moved:
        unit.emit(LeadScored(**told))
    elif decision.stage is Stage.MQL:
        unit.emit(LeadQualified(**told))
    elif decision.stage is Stage.NURTURE:
        unit.emit(LeadNurtured(**told, reason=decision.reason))
    else:
        unit.emit(LeadDisqualified(**told, reason=decision.reason))


def _told(decision: Decision) -> dict[str, Any]:
    """A decision as its event tells it, with all that it was made from."""
    shadow = None
    if decision.shadow_version is not None:
        shadow = {
            "definition_version": decision.shadow_version,
            "score": decision.shadow_score,
            "decision": decision.shadow_verdict,
        }
    return {
        "lead_id": decision.lead_id,
        "definition_version": decision.definition_version,
        "cycle": decision.cycle,
        "score": decision.score,
        "grade": decision.grade,
        "threshold": decision.threshold,
        "facts": dict(decision.facts),
        "attribution": dict(decision.attribution),
        "activities": {
            kind: {"count": one.count, "last_at": one.last_at, "recent": list(one.recent)}
            for kind, one in decision.activities.items()
        },
        "contributions": [
            {"criterion_id": one.criterion_id, "points": one.points, "because": one.because}
            for one in decision.contributions
        ],
        "captured_at": decision.captured_at,
        "decided_at": decision.decided_at,
        "explored": decision.explored,
        "exploration_rate": decision.exploration_rate,
        "shadow": shadow,
    }
