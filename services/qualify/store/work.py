"""Qualify's unit of work: a batch's leads are read in one query and written in bulk."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.qualify.domain.decision import Decision
from services.qualify.domain.definition import Definition, compile_definition
from services.qualify.domain.lifecycle import Lead
from services.qualify.ports import NoDefinitionPublished, Version
from services.qualify.store.rows import (
    decision_of_row,
    decision_row,
    lead_of,
    lead_row,
    version_of,
)
from services.qualify.store.tables import decisions, definition_head, definitions, leads, signals
from shared.runtime.clock import Clock, new_id
from shared.runtime.unit_of_work import UnitOfWork


class Compiled:
    """Compiled definitions by version, for the life of the process: documents never change."""

    def __init__(self) -> None:
        self._by_version: dict[int, Definition] = {}

    def get(self, version: int) -> Definition | None:
        return self._by_version.get(version)

    def add(self, version: int, document: Mapping[str, Any]) -> Definition:
        return self._by_version.setdefault(version, compile_definition(version, document))


class LeadRows:
    """The leads of a transaction, locked, and their counted signals."""

    def __init__(self) -> None:
        self._stored: set[str] = set()
        self._leads: dict[str, Lead] = {}
        self._changed: set[str] = set()
        self._signals: set[tuple[str, str]] = set()
        self._new_signals: list[tuple[str, str]] = []

    def get(self, lead_id: str) -> Lead | None:
        return self._leads.get(lead_id)

    def put(self, lead: Lead) -> None:
        if self._leads.get(lead.lead_id) != lead:
            self._leads[lead.lead_id] = lead
            self._changed.add(lead.lead_id)

    def first_time(self, lead_id: str, signal_id: str) -> bool:
        signal = (lead_id, signal_id)
        if signal in self._signals:
            return False
        self._signals.add(signal)
        self._new_signals.append(signal)
        return True

    async def load(self, conn: AsyncConnection, lead_ids: Sequence[str]) -> None:
        """Read and lock; in one order, so that two batches never wait for each other."""
        rows = await conn.execute(
            select(leads)
            .where(leads.c.lead_id.in_(lead_ids))
            .order_by(leads.c.lead_id)
            .with_for_update()
        )
        self._leads.update({row.lead_id: lead_of(row) for row in rows})
        self._stored.update(self._leads)
        if self._stored:
            counted = await conn.execute(select(signals).where(signals.c.lead_id.in_(self._stored)))
            self._signals.update((row.lead_id, row.signal_id) for row in counted)

    async def save(self, conn: AsyncConnection) -> None:
        """New leads are plain inserts: of two that race for one, the second fails, is rolled back
        and finds the lead there when it is done again."""
        changed = sorted(self._changed)
        new = [lead_row(self._leads[key]) for key in changed if key not in self._stored]
        known = [lead_row(self._leads[key]) for key in changed if key in self._stored]
        if new:
            await conn.execute(leads.insert(), new)
        if known:
            await conn.execute(_UPDATE, [{"key": row.pop("lead_id"), **row} for row in known])
        if self._new_signals:
            await conn.execute(
                signals.insert(),
                [{"lead_id": lead, "signal_id": signal} for lead, signal in self._new_signals],
            )


_UPDATE = (
    update(leads)
    .where(leads.c.lead_id == bindparam("key"))
    .values({name: bindparam(name) for name in leads.c.keys() if name != "lead_id"})  # noqa: SIM118
)


class DecisionRows:
    """Decisions of a transaction."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn
        self._added: list[Decision] = []

    def add(self, decision: Decision) -> None:
        self._added.append(decision)

    async def latest(self, lead_id: str) -> Decision | None:
        for decision in reversed(self._added):
            if decision.lead_id == lead_id:
                return decision
        rows = await self._conn.execute(
            select(decisions)
            .where(decisions.c.lead_id == lead_id)
            .order_by(decisions.c.decision_id.desc())
            .limit(1)
        )
        row = rows.first()
        return decision_of_row(row) if row else None

    async def save(self) -> None:
        """Write what the batch decided, in bulk."""
        if self._added:
            rows = [decision_row(new_id(), decision) for decision in self._added]
            await self._conn.execute(decisions.insert(), rows)


class DefinitionRows:
    """Definition versions."""

    def __init__(self, conn: AsyncConnection, compiled: Compiled) -> None:
        self._conn = conn
        self._compiled = compiled
        self._current: Definition | None = None

    async def published(self) -> Definition:
        if self._current is None:
            rows = await self._conn.execute(
                select(definitions.c.version).where(definitions.c.status == "published")
            )
            version = rows.scalar()
            if version is None:
                raise NoDefinitionPublished("no definition is published: publish one")
            self._current = self._compiled.get(version) or await self._compile(version)
        return self._current

    async def lock(self) -> None:
        await self._conn.execute(select(definition_head.c.last_version).with_for_update())

    async def published_version(self) -> Version | None:
        return await self._one(definitions.c.status == "published")

    async def get(self, version: int) -> Version | None:
        return await self._one(definitions.c.version == version)

    async def of_proposal(self, proposal_id: str) -> Version | None:
        return await self._one(definitions.c.proposal_id == proposal_id)

    async def of_request(self, request_key: str) -> Version | None:
        return await self._one(definitions.c.request_key == request_key)

    async def add(
        self,
        document: Mapping[str, Any],
        at: datetime,
        *,
        proposal_id: str | None = None,
        request_key: str | None = None,
    ) -> Version:
        number = await self._conn.execute(
            update(definition_head)
            .values(last_version=definition_head.c.last_version + 1)
            .returning(definition_head.c.last_version)
        )
        made = Version(number.scalar_one(), "draft", document, at, proposal_id=proposal_id)
        await self._conn.execute(
            definitions.insert().values(
                version=made.version,
                status=made.status,
                document=dict(document),
                created_at=at,
                proposal_id=proposal_id,
                request_key=request_key,
            )
        )
        return made

    async def set_published(self, version: int, at: datetime) -> None:
        await self._conn.execute(
            update(definitions)
            .where(definitions.c.status == "published")
            .values(status="retired", retired_at=at)
        )
        await self._conn.execute(
            update(definitions)
            .where(definitions.c.version == version)
            .values(status="published", published_at=at, retired_at=None)
        )
        self._current = None

    async def _compile(self, version: int) -> Definition:
        found = await self.get(version)
        assert found is not None  # it was published a query ago, and versions are never deleted
        return self._compiled.add(version, found.document)

    async def _one(self, where: Any) -> Version | None:
        row = (await self._conn.execute(select(definitions).where(where))).first()
        return version_of(row) if row else None


class QualifyWork(UnitOfWork):
    """One transaction of qualify."""

    def __init__(self, conn: AsyncConnection, clock: Clock, compiled: Compiled) -> None:
        super().__init__(conn, clock, "qualify")
        self.leads = LeadRows()
        self.decisions = DecisionRows(conn)
        self.definitions = DefinitionRows(conn, compiled)

    async def prefetch(self, keys: Sequence[str]) -> None:
        """The state of these leads; a key that is no lead (a proposal's) finds nothing."""
        await self.leads.load(self.conn, keys)

    async def save(self) -> None:
        await self.leads.save(self.conn)
        await self.decisions.save()
