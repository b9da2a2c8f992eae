"""One transaction of routing on SQLAlchemy Core."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.routing.domain.assignment import MOVES, WAITING, Assignment, Move, State
from services.routing.domain.choice import Pool
from services.routing.domain.lead import Lead
from services.routing.domain.policy import STARTER, Policy, read_policy
from services.routing.domain.reps import Rep
from services.routing.metrics import ASSIGNED, BREACHED, UNROUTED
from services.routing.store.leads import SqlLeads
from services.routing.store.rows import assignment_of, lead_of, rep_of, standing_of
from services.routing.store.tables import (
    IS_WAITING,
    assignments,
    leads,
    policies,
    pool_lock,
    reps,
)
from shared.contracts.envelope import Event
from shared.contracts.events import EventData, LeadAssigned, LeadUnrouted, SlaBreached
from shared.db.engine import database_now, for_update_skip_locked, insert
from shared.runtime.clock import Clock
from shared.runtime.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Wakes:
    """Whom to tell, in this process, once a transaction is committed."""

    changed: Callable[[], None] = lambda: None
    """Something a rep sees is different."""
    room: Callable[[], None] = lambda: None
    """Somebody may have room now who had none."""


class RoutingWork(UnitOfWork):
    """The port ``Work``: what the handlers load, change and emit in one transaction."""

    def __init__(self, conn: AsyncConnection, clock: Clock, wakes: Wakes | None = None) -> None:
        super().__init__(conn, clock, "routing")
        self._wakes = wakes or Wakes()
        self.leads = SqlLeads(conn)
        self.assignments = SqlAssignments(conn, self.leads)
        self.reps = SqlReps(conn)
        self._now: datetime | None = None
        self._policy: Policy | None = None
        self._pool: Pool | None = None

    async def prefetch(self, keys: Sequence[str]) -> None:
        await self.leads.load(keys)

    async def now(self) -> datetime:
        if self._now is None:
            self._now = await database_now(self.conn)
        return self._now

    async def policy(self) -> Policy:
        if self._policy is None:
            query = select(policies).order_by(policies.c.version.desc()).limit(1)
            row = (await self.conn.execute(query)).first()
            version, document = (row.version, row.document) if row is not None else (0, STARTER)
            self._policy = read_policy(version, document)
        return self._policy

    async def add_policy(self, document: Mapping[str, Any]) -> int:
        newest = (await self.conn.execute(select(func.max(policies.c.version)))).scalar_one()
        version = (newest or 0) + 1
        await self.conn.execute(
            insert(self.conn, policies).values(
                version=version, document=dict(document), created_at=await self.now()
            )
        )
        self._policy = None
        return version

    async def pool(self) -> Pool:
        if self._pool is None:
            await self.conn.execute(select(pool_lock.c.id).with_for_update())
            counts = await self.conn.execute(
                select(assignments.c.rep_id, func.count().label("waiting"))
                .where(IS_WAITING)
                .group_by(assignments.c.rep_id)
            )
            waiting = {row.rep_id: row.waiting for row in counts}
            rows = await self.conn.execute(select(reps).order_by(reps.c.rep_id))
            self._pool = Pool.of(standing_of(row, waiting) for row in rows)
        return self._pool

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]:
        match data:
            case LeadAssigned():
                self.after_commit(ASSIGNED.inc)
            case LeadUnrouted(reason=reason):
                self.after_commit(UNROUTED.labels(reason).inc)
            case SlaBreached():
                self.after_commit(BREACHED.inc)
        return super().emit(data, at=at)

    async def save(self) -> None:
        await self.leads.save(await self.now() if self.leads.touched else self.clock.now())
        if self._pool is not None and self.leads.assigned:
            got = {assignment.rep_id for assignment in self.leads.assigned}
            await self.reps.count(self._pool, got)
        if self.leads.touched or self.assignments.changed:
            self.after_commit(self._wakes.changed)
        if self.assignments.freed:
            self.after_commit(self._wakes.room)


class SqlAssignments:
    """The port ``Assignments``: each change is one conditional statement."""

    def __init__(self, conn: AsyncConnection, loaded: SqlLeads) -> None:
        self._conn = conn
        self._loaded = loaded
        self.changed = False
        """Whether a statement here changed an assignment."""
        self.freed = False
        """Whether somebody may have room now who had none."""

    async def get(self, assignment_id: str) -> Assignment | None:
        query = select(assignments).where(assignments.c.assignment_id == assignment_id)
        row = (await self._conn.execute(query)).first()
        return assignment_of(row) if row is not None else None

    async def answer(
        self,
        assignment_id: str,
        move: Move,
        at: datetime,
        *,
        rep_id: str | None,
        attempt: int | None,
        due_at: datetime | None = None,
        reason: str | None = None,
        note: str | None = None,
    ) -> Assignment | None:
        allowed, result = MOVES[move]
        statement = update(assignments).where(
            assignments.c.assignment_id == assignment_id,
            assignments.c.state.in_([state.value for state in allowed]),
            assignments.c.closed_at.is_(None),
        )
        if rep_id is not None:
            statement = statement.where(assignments.c.rep_id == rep_id)
        if attempt is not None:
            statement = statement.where(assignments.c.attempt == attempt)
        changes: dict[str, Any] = {"state": result.value, "updated_at": at}
        if move is Move.ACKNOWLEDGE:
            changes |= {"acknowledged_at": at, "due_at": due_at}
        else:
            changes |= {"answered_at": at, "reason": reason, "note": note}
        if move is Move.REJECT:
            changes |= {"closed_at": at, "closed_because": "REJECTED"}
        rows = await self._conn.execute(statement.values(changes).returning(assignments))
        row = rows.first()
        if row is None:
            return None
        self.changed = True
        self.freed = self.freed or result not in WAITING
        return assignment_of(row)

    async def expire(self, now: datetime, limit: int) -> Sequence[Assignment]:
        due = (
            select(assignments.c.assignment_id)
            .where(IS_WAITING, assignments.c.due_at <= now)
            .order_by(assignments.c.due_at)
            .limit(limit)
        )
        rows = await self._conn.execute(for_update_skip_locked(due))
        claimed = [row.assignment_id for row in rows]
        if not claimed:
            return []
        expired = await self._conn.execute(
            update(assignments)
            .where(
                assignments.c.assignment_id.in_(claimed),
                IS_WAITING,
            )
            .values(
                state=State.EXPIRED.value,
                closed_at=now,
                closed_because="SLA_BREACHED",
                updated_at=now,
            )
            .returning(assignments)
        )
        self.changed = self.freed = True
        return sorted(map(assignment_of, expired), key=lambda a: a.due_at)

    async def claim_unrouted(self, now: datetime, limit: int) -> Sequence[Lead]:
        waiting = (
            select(leads)
            .where(leads.c.unrouted_at.is_not(None), leads.c.retry_at <= now)
            .order_by(leads.c.retry_at, leads.c.lead_id)
            .limit(limit)
        )
        rows = await self._conn.execute(for_update_skip_locked(waiting))
        found = [lead_of(row) for row in rows]
        self._loaded.loaded(found)
        return found

    async def retry_unrouted(self, now: datetime) -> None:
        await self._conn.execute(
            update(leads)
            .where(leads.c.unrouted_at.is_not(None))
            .values(retry_at=now, rest_until=now)
        )
        self.freed = True


class SqlReps:
    """The port ``Reps``."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    async def get(self, rep_id: str) -> Rep | None:
        row = (await self._conn.execute(select(reps).where(reps.c.rep_id == rep_id))).first()
        return rep_of(row) if row is not None else None

    async def ids(self) -> Collection[str]:
        return {row.rep_id for row in await self._conn.execute(select(reps.c.rep_id))}

    async def add(self, rep: Rep) -> bool:
        values = {name: getattr(rep, name) for name in Rep.__dataclass_fields__}
        added = await self._conn.execute(
            insert(self._conn, reps)
            .values(**values, created_at=await database_now(self._conn))
            .on_conflict_do_nothing()
            .returning(reps.c.rep_id)
        )
        return added.first() is not None

    async def update(self, rep: Rep, calibration: float) -> None:
        values = {name: getattr(rep, name) for name in Rep.__dataclass_fields__}
        await self._conn.execute(
            update(reps)
            .where(reps.c.rep_id == rep.rep_id)
            .values(**values, calibration=calibration)
        )

    async def count(self, pool: Pool, rep_ids: Collection[str]) -> None:
        """Write the counts of those who got leads. The pool's lock makes them ours alone."""
        await self._conn.execute(
            update(reps)
            .where(reps.c.rep_id == bindparam("id"))
            .values(assigned=bindparam("given"), last_turn=bindparam("turn")),
            [
                {
                    "id": rep_id,
                    "given": pool.reps[rep_id].assigned,
                    "turn": pool.reps[rep_id].last_turn,
                }
                for rep_id in sorted(rep_ids)
            ],
        )
