"""Record what a known lead did."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from services.capture.domain.activity import Activity
from services.capture.domain.email import normalise_email
from services.capture.store.unit import Capture
from shared.contracts.events import ActivityRecorded
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import FIELDS_READ

SKEW: Final = timedelta(seconds=60)
"""How far a caller's clock may be ahead of ours."""
_KEYS: Final = UUID("0199f2a4-6f1e-7c55-9d0b-7a1c5a9e4d21")
"""Namespace of activity ids made from idempotency keys (UUIDv5): one key, one id."""


def record_activity(
    unit: Capture,
    *,
    lead_id: str | None,
    email: str | None,
    kind: str,
    occurred_at: datetime | None,
    idempotency_key: str | None = None,
) -> Activity:
    """Store an activity and tell the others, with the lead's facts. It may be long past.

    Raises Problem 422 for one that is yet to happen or another one under a used key, 404 for a
    lead we do not know.
    """
    now = unit.now
    if kind == FIELDS_READ:
        raise _invalid("/kind", "is what Leadloop calls facts that it reads anew: use another")
    if occurred_at is not None and occurred_at > now + SKEW:
        raise _invalid("/occurred_at", "lies in the future")
    at = (occurred_at or now).astimezone(UTC)
    lead = unit.find_lead(lead_id=lead_id, identity=_identity(email) if email else None)
    if lead is None:
        raise Problem(404, "Unknown lead", "No lead has this lead_id or e-mail address.")
    activity_id = str(uuid5(_KEYS, idempotency_key)) if idempotency_key else new_id()
    if idempotency_key:
        # The lead's lock is held, and this one is always the last: nobody waits in a circle.
        unit.lock([f"activity:{activity_id}"])
    earlier = unit.activities.fetch(activity_id) if idempotency_key else None
    if earlier is not None:
        if (earlier.lead_id, earlier.kind) != (lead.lead_id, kind) or (
            occurred_at is not None and occurred_at != earlier.occurred_at
        ):
            raise Problem(
                422,
                "Idempotency key used before",
                "This Idempotency-Key came with another activity. Send a new key with a new one.",
            )
        return earlier
    activity = Activity(activity_id, lead.lead_id, kind, at, now)
    unit.activities.put(activity)
    unit.emit(
        ActivityRecorded(
            lead_id=lead.lead_id,
            activity_id=activity.activity_id,
            kind=kind,
            occurred_at=at,
            facts=lead.all_facts(),
        )
    )
    return activity


def _identity(email: str) -> str:
    try:
        return f"email:{normalise_email(email)}"
    except ValueError as error:
        raise _invalid("/email", str(error)) from None


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem(
        422,
        "The activity can't be accepted",
        f"{pointer[1:]} {detail}.",
        errors=[{"pointer": pointer, "detail": detail}],
    )
