"""What the interface shows of leads and of bad submissions."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.capture.domain.lead import Lead
from services.capture.store.tables import activities, bad_submissions, leads, submissions
from shared.db.engine import Database

SENDERS = ("form", "key")
"""Kinds of sources: anybody may send to a form, so its senders must not crowd out the others."""
MAX_SHOWN = 200
"""Most touches and most activities shown with a lead; the newest."""


async def lead_with_touches(db: Database, lead_id: str) -> dict[str, Any] | None:
    """A lead with its submissions and activities, newest first."""
    async with db.read() as conn:
        lead = (await conn.execute(select(leads).where(leads.c.lead_id == lead_id))).first()
        if lead is None:
            return None
        return {
            "lead_id": lead.lead_id,
            "captured_at": lead.captured_at,
            "updated_at": lead.updated_at,
            "contact": lead.contact,
            "facts": Lead(**lead._mapping).all_facts(),
            "attribution": lead.attribution,
            "consent": [{"purpose": name, **answer} for name, answer in lead.consent.items()],
            "touch_count": lead.touches,
            "touches": await _touches(conn, lead_id),
            "activities": await _activities(conn, lead_id),
        }


async def _touches(conn: AsyncConnection, lead_id: str) -> list[dict[str, Any]]:
    rows = await conn.execute(
        select(
            submissions.c.submission_id,
            submissions.c.status,
            submissions.c.received_at,
            submissions.c.attribution,
        )
        .where(submissions.c.lead_id == lead_id)
        .order_by(submissions.c.submission_id.desc())
        .limit(MAX_SHOWN)
    )
    return [dict(row._mapping) for row in rows]


async def _activities(conn: AsyncConnection, lead_id: str) -> list[dict[str, Any]]:
    rows = await conn.execute(
        select(activities.c.activity_id, activities.c.kind, activities.c.occurred_at)
        .where(activities.c.lead_id == lead_id)
        .order_by(activities.c.occurred_at.desc(), activities.c.activity_id)
        .limit(MAX_SHOWN)
    )
    return [dict(row._mapping) for row in rows]


async def leads_after(db: Database, after: str, limit: int) -> list[dict[str, Any]]:
    """Ids and times, in the order of the ids, which is that of capturing."""
    async with db.read() as conn:
        rows = await conn.execute(
            select(leads.c.lead_id, leads.c.captured_at)
            .where(leads.c.lead_id > after)
            .order_by(leads.c.lead_id)
            .limit(limit)
        )
        return [dict(row._mapping) for row in rows]


async def add_bad_submissions(db: Database, rows: list[dict[str, Any]]) -> None:
    """Keep what could not be accepted."""
    async with db.write() as conn:
        await conn.execute(bad_submissions.insert(), rows)


async def bad_before(db: Database, before: str, limit: int) -> list[dict[str, Any]]:
    """Bad submissions, newest first; ``before`` empty starts with the newest."""
    query = select(bad_submissions).order_by(bad_submissions.c.bad_submission_id.desc())
    if before:
        query = query.where(bad_submissions.c.bad_submission_id < before)
    async with db.read() as conn:
        rows = await conn.execute(query.limit(limit))
        return [
            {**row._mapping, "body": bytes(row.body).decode("utf-8", "replace")} for row in rows
        ]


async def forget_bad_submissions(db: Database, older_than: datetime) -> None:
    """Delete bad submissions that came before a time."""
    async with db.write() as conn:
        await conn.execute(
            delete(bad_submissions).where(bad_submissions.c.received_at < older_than)
        )


async def keep_newest_bad_submissions(db: Database, count: int) -> None:
    """Delete all but so many of each kind of sender."""
    c = bad_submissions.c
    async with db.write() as conn:
        for kind in SENDERS:
            of_kind = c.source.like(f"{kind}:%")
            newest_to_go = (
                select(c.bad_submission_id)
                .where(of_kind)
                .order_by(c.bad_submission_id.desc())
                .offset(count)
                .limit(1)
            )
            last = (await conn.execute(newest_to_go)).scalar_one_or_none()
            if last is not None:
                await conn.execute(
                    delete(bad_submissions).where(of_kind, c.bad_submission_id <= last)
                )
