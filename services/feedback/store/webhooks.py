"""Webhooks, as the API, the pages and whoever sends read them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from services.feedback.domain.webhooks import Webhook
from services.feedback.store import feedback_log
from services.feedback.store.aggregates import WEBHOOKS
from services.feedback.store.tables import webhooks


@dataclass(frozen=True, slots=True)
class Standing:
    """A webhook, and how many events are behind its place, wanted or not."""

    hook: Webhook
    behind: int


def list_webhooks(conn: Connection) -> list[Standing]:
    """All of them, oldest first."""
    newest = feedback_log.head(conn)
    found = WEBHOOKS.items(conn.execute(WEBHOOKS.query().order_by(webhooks.c.webhook_id)))
    return [Standing(hook, max(newest - hook.place, 0)) for hook in found]


def find_webhook(conn: Connection, webhook_id: str) -> Standing | None:
    """One of them."""
    query = WEBHOOKS.query().where(webhooks.c.webhook_id == webhook_id)
    hook = next(iter(WEBHOOKS.items(conn.execute(query))), None)
    if hook is None:
        return None
    return Standing(hook, max(feedback_log.head(conn) - hook.place, 0))


def next_due(conn: Connection) -> tuple[datetime | None, int]:
    """When somebody may send to the next webhook that there is something for, if there is one; and
    the number of the newest event."""
    newest = feedback_log.head(conn)
    c = webhooks.c
    rows = conn.execute(
        select(c.next_at, c.lease_until).where(c.active.is_(True), c.place < newest)
    ).all()
    due = [max(row.next_at, row.lease_until or row.next_at) for row in rows]
    return min(due, default=None), newest


def count_failing(conn: Connection) -> int:
    """How many fail, or were switched off for that."""
    c = webhooks.c
    failing = or_(c.failures > 0, c.ended_because.is_not(None))
    counted: int = conn.execute(select(func.count()).where(failing)).scalar_one()
    return counted
