"""Capture's unit of work: a whole batch of submissions in a fixed number of statements."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.capture.domain.lead import Lead, Received
from services.capture.ports import Activity, Answer, Answered, Posted
from services.capture.store.catalogue import Catalogue
from services.capture.store.tables import activities, leads, seen_fields, submissions
from shared.db.bulk import BulkInsert, present, stamp
from shared.db.engine import insert
from shared.runtime.clock import Clock
from shared.runtime.unit_of_work import UnitOfWork

_LOCK = text("SELECT count(pg_advisory_xact_lock(k)) FROM unnest(CAST(:keys AS bigint[])) AS k")
_UPDATE = (
    leads.update()
    .where(leads.c.lead_id == bindparam("of"))
    .values(
        contact=bindparam("contact"),
        facts=bindparam("facts"),
        consent=bindparam("consent"),
        touches=bindparam("touches"),
        updated_at=bindparam("updated_at"),
    )
)

_INSERT_LEADS = BulkInsert(
    leads,
    (
        "lead_id",
        "identity",
        "contact",
        "facts",
        "attribution",
        "consent",
        "touches",
        "captured_at",
        "updated_at",
    ),
)
_INSERT_SUBMISSIONS = BulkInsert(
    submissions,
    (
        "submission_id",
        "lead_id",
        "status",
        "received_at",
        "contact",
        "facts",
        "attribution",
        "idempotency_key",
        "digest",
    ),
)


class CaptureUnitOfWork(UnitOfWork):
    """Leads, submissions and activities of one transaction.

    A lead that does not exist yet has no row to lock, so on PostgreSQL identities are locked by
    name (advisory locks of the transaction, in the order of their hashes, so that two transactions
    never wait for each other). SQLite has one writer. The unique keys are the last line of defence.
    """

    def __init__(self, conn: AsyncConnection, clock: Clock, catalogue: Catalogue) -> None:
        super().__init__(conn, clock, "capture")
        self._catalogue = catalogue
        self._leads: dict[str, Lead] = {}
        self._answered: dict[str, Answered] = {}
        self._new: dict[str, Lead] = {}
        self._changed: dict[str, Lead] = {}
        self._submissions: list[tuple[Any, ...]] = []
        self._stamps: dict[datetime, Any] = {}
        self._activities: list[dict[str, Any]] = []
        self._undeclared: dict[str, datetime] = {}

    async def load(self, identities: Sequence[str], idempotency_keys: Sequence[str]) -> None:
        """See ``CaptureWork``."""
        wanted = sorted(set(identities))
        keys = sorted(set(idempotency_keys))
        await self._lock([*wanted, *(f"key:{key}" for key in keys)])
        known = await present(self.conn, leads, "identity", wanted)
        if known:
            query = select(leads).where(self._one_of(leads.c.identity, known))
            self._leads = {row.identity: _lead(row) for row in await self.conn.execute(query)}
        if keys:
            keys = list(await present(self.conn, submissions, "idempotency_key", keys))
        if keys:
            await self._load_answers(keys)

    def lead(self, identity: str) -> Lead | None:
        """See ``CaptureWork``."""
        return self._leads.get(identity)

    def answered(self, idempotency_key: str) -> Answered | None:
        """See ``CaptureWork``."""
        return self._answered.get(idempotency_key)

    def keep(self, posted: Posted, submission_id: str, received: Received, at: datetime) -> Answer:
        """See ``CaptureWork``."""
        lead = received.lead
        if received.status == "captured":
            self._leads[lead.identity] = self._new[lead.identity] = lead
        elif lead.identity not in self._new:
            self._changed[lead.identity] = lead
        answer = Answer(lead.lead_id, submission_id, received.status)
        submission = posted.submission
        self._submissions.append(
            (
                submission_id,
                lead.lead_id,
                received.status,
                self._stamp(at),
                _json(submission.contact),
                _json(submission.facts),
                _json(submission.attribution),
                posted.idempotency_key,
                posted.digest,
            )
        )
        if posted.idempotency_key is not None:
            self._answered[posted.idempotency_key] = Answered(answer, posted.digest or b"")
        for name in submission.undeclared:
            if self._catalogue.unseen(name):
                self._undeclared[name] = at
        return answer

    async def find(self, *, lead_id: str | None, identity: str | None) -> Lead | None:
        """See ``CaptureWork``."""
        if identity is None:
            query = select(leads.c.identity).where(leads.c.lead_id == lead_id)
            identity = (await self.conn.execute(query)).scalar_one_or_none()
            if identity is None:
                return None
        await self.load([identity], [])
        lead = self.lead(identity)
        return lead if lead is not None and lead_id in (None, lead.lead_id) else None

    async def activity(self, activity_id: str) -> Activity | None:
        """See ``CaptureWork``."""
        # The lead's lock is held, and this one is always the last: nobody waits in a circle.
        await self._lock([f"activity:{activity_id}"])
        query = select(activities).where(activities.c.activity_id == activity_id)
        row = (await self.conn.execute(query)).first()
        return Activity(**row._mapping) if row is not None else None

    def add_activity(self, activity: Activity) -> None:
        """See ``CaptureWork``."""
        self._activities.append(
            {
                "activity_id": activity.activity_id,
                "lead_id": activity.lead_id,
                "kind": activity.kind,
                "occurred_at": activity.occurred_at,
                "received_at": activity.received_at,
            }
        )

    async def save(self) -> None:
        """Write it all, a statement for each table."""
        await _INSERT_LEADS.run(self.conn, [self._row(lead) for lead in self._new.values()])
        if self._changed:
            await self.conn.execute(_UPDATE, [_changes(lead) for lead in self._changed.values()])
        await _INSERT_SUBMISSIONS.run(self.conn, self._submissions)
        if self._activities:
            await self.conn.execute(activities.insert(), self._activities)
        if self._undeclared:
            await self._save_undeclared()

    async def _save_undeclared(self) -> None:
        rows = [
            {"name": name, "first_seen_at": at} for name, at in sorted(self._undeclared.items())
        ]
        await self.conn.execute(insert(self.conn, seen_fields).on_conflict_do_nothing(), rows)
        self.after_commit(lambda: self._catalogue.saw(self._undeclared))

    def _row(self, lead: Lead) -> tuple[Any, ...]:
        return (
            lead.lead_id,
            lead.identity,
            _json(lead.contact),
            _json(lead.facts),
            _json(lead.attribution),
            _json(lead.consent),
            lead.touches,
            self._stamp(lead.captured_at),
            self._stamp(lead.updated_at),
        )

    def _stamp(self, moment: datetime) -> Any:
        """The driver's form of a time; a batch has one time for all its rows."""
        if moment not in self._stamps:
            self._stamps[moment] = stamp(self.conn, moment)
        return self._stamps[moment]

    async def _lock(self, names: Sequence[str]) -> None:
        if self.conn.dialect.name == "postgresql":
            await self.conn.execute(_LOCK, {"keys": sorted({_hash(name) for name in names})})

    async def _load_answers(self, keys: Sequence[str]) -> None:
        rows = await self.conn.execute(
            select(
                submissions.c.idempotency_key,
                submissions.c.digest,
                submissions.c.lead_id,
                submissions.c.submission_id,
                submissions.c.status,
            ).where(self._one_of(submissions.c.idempotency_key, keys))
        )
        for row in rows:
            answer = Answer(row.lead_id, row.submission_id, row.status)
            self._answered[row.idempotency_key] = Answered(answer, bytes(row.digest or b""))

    def _one_of(self, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
        """One statement text for any number of values, where the driver prepares statements."""
        if self.conn.dialect.name == "postgresql":
            return column == any_(bindparam(None, list(values), type_=ARRAY(Text)))
        return column.in_(list(values))


def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _changes(lead: Lead) -> dict[str, Any]:
    return {
        "of": lead.lead_id,
        "contact": lead.contact,
        "facts": lead.facts,
        "consent": lead.consent,
        "touches": lead.touches,
        "updated_at": lead.updated_at,
    }


def _lead(row: Any) -> Lead:
    return Lead(**row._mapping)
