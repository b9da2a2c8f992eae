"""Leads, their times as MQLs and the attempts at them: loaded and written a batch at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.feedback.domain.stages import MILESTONES, Attempt, Lead, Move, Mql, Phase, Place
from services.feedback.store.tables import attempts, lead_stages, mqls, outcomes, stage_changes
from shared.contracts.events import OutcomeRecorded
from shared.contracts.vocabulary import RejectReason, Stage
from shared.db.engine import insert

_FIRSTS = tuple((stage, f"first_{stage.lower()}_at") for stage in MILESTONES)


class LeadRepository:
    """The leads of one transaction. Reads what ``load`` named; ``save`` writes what was kept."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._leads: dict[str, Lead] = {}
        self._mqls: dict[tuple[str, int], Mql] = {}
        self._attempts: dict[str, Attempt] = {}
        self._kept: tuple[dict[str, None], dict[tuple[str, int], None], dict[str, None]]
        self._kept = ({}, {}, {})
        self._moves: list[Move] = []
        self._outcomes: list[dict[str, Any]] = []

    async def load(self, lead_ids: Sequence[str]) -> None:
        """Fetch all there is about these leads that may still change."""
        ids = list(lead_ids)
        for row in await self._conn.execute(
            select(lead_stages).where(lead_stages.c.lead_id.in_(ids))
        ):
            self._leads[row.lead_id] = _lead(row._mapping)
        for row in await self._conn.execute(select(mqls).where(mqls.c.lead_id.in_(ids))):
            mql = Mql(**{**row._mapping, "criteria": tuple(row.criteria)})
            self._mqls[mql.lead_id, mql.cycle] = mql
        open_attempts = select(attempts).where(
            attempts.c.lead_id.in_(ids), attempts.c.recorded_at.is_(None)
        )
        for row in await self._conn.execute(open_attempts):
            attempt = _attempt(row._mapping)
            self._attempts[attempt.assignment_id] = attempt

    def lead(self, lead_id: str) -> Lead | None:
        return self._leads.get(lead_id)

    def keep_lead(self, lead: Lead) -> None:
        """Write this lead with the rest of the batch."""
        self._leads[lead.lead_id] = lead
        self._kept[0][lead.lead_id] = None

    def note(self, move: Move) -> None:
        self._moves.append(move)

    def mql(self, lead_id: str, cycle: int) -> Mql:
        return self._mqls.get((lead_id, cycle)) or Mql(lead_id, cycle)

    def keep_mql(self, mql: Mql) -> None:
        """Write this MQL with the rest of the batch."""
        self._mqls[mql.lead_id, mql.cycle] = mql
        self._kept[1][mql.lead_id, mql.cycle] = None

    def attempt(self, assignment_id: str) -> Attempt | None:
        """One assignment attempt, as far as it is known."""
        return self._attempts.get(assignment_id)

    def waiting(self, lead_id: str, cycle: int) -> list[Attempt]:
        found = (
            attempt
            for attempt in self._attempts.values()
            if attempt.lead_id == lead_id and attempt.cycle == cycle and attempt.waiting
        )
        return sorted(found, key=lambda attempt: attempt.attempt)

    def keep_attempt(self, attempt: Attempt) -> None:
        """Write this attempt with the rest of the batch."""
        self._attempts[attempt.assignment_id] = attempt
        self._kept[2][attempt.assignment_id] = None

    async def outcome(self, lead_id: str, cycle: int, stage: str) -> OutcomeRecorded | None:
        found = await self._conn.execute(
            select(outcomes)
            .where(outcomes.c.lead_id == lead_id, outcomes.c.cycle == cycle)
            .where(outcomes.c.stage == stage)
            .order_by(outcomes.c.step.desc())
            .limit(1)
        )
        row = found.first()
        return OutcomeRecorded.model_validate(dict(row._mapping)) if row is not None else None

    def add_outcome(self, outcome: OutcomeRecorded, cycle: int, step: int, at: datetime) -> None:
        """Note an outcome that moved a lead, at ``step`` of its ``cycle``."""
        plain = {"stage": outcome.stage.value, "reason": outcome.reason and str(outcome.reason)}
        numbers = {"cycle": cycle, "step": step, "recorded_at": at}
        self._outcomes.append(outcome.model_dump() | plain | numbers)

    async def save(self) -> None:
        """Write everything that was kept, one statement a table."""
        leads, times, turns = self._kept
        await self._upsert(lead_stages, [_lead_row(self._leads[i]) for i in leads])
        await self._upsert(mqls, [_plain(self._mqls[i]) for i in times])
        await self._upsert(attempts, [_plain(self._attempts[i]) for i in turns])
        if self._moves:
            await self._conn.execute(stage_changes.insert(), [_move_row(m) for m in self._moves])
        if self._outcomes:
            await self._conn.execute(outcomes.insert(), self._outcomes)

    async def _upsert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        statement = insert(self._conn, table)
        keys = [column.name for column in table.primary_key]
        changed = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys}
        await self._conn.execute(
            statement.on_conflict_do_update(index_elements=keys, set_=changed), rows
        )


def _lead(row: Any) -> Lead:
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
        definition_version=row["definition_version"],
        score=row["score"],
        criteria=tuple(row["criteria"]),
        rep_id=row["rep_id"],
        firsts={stage: row[name] for stage, name in _FIRSTS if row[name] is not None},
    )


def _lead_row(lead: Lead) -> dict[str, Any]:
    place = lead.place
    return {
        "lead_id": lead.lead_id,
        "stage": lead.stage.value,
        "since": lead.since,
        "place_cycle": place.cycle,
        "place_phase": int(place.phase),
        "place_attempt": place.attempt,
        "place_step": place.step,
        "captured_at": lead.captured_at,
        "source": lead.source,
        "campaign": lead.campaign,
        "definition_version": lead.definition_version,
        "score": lead.score,
        "criteria": list(lead.criteria),
        "rep_id": lead.rep_id,
        **{name: lead.firsts.get(stage) for stage, name in _FIRSTS},
    }


def _attempt(row: Any) -> Attempt:
    reason = row["reason"]
    return Attempt(**{**row, "reason": RejectReason(reason) if reason else None})


def _plain(item: Mql | Attempt) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}


def _move_row(move: Move) -> dict[str, Any]:
    return {
        "lead_id": move.lead_id,
        "stage": move.stage.value,
        "cycle": move.place.cycle,
        "attempt": move.place.attempt,
        "at": move.at,
        "rep_id": move.rep_id,
    }
