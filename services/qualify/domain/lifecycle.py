"""How a lead's stage moves, as far as qualify sees it. Pure: a lead in, a lead out.

Qualify owns INQUIRY, NURTURE, MQL and DISQUALIFIED before a hand-off. From MQL on the lead is with
routing and sales; of that time qualify hears rejections and outcomes, and keeps MQL in between.
Events of different topics may come in any order: what does not fit the stage changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from shared.conditions import FactValue
from shared.contracts.vocabulary import (
    FIELDS_READ,
    OUTCOME_STAGES,
    REASON_CLASS,
    TRANSITIONS,
    ReasonClass,
    RejectReason,
    Stage,
)
from shared.scorecard.scoring import Activity, Inputs, Score

CAPTURE_KIND: Final = "form_submitted"
"""The activity that the first submission counts as, so that a second one makes two."""

MAX_SIGNALS: Final = 64
"""Newest submissions, activities and outcomes that a lead remembers, so that none counts twice.
Repeats of the bus are dropped elsewhere; this is for the same thing said in two events."""

MAX_KINDS: Final = 100
"""Kinds of activities that are counted one by one; what comes in further kinds is ``other``."""
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead as qualify knows it."""

    lead_id: str
    captured_at: datetime
    stage: Stage = Stage.INQUIRY
    stage_since: datetime | None = None
    cycle: int = 0
    """How often it became an MQL."""
    facts: Mapping[str, FactValue] = field(default_factory=dict)
    attribution: Mapping[str, str | None] = field(default_factory=dict)
    activities: Mapping[str, Activity] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    """The newest submissions, activities and outcomes that were counted, oldest first."""
    declined_version: int | None = None
    declined_score: int | None = None
    """The score a rep turned down for a definitional reason: the same case is not made twice."""

    @property
    def inputs(self) -> Inputs:
        """What its score depends on."""
        return Inputs(self.facts, self.attribution, self.activities)


def heard(
    lead: Lead,
    signal_id: str,
    kind: str,
    moment: datetime,
    facts: Mapping[str, FactValue],
    attribution: Mapping[str, str | None],
    *,
    first: bool = False,
) -> Lead | None:
    """With one more activity and what it says of the lead; None when it was counted before.

    The first touch explains where a lead came from, later ones only add what that lacked.
    ``first`` says that this is the first touch, its capture, though it may be heard of late. One
    lead's events come in order, so the facts are those that were read last. What only reads the
    facts anew (``FIELDS_READ``) is no activity.
    """
    if signal_id in lead.signals:
        return None
    known = {name: value for name, value in attribution.items() if value is not None}
    return replace(
        lead,
        captured_at=moment if first else lead.captured_at,
        facts=facts,
        attribution={**lead.attribution, **known} if first else {**known, **lead.attribution},
        activities=lead.activities
        if kind == FIELDS_READ
        else _one_more(lead.activities, kind, moment),
        signals=_newest(lead.signals, signal_id),
    )


def counted(lead: Lead, signal_id: str) -> Lead | None:
    """With one more signal; None when it was counted before."""
    if signal_id in lead.signals:
        return None
    return replace(lead, signals=_newest(lead.signals, signal_id))


def after_score(
    lead: Lead, score: Score, signal_at: datetime, now: datetime, cool_off_days: float
) -> Lead:
    """Where a fresh score moves the lead; the same stage when it moves nowhere.

    A recycled lead becomes an MQL again only through a signal, or another definition, after its
    cool-off (``signal_at``). A lead that a rep turned down needs a better score than that one, or
    another definition.
    """
    target = Stage(score.verdict)
    if target not in TRANSITIONS[lead.stage]:
        return lead
    if lead.stage not in (Stage.INQUIRY, Stage.NURTURE, Stage.RECYCLED):
        return lead  # a rep's or an outcome's move, not a score's
    if lead.stage is Stage.RECYCLED and lead.stage_since is not None:
        rested_at = lead.stage_since + timedelta(days=cool_off_days)
        if min(signal_at, now) < rested_at:
            return lead
    if target is Stage.MQL and _same_case(lead, score):
        return lead
    cycle = lead.cycle + 1 if target is Stage.MQL else lead.cycle
    return replace(lead, stage=target, stage_since=now, cycle=cycle)


def after_rejection(lead: Lead, reason: RejectReason, cycle: int, now: datetime) -> Lead:
    """What a rep's rejection makes of the lead.

    Procedural: nothing, routing finds another rep. Clerical: disqualified, except INCOMPLETE, which
    the next form may mend. Definitional: nurtured. One of an earlier cycle changes nothing.
    """
    kind = REASON_CLASS[reason]
    if lead.stage is not Stage.MQL or cycle != lead.cycle or kind is ReasonClass.PROCEDURAL:
        return lead
    nurture = kind is ReasonClass.DEFINITIONAL or reason is RejectReason.INCOMPLETE
    return replace(lead, stage=Stage.NURTURE if nurture else Stage.DISQUALIFIED, stage_since=now)


def declined(lead: Lead, version: int, score: int) -> Lead:
    """Remember the case that a rep turned down."""
    return replace(lead, declined_version=version, declined_score=score)


def after_outcome(lead: Lead, stage: Stage, moment: datetime) -> Lead:
    """What became of a lead that was handed over. An outcome that can't follow is left out."""
    if lead.cycle == 0 or stage not in _FOLLOWING[lead.stage]:
        return lead
    return replace(lead, stage=stage, stage_since=moment)


def _one_more(
    activities: Mapping[str, Activity], kind: str, moment: datetime
) -> dict[str, Activity]:
    if kind not in activities and len(activities) >= MAX_KINDS:
        kind = OTHER
    before = activities.get(kind)
    return {**activities, kind: before.and_at(moment) if before else Activity.first(moment)}


def _newest(signals: tuple[str, ...], signal_id: str) -> tuple[str, ...]:
    return (*signals, signal_id)[-MAX_SIGNALS:]


def _same_case(lead: Lead, score: Score) -> bool:
    return (
        lead.declined_version == score.definition_version
        and lead.declined_score is not None
        and score.score <= lead.declined_score
    )


def _following(stage: Stage) -> frozenset[Stage]:
    """The outcomes that may come after a stage before the lead is an MQL again, gaps allowed."""
    if stage in (Stage.INQUIRY, Stage.NURTURE, Stage.DISQUALIFIED):
        return frozenset()
    found: set[Stage] = set()
    todo: list[Stage] = [stage]
    while todo:
        for after in TRANSITIONS[todo.pop()] - found - {Stage.MQL, Stage.NURTURE}:
            found.add(after)
            todo.append(after)
    return frozenset(found & OUTCOME_STAGES)


_FOLLOWING: Final = {stage: _following(stage) for stage in Stage}
