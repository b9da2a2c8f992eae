"""The rest of the JSON interface: activities, leads, bad submissions."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from services.capture.domain.email import normalise_email
from services.capture.handlers.activities import record_activity
from services.capture.http.fields import add_fields
from services.capture.http.forms import add_forms
from services.capture.http.hooks import add_hooks
from services.capture.http.sources import add_sources
from services.capture.intake.reception import Reception, scoped_key
from services.capture.store.queries import (
    bad_before,
    lead_with_touches,
    leads_after,
)
from services.capture.store.unit import Capture
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.runtime.paging import bad_cursor, decode_cursor, listing
from shared.runtime.unit import Transactions

Writer = Annotated[Principal, Depends(allow(Role.SERVICE, Role.MARKETER, Role.ADMIN))]
Reader = Annotated[Principal, Depends(allow(Role.SERVICE, Role.MANAGER, Role.MARKETER, Role.ADMIN))]
Onlooker = Annotated[
    Principal, Depends(allow(Role.SERVICE, Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN))
]
Admin = Annotated[Principal, Depends(allow(Role.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=500)]
Address = Annotated[str | None, Query(max_length=320)]

_IMPERSONAL = frozenset(
    ("lead_id", "captured_at", "updated_at", "attribution", "touch_count", "touches", "activities")
)
_ID = re.compile(r"[0-9a-f-]{36}")
_PLAIN = r"^[^\x00]*$"


class ActivityIn(BaseModel):
    """Something a known lead did: named by ``lead_id`` or by ``email``."""

    lead_id: Annotated[str, StringConstraints(max_length=64, pattern=_PLAIN)] | None = None
    email: Annotated[str, StringConstraints(max_length=320, pattern=_PLAIN)] | None = None
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    """For example ``page_viewed``, ``email_clicked``, ``webinar_attended``."""
    occurred_at: Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None
    """When, with its offset from UTC; now when left out. Long past is fine."""


def api_router(transactions: Transactions[Capture], reception: Reception) -> APIRouter:
    """Capture's routes."""
    router = APIRouter(prefix="/capture/v1")
    _add_activities(router, transactions)
    _add_leads(router, transactions.db)
    add_fields(router, transactions)
    add_forms(router, transactions)
    add_sources(router, transactions)
    add_hooks(router, transactions.db, reception)
    return router


def _add_activities(router: APIRouter, transactions: Transactions[Capture]) -> None:
    @router.post("/activities", status_code=202, tags=["activities"])
    async def post_activity(
        caller: Writer,
        activity: ActivityIn,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> dict[str, str]:
        """Record what a known lead did. The same Idempotency-Key records it once."""
        if not activity.lead_id and not activity.email:
            raise Problem(
                422,
                "The activity can't be accepted",
                "lead_id is needed (or an e-mail address).",
                errors=[{"pointer": "/lead_id", "detail": "is needed (or an e-mail address)"}],
            )
        key = scoped_key(caller.key_id, idempotency_key)
        stored = await transactions.run(
            lambda unit: record_activity(
                unit,
                lead_id=activity.lead_id,
                email=activity.email,
                kind=activity.kind,
                occurred_at=activity.occurred_at,
                idempotency_key=key,
            )
        )
        return {"activity_id": stored.activity_id, "lead_id": stored.lead_id}


def _add_leads(router: APIRouter, db: Database) -> None:
    @router.get("/leads", tags=["leads"])
    async def list_leads(
        _: Reader, cursor: str | None = None, limit: Limit = 100, email: Address = None
    ) -> dict[str, Any]:
        """Every lead's id and the time it was captured, oldest first; ``email``: of the one with
        this address. No personal data."""
        after, identity = _place(cursor), None
        if email is not None:
            try:
                identity = f"email:{normalise_email(email)}"
            except ValueError as error:
                raise Problem(422, "No address", f"email {error}.") from None
        items = await db.read(lambda conn: leads_after(conn, after, limit, identity))
        return listing(items, items[-1]["lead_id"] if len(items) == limit else None)

    @router.get("/leads/{lead_id}", tags=["leads"])
    async def get_lead(_: Reader, lead_id: str) -> dict[str, Any]:
        """A lead: who it is, its facts, where it came from, and each touch, newest first.

        What a lead gathers is bounded: ``fields_dropped`` and ``consents_dropped`` count what gave
        way to newer custom fields and newer consents."""
        lead = None
        if _ID.fullmatch(lead_id):
            lead = await db.read(lambda conn: lead_with_touches(conn, lead_id))
        if lead is None:
            raise Problem(404, "Unknown lead", "No lead has this lead_id.")
        return lead

    @router.get("/leads/{lead_id}/touches", tags=["leads"])
    async def get_touches(_: Onlooker, lead_id: str) -> dict[str, Any]:
        """What a lead did and where it came from, without who it is. For reps as well."""
        lead = await get_lead(_, lead_id)
        told = {name: value for name, value in lead.items() if name in _IMPERSONAL}
        # The wording that was shown may name the person.
        flags = [{k: v for k, v in one.items() if k != "text"} for one in lead["consent"]]
        return {**told, "consent": flags}

    @router.get("/bad-submissions", tags=["leads"])
    async def list_bad_submissions(
        _: Admin, cursor: str | None = None, limit: Limit = 100
    ) -> dict[str, Any]:
        """What could not be accepted, with the reason, newest first. Holds personal data."""
        before = _place(cursor)
        items = await db.read(lambda conn: bad_before(conn, before, limit))
        return listing(items, items[-1]["bad_submission_id"] if len(items) == limit else None)


def _place(cursor: str | None) -> str:
    if not cursor:
        return ""
    place = decode_cursor(cursor)
    if not _ID.fullmatch(place):
        raise bad_cursor()
    return place
