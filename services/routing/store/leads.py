"""The leads of one transaction: loaded at once, changed in memory, written in bulk."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.routing.domain.assignment import WAITING, Assignment, Attempt, State
from services.routing.domain.choice import Decision
from services.routing.domain.lead import Lead
from services.routing.store.rows import (
    assignment_of,
    assignment_row,
    candidates_of,
    lead_of,
    lead_row,
)
from services.routing.store.tables import assignments, contacts, decisions, leads
from shared.contracts.events import ContactUpdated
from shared.contracts.vocabulary import RejectReason
from shared.db.engine import insert
from shared.runtime.clock import new_id

_WAITS = or_(*(assignments.c.state == state.value for state in sorted(WAITING)))
"""Not ``IN``: a list of values can't be expanded in a statement that runs for many rows."""


class SqlLeads:
    """The port ``Leads`` on SQLAlchemy."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._leads: dict[str, Lead] = {}
        self._owners: dict[str, Assignment] = {}
        self._changed: set[str] = set()
        self._assigned: list[Assignment] = []
        self._closed: list[dict[str, Any]] = []
        self._decided: list[dict[str, Any]] = []
        self._contacts: dict[str, dict[str, Any]] = {}

    @property
    def assigned(self) -> Sequence[Assignment]:
        """The assignments added in this transaction."""
        return self._assigned

    @property
    def touched(self) -> bool:
        """Whether anything a rep sees has changed."""
        return bool(self._assigned or self._closed or self._contacts)

    async def load(self, lead_ids: Collection[str]) -> None:
        missing = [lead_id for lead_id in dict.fromkeys(lead_ids) if lead_id not in self._leads]
        if not missing:
            return
        rows = await self._conn.execute(select(leads).where(leads.c.lead_id.in_(missing)))
        for row in rows:
            self._leads[row.lead_id] = lead_of(row)
        rows = await self._conn.execute(
            select(assignments).where(
                assignments.c.lead_id.in_(missing), assignments.c.closed_at.is_(None)
            )
        )
        for row in rows:
            self._owners.setdefault(row.lead_id, assignment_of(row))

    def loaded(self, found: Sequence[Lead]) -> None:
        """Take leads that another query fetched."""
        self._leads.update({lead.lead_id: lead for lead in found})

    def get(self, lead_id: str) -> Lead | None:
        return self._leads.get(lead_id)

    def owner(self, lead_id: str) -> Assignment | None:
        return self._owners.get(lead_id)

    def put(self, lead: Lead) -> None:
        self._leads[lead.lead_id] = lead
        self._changed.add(lead.lead_id)

    def assign(self, assignment: Assignment) -> None:
        self._assigned.append(assignment)
        self._owners[assignment.lead_id] = assignment

    def close(self, assignment: Assignment, why: str, at: datetime) -> None:
        self._owners.pop(assignment.lead_id, None)
        if assignment in self._assigned:  # opened in this very transaction
            state = State.EXPIRED if assignment.state in WAITING else assignment.state
            self._assigned[self._assigned.index(assignment)] = replace(
                assignment, state=state, closed_at=at
            )
        else:
            self._closed.append({"id": assignment.assignment_id, "why": why, "at": at})

    def decided(self, lead: Lead, decision: Decision, policy_version: int, at: datetime) -> None:
        self._decided.append(
            {
                "decision_id": new_id(),
                "lead_id": lead.lead_id,
                "cycle": lead.cycle,
                "attempt": lead.attempt,
                "policy_version": policy_version,
                "rule_id": decision.rule_id,
                "rep_id": decision.rep_id,
                "unrouted_reason": decision.unrouted,
                "reason": decision.reason,
                "candidates": candidates_of(decision),
                "decided_at": at,
            }
        )

    def contact(self, data: ContactUpdated) -> None:
        self._contacts[data.lead_id] = data.model_dump(exclude={"lead_id"}, mode="json")

    async def histories(self, lead_ids: Collection[str]) -> Mapping[str, Sequence[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        if not lead_ids:
            return found
        rows = await self._conn.execute(
            select(
                assignments.c.lead_id,
                assignments.c.rep_id,
                assignments.c.attempt,
                assignments.c.state,
                assignments.c.reason,
            )
            .join(
                leads,
                and_(
                    leads.c.lead_id == assignments.c.lead_id, leads.c.cycle == assignments.c.cycle
                ),
            )
            .where(assignments.c.lead_id.in_(list(lead_ids)), assignments.c.closed_at.is_not(None))
            .order_by(assignments.c.attempt)
        )
        for row in rows:
            reason = RejectReason(row.reason) if row.reason is not None else None
            found[row.lead_id].append(Attempt(row.rep_id, row.attempt, State(row.state), reason))
        return found

    async def save(self, now: datetime) -> None:
        """Write what changed. Ownership ends before it begins: there is one owner at any moment."""
        if self._closed:
            await self._conn.execute(
                update(assignments)
                .where(
                    assignments.c.assignment_id == bindparam("id"),
                    assignments.c.closed_at.is_(None),
                )
                .values(
                    closed_at=bindparam("at"),
                    closed_because=bindparam("why"),
                    state=case(
                        (_WAITS, State.EXPIRED.value),
                        else_=assignments.c.state,
                    ),
                    updated_at=now,
                ),
                self._closed,
            )
        if self._changed:
            await self._save_leads()
        if self._assigned:
            rows = [assignment_row(assignment) for assignment in self._assigned]
            await self._conn.execute(insert(self._conn, assignments), rows)
        if self._decided:
            await self._conn.execute(insert(self._conn, decisions), self._decided)
        if self._contacts:
            await self._save_contacts(now)

    async def _save_leads(self) -> None:
        statement = insert(self._conn, leads)
        statement = statement.on_conflict_do_update(
            index_elements=["lead_id"],
            set_={c.name: statement.excluded[c.name] for c in leads.c if not c.primary_key},
            where=statement.excluded.cycle >= leads.c.cycle,
        )
        rows = [lead_row(self._leads[lead_id]) for lead_id in sorted(self._changed)]
        await self._conn.execute(statement, rows)

    async def _save_contacts(self, now: datetime) -> None:
        statement = insert(self._conn, contacts)
        statement = statement.on_conflict_do_update(
            index_elements=["lead_id"],
            set_={
                "contact": statement.excluded.contact,
                "updated_at": statement.excluded.updated_at,
            },
        )
        rows = [
            {"lead_id": lead_id, "contact": contact, "updated_at": now}
            for lead_id, contact in sorted(self._contacts.items())
        ]
        await self._conn.execute(statement, rows)
