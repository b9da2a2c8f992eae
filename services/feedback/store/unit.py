"""Feedback's unit of work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zlib import crc32

import orjson
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.feedback.store.leads import LeadRepository
from services.feedback.store.proposals import ProposalRepository
from services.feedback.store.tables import feedback_log, idempotency, log_head
from shared.db.engine import insert
from shared.runtime.clock import Clock
from shared.runtime.unit_of_work import UnitOfWork

LOGGED_TOPIC = "lead.feedback"
_LOCKS = 1024
_LOCK_SPACE = 0x1EAD


class FeedbackUnit(UnitOfWork):
    """One transaction on leads and proposals."""

    def __init__(self, conn: AsyncConnection, clock: Clock, service: str = "feedback") -> None:
        super().__init__(conn, clock, service)
        self.leads = LeadRepository(conn)
        self.proposals = ProposalRepository(conn)

    async def prefetch(self, keys: Sequence[str]) -> None:
        """Load these leads, and make others who work on them wait until this commits.

        A lead's events come from several topics, and so perhaps to several processes at once. Rows
        that are not there yet can't be locked, so it is their ids that are, by 1024 locks taken in
        ascending order. SQLite has one writer and needs none.
        """
        if self.conn.dialect.name == "postgresql":
            buckets = sorted({crc32(key.encode()) % _LOCKS for key in keys})
            await self.conn.execute(
                text(
                    "SELECT count(pg_advisory_xact_lock(:space, bucket)) "
                    "FROM unnest(CAST(:buckets AS integer[])) AS bucket"
                ),
                {"space": _LOCK_SPACE, "buckets": buckets},
            )
        await self.leads.load(keys)

    async def save(self) -> None:
        await self.leads.save()
        await self._log()

    async def answered_before(self, caller: str, key: str) -> tuple[str, dict[str, Any]] | None:
        found = await self.conn.execute(
            select(idempotency.c.fingerprint, idempotency.c.answer).where(
                idempotency.c.caller == caller, idempotency.c.key == key
            )
        )
        row = found.first()
        return (row.fingerprint, row.answer) if row is not None else None

    async def remember(
        self, caller: str, key: str, fingerprint: str, answer: dict[str, Any], at: datetime
    ) -> None:
        await self.conn.execute(
            insert(self.conn, idempotency).values(
                caller=caller, key=key, fingerprint=fingerprint, answer=answer, created_at=at
            )
        )

    async def forget_answers(self, before: datetime) -> None:
        """A request that old does not come again."""
        await self.conn.execute(delete(idempotency).where(idempotency.c.created_at < before))

    async def _log(self) -> None:
        """Number the events for cursor readers, last of all: the head row is a queue."""
        events = [event for event in self._events if event.data.topic == LOGGED_TOPIC]
        if not events:
            return
        moved = await self.conn.execute(
            update(log_head)
            .where(log_head.c.id == 1)
            .values(seq=log_head.c.seq + len(events))
            .returning(log_head.c.seq)
        )
        first = moved.scalar_one() - len(events) + 1
        rows = [
            {"seq": seq, "type": event.type, "event": orjson.dumps(event.json()).decode()}
            for seq, event in enumerate(events, first)
        ]
        await self.conn.execute(feedback_log.insert(), rows)
