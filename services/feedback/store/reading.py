"""What the interface and the page show: read without ever making a writer wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func, select

from services.feedback.domain.evidence import Evidence
from services.feedback.handlers.proposals import current_evidence, proposal_document
from services.feedback.store.figures import metrics, stuck_since
from services.feedback.store.proposals import ProposalRepository
from services.feedback.store.tables import (
    feedback_log,
    lead_stages,
    log_head,
    proposals,
    stage_changes,
)
from shared.contracts.vocabulary import Stage
from shared.db.engine import Database
from shared.runtime.clock import Clock

STUCK_SHOWN = 100


class Reading:
    """Feedback's read side. ``stuck_after`` says how long a lead may stay in which stage."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        stuck_after: Mapping[Stage, timedelta],
        minimum_per_side: int,
    ) -> None:
        self._db = db
        self._clock = clock
        self._stuck_after = {stage.value: limit for stage, limit in stuck_after.items()}
        self.minimum_per_side = minimum_per_side

    async def metrics(self) -> dict[str, Any]:
        """The key figures; see ``store.figures``."""
        async with self._db.read() as conn:
            return await metrics(conn, self._clock.now())

    async def stages(self) -> dict[str, Any]:
        """How many leads are in each stage, each in exactly one, and which are stuck there."""
        stage, since = lead_stages.c.stage, lead_stages.c.since
        by_stage = select(
            stage, func.count().label("leads"), func.count(lead_stages.c.captured_at)
        ).group_by(stage)
        late = stuck_since(self._stuck_after, self._clock.now())
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
        async with self._db.read() as conn:
            counts = (await conn.execute(by_stage)).all()
            groups = (await conn.execute(late_by_stage)).all()
            stuck = (await conn.execute(oldest)).all()
        found = {row.stage: row.leads for row in counts}
        return {
            "captured": sum(row[2] for row in counts),
            "stages": {stage.value: found.get(stage.value, 0) for stage in Stage},
            "stuck_count": sum(row.leads for row in groups),
            "stuck_by_stage": [
                {"stage": row.stage, "leads": row.leads, "since": _time(row.since)}
                for row in groups
            ],
            "stuck": [
                {"lead_id": row.lead_id, "stage": row.stage, "since": _time(row.since)}
                for row in stuck
            ],
        }

    async def leads_after(self, lead_id: str, limit: int) -> list[dict[str, Any]]:
        """Leads and their stages, in the order of their ids: one row a lead."""
        query = (
            select(lead_stages.c.lead_id, lead_stages.c.stage, lead_stages.c.since)
            .where(lead_stages.c.lead_id > lead_id)
            .order_by(lead_stages.c.lead_id)
            .limit(limit)
        )
        async with self._db.read() as conn:
            rows = (await conn.execute(query)).all()
        return [{"lead_id": r.lead_id, "stage": r.stage, "since": _time(r.since)} for r in rows]

    async def history(self, lead_id: str) -> dict[str, Any] | None:
        """One lead: where it is and how it came there; None when it is unknown."""
        async with self._db.read() as conn:
            found = await conn.execute(select(lead_stages).where(lead_stages.c.lead_id == lead_id))
            lead = found.first()
            if lead is None:
                return None
            steps = await conn.execute(
                select(stage_changes)
                .where(stage_changes.c.lead_id == lead_id)
                .order_by(stage_changes.c.at, stage_changes.c.id)
            )
            changes = steps.all()
        return {
            "lead_id": lead_id,
            "stage": lead.stage,
            "since": _time(lead.since),
            "cycle": lead.place_cycle,
            "definition_version": lead.definition_version,
            "score": lead.score,
            "criteria": lead.criteria,
            "source": lead.source,
            "campaign": lead.campaign,
            "rep_id": lead.rep_id,
            "history": [
                {
                    "stage": step.stage,
                    "at": _time(step.at),
                    "cycle": step.cycle,
                    "attempt": step.attempt or None,
                    "rep_id": step.rep_id,
                }
                for step in changes
            ],
        }

    async def events(
        self, after: int, limit: int, event_type: str | None = None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Feedback events behind a place in the log, in order, and the place of the last one."""
        query = (
            select(feedback_log.c.seq, feedback_log.c.event)
            .where(feedback_log.c.seq > after)
            .order_by(feedback_log.c.seq)
            .limit(limit)
        )
        if event_type is not None:
            query = query.where(feedback_log.c.type == event_type)
        async with self._db.read() as conn:
            rows = (await conn.execute(query)).all()
        return [orjson.loads(row.event) for row in rows], rows[-1].seq if rows else None

    async def log_position(self) -> int:
        """The number of the newest event: it moves whenever there is a new answer."""
        async with self._db.read() as conn:
            return (await conn.execute(select(log_head.c.seq))).scalar_one()

    async def version_in_force(self) -> int | None:
        """The published definition's number; None while there is none."""
        async with self._db.read() as conn:
            document = await ProposalRepository(conn).in_force()
        return document.version if document is not None else None

    async def proposals(
        self, before: str | None = None, limit: int = 50, status: str | None = None
    ) -> list[dict[str, Any]]:
        """Proposals, newest first; ``before`` is the id of the last one seen (ids are ordered)."""
        query = select(proposals).order_by(proposals.c.proposal_id.desc()).limit(limit)
        if before is not None:
            query = query.where(proposals.c.proposal_id < before)
        if status is not None:
            query = query.where(proposals.c.status == status)
        async with self._db.read() as conn:
            found = await conn.execute(query)
            return [proposal_document(dict(row._mapping)) for row in found]

    async def proposal(self, proposal_id: str) -> dict[str, Any] | None:
        """One proposal, or None."""
        async with self._db.read() as conn:
            row = await ProposalRepository(conn).find(proposal_id)
        return proposal_document(row) if row is not None else None

    async def evidence(self) -> Evidence | None:
        """What the answers say about the definition in force; None while there is none."""
        async with self._db.read() as conn:
            return await current_evidence(ProposalRepository(conn), self.minimum_per_side)


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None
