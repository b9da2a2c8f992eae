"""What the API and the pages read."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from services.feedback.domain.learning import Choices, Schedule
from services.feedback.domain.proposals import Proposal, Status, Version
from services.feedback.domain.stages import Lead
from services.feedback.store.aggregates import (
    CHOICES,
    DEFINITIONS,
    LEADS,
    LOOKS,
    PROPOSALS,
    WAITING_OUTCOMES,
)
from services.feedback.store.tables import (
    definitions,
    lead_stages,
    log_head,
    outcomes,
    proposals,
    stage_changes,
    waiting_outcomes,
)
from shared.contracts.vocabulary import Stage

STUCK_SHOWN: Final = 100


def stages(
    conn: Connection, now: datetime, stuck_after: Mapping[Stage, timedelta]
) -> dict[str, Any]:
    """How many leads are in each stage, each in exactly one, and which are stuck there:
    ``stuck_after`` says how long a lead may stay in which stage."""
    stage, since = lead_stages.c.stage, lead_stages.c.since
    by_stage = select(
        stage, func.count().label("leads"), func.count(lead_stages.c.captured_at)
    ).group_by(stage)
    late = _stuck(stuck_after, now)
    late_by_stage = (
        select(stage, func.count().label("leads"), func.min(since).label("since"))
        .where(late)
        .group_by(stage)
        .order_by(func.min(since), stage)
    )
    oldest = (
        select(lead_stages.c.lead_id, stage, since)
        .where(late)
        .order_by(since, lead_stages.c.lead_id)
        .limit(STUCK_SHOWN)
    )
    counts = conn.execute(by_stage).all()
    groups = conn.execute(late_by_stage).all()
    found = {row.stage: row.leads for row in counts}
    return {
        "captured": sum(row[2] for row in counts),
        "stages": {stage.value: found.get(stage.value, 0) for stage in Stage},
        "stuck_count": sum(row.leads for row in groups),
        "stuck_by_stage": [dict(row._mapping) for row in groups],
        "stuck": [dict(row._mapping) for row in conn.execute(oldest)],
    }


def lead_history(conn: Connection, lead_id: str) -> dict[str, Any] | None:
    """One lead: where it is, how it came there, and what waits for its acceptance; None when
    nothing is known of it. ``stage`` is None when only outcomes are that came before it."""
    wanted = LEADS.query().where(lead_stages.c.lead_id == lead_id)
    known = next(iter(LEADS.items(conn.execute(wanted))), None)
    waiting = WAITING_OUTCOMES.items(
        conn.execute(
            WAITING_OUTCOMES.query()
            .where(waiting_outcomes.c.lead_id == lead_id)
            .order_by(waiting_outcomes.c.step)
        )
    )
    if known is None and not waiting:
        return None
    steps = conn.execute(
        select(stage_changes)
        .where(stage_changes.c.lead_id == lead_id)
        .order_by(stage_changes.c.at, stage_changes.c.id)
    )
    c = outcomes.c
    told = (
        select(c.stage, c.reason, c.amount, c.occurred_at, c.recorded_at)
        .where(c.lead_id == lead_id)
        .order_by(c.cycle, c.step)
    )
    lead = known or Lead(lead_id)
    return {
        "lead_id": lead_id,
        "stage": known and lead.stage.value,
        "since": lead.since,
        "cycle": lead.place.cycle,
        "definition_version": lead.definition_version,
        "score": lead.score,
        "criteria": list(lead.criteria),
        "source": lead.source,
        "campaign": lead.campaign,
        "rep_id": lead.rep_id,
        "history": [
            {
                "stage": step.stage,
                "at": step.at,
                "cycle": step.cycle,
                "attempt": step.attempt or None,
                "rep_id": step.rep_id,
            }
            for step in steps
        ],
        "outcomes": [dict(row._mapping) for row in conn.execute(told)],
        "waiting_outcomes": [one.document() for one in waiting],
    }


def list_proposals(
    conn: Connection, before: str | None = None, limit: int = 50, status: str | None = None
) -> list[Proposal]:
    """Proposals, newest first; ``before`` is the id of the last one seen (ids are ordered)."""
    query = PROPOSALS.query().order_by(proposals.c.proposal_id.desc()).limit(limit)
    if before is not None:
        query = query.where(proposals.c.proposal_id < before)
    if status is not None:
        query = query.where(proposals.c.status == status)
    return PROPOSALS.items(conn.execute(query))


def find_proposal(conn: Connection, proposal_id: str) -> Proposal | None:
    """One proposal."""
    query = PROPOSALS.query().where(proposals.c.proposal_id == proposal_id)
    return next(iter(PROPOSALS.items(conn.execute(query))), None)


def version_in_force(conn: Connection) -> Version | None:
    """The published definition."""
    query = (
        DEFINITIONS.query()
        .where(definitions.c.retired.is_(False))
        .order_by(definitions.c.published_at.desc(), definitions.c.version.desc())
        .limit(1)
    )
    return next(iter(DEFINITIONS.items(conn.execute(query))), None)


def open_proposal(conn: Connection) -> Proposal | None:
    """The one that waits for an answer."""
    return next(iter(list_proposals(conn, limit=1, status=Status.OPEN)), None)


def choices(conn: Connection) -> Choices:
    """What marketing wants of learning."""
    return next(iter(CHOICES.items(conn.execute(CHOICES.query()))), Choices())


def schedule(conn: Connection) -> Schedule:
    """Where the looks at the answers stand."""
    return next(iter(LOOKS.items(conn.execute(LOOKS.query()))), Schedule())


def progress(conn: Connection) -> tuple[int, int | None]:
    """What moves with every new answer and every other definition: the number of the newest event,
    and the version in force."""
    version = version_in_force(conn)
    newest: int = conn.execute(select(log_head.c.seq)).scalar_one()
    return newest, version.version if version is not None else None


def _stuck(limits: Mapping[Stage, timedelta], now: datetime) -> ColumnElement[bool]:
    return or_(
        *(
            and_(lead_stages.c.stage == stage.value, lead_stages.c.since < now - limit)
            for stage, limit in limits.items()
        )
    )
