"""The shapes in which the API and the page take and show webhooks."""

import base64
import secrets
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services.feedback.domain.webhooks import Webhook
from services.feedback.event_filters import EventFilters, filters_json
from services.feedback.store import feedback_log
from services.feedback.store.webhooks import Standing
from services.feedback.webhook_sender import send
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.runtime.delivery import Tried
from shared.runtime.outgoing import MAX_ADDRESS, Outgoing, Refused
from shared.runtime.paging import decode_number, encode_cursor

SECRET_BYTES: Final = 24
TEST_TYPE: Final = "leadloop.webhook.test.v1"

Name = Annotated[str, Field(max_length=120)]
Url = Annotated[str, Field(max_length=MAX_ADDRESS)]


class PlaceIn(BaseModel):
    """Where to begin: behind a cursor ("" is the beginning) or with the events since a time."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, Field(max_length=120)] | None = None
    since: AwareDatetime | None = None


class WebhookIn(PlaceIn):
    """A new webhook; it gets what comes from now on, unless it says where to begin."""

    url: Url
    name: Name = ""
    filters: EventFilters = EventFilters()


class ChangeIn(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    name: Name | None = None
    filters: EventFilters | None = None
    active: bool | None = None
    """False pauses it; true has it go on where it stopped, also after it was switched off."""
    rotate_secret: bool = False
    """Make another secret, which the answer holds; for a day both sign."""


def fresh_secret() -> str:
    """A secret that nobody has."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_url(url: str, outgoing: Outgoing) -> None:
    """Raise Problem 422 for an address that can't be called."""
    try:
        outgoing.check(url)
    except Refused as refused:
        errors = [{"pointer": "/url", "detail": str(refused)}]
        raise Problem(422, "This address can't be used", str(refused), errors=errors) from None


def place_of(conn: Connection, asked: PlaceIn) -> int | None:
    """The place that was asked for; None: none was. Raises Problem 400, 422."""
    if asked.cursor is not None and asked.since is not None:
        raise Problem(422, "Two places to begin", "Give a cursor or a time, not both.")
    if asked.since is not None:
        return feedback_log.place_before(conn, asked.since)
    if asked.cursor is not None:
        return min(decode_number(asked.cursor), feedback_log.head(conn))
    return None


def webhook_json(standing: Standing, secret: str | None = None) -> dict[str, Any]:
    """A webhook as the API shows it; its secret only where it was just made."""
    hook = standing.hook
    document = {
        "webhook_id": hook.webhook_id,
        "name": hook.name,
        "url": hook.url,
        "filters": filters_json(hook.wanted),
        "active": hook.active,
        "ended_because": hook.ended_because,
        "ended_at": hook.ended_at,
        "cursor": encode_cursor(hook.place),
        "behind": standing.behind,
        "delivered": hook.delivered,
        "delivered_at": hook.delivered_at,
        "failures": hook.failures,
        "failing_since": hook.failing_since,
        "failed_at": hook.failed_at,
        "error": hook.error,
        "next_try_at": hook.next_at if hook.active and hook.failures else None,
        "old_secret_until": hook.old_secret_until,
        "created_at": hook.created_at,
    }
    return document if secret is None else {**document, "secret": secret}


async def send_test(outgoing: Outgoing, hook: Webhook, now: datetime) -> Tried:
    """Send an event that says nothing, once."""
    event_id = new_id()
    event = {
        "specversion": "1.0",
        "id": event_id,
        "type": TEST_TYPE,
        "source": "/leadloop/feedback",
        "time": now.isoformat().replace("+00:00", "Z"),
        "subject": hook.webhook_id,
        "datacontenttype": "application/json",
        "data": {},
    }
    return await send(outgoing, hook, event_id, orjson.dumps(event), now, {})
