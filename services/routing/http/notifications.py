"""How somebody is told of leads: for themselves, and for admins."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy import Connection

from services.routing.callers import check_own
from services.routing.channel_documents import (
    NotificationsIn,
    TestIn,
    check_channels,
    fresh_secret,
    notice_json,
    notifications_json,
)
from services.routing.handlers import telling
from services.routing.store import queries
from services.routing.store.notices import newest_of, statuses_of
from services.routing.store.unit import Routing
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.outgoing import Outgoing
from shared.runtime.paging import listing
from shared.runtime.unit import Transactions

Caller = Annotated[Principal, Depends(allow(Role.REP, Role.MANAGER, Role.ADMIN))]


def notifications_router(
    transactions: Transactions[Routing], outgoing: Outgoing, *, mail: bool
) -> APIRouter:
    """Routes under ``/routing/v1/reps/{rep_id}/notifications``."""
    router = APIRouter(prefix="/routing/v1/reps/{rep_id}", tags=["notifications"])

    def shown(conn: Connection, rep_id: str) -> dict[str, Any]:
        rep = queries.find_rep(conn, rep_id)
        if rep is None:
            raise Problem(404, "No such rep", "There is no rep with this id.")
        return notifications_json(rep, statuses_of(conn, rep_id), mail)

    @router.get("/notifications")
    async def get_notifications(caller: Caller, rep_id: str) -> dict[str, Any]:
        """By what, of what and when a rep is told of leads, and whether it gets through."""
        check_own(caller, rep_id)
        return await transactions.db.read(lambda conn: shown(conn, rep_id))

    @router.put("/notifications")
    async def put_notifications(
        caller: Caller, rep_id: str, body: NotificationsIn
    ) -> dict[str, Any]:
        """Change that, all at once. A channel that had ended begins anew."""
        check_own(caller, rep_id)
        chosen = body.channels
        if chosen is not None:
            check_channels(chosen, outgoing)
        channels = None if chosen is None else [one.channel() for one in chosen]
        secret = fresh_secret()
        await transactions.run(lambda unit: telling.choose_channels(unit, rep_id, channels, secret))
        return await transactions.db.read(lambda conn: shown(conn, rep_id))

    @router.post("/notifications/test", status_code=202)
    async def send_test(caller: Caller, rep_id: str, body: TestIn) -> dict[str, Any]:
        """Send a message that says nothing; what becomes of it is among the sent ones."""
        check_own(caller, rep_id)
        return notice_json(
            await transactions.run(lambda unit: telling.ask_for_test(unit, rep_id, body.medium))
        )

    @router.get("/notifications/sent")
    async def list_sent(caller: Caller, rep_id: str) -> dict[str, Any]:
        """The newest messages to a rep, newest first, sent or not."""
        check_own(caller, rep_id)
        found = await transactions.db.read(lambda conn: newest_of(conn, rep_id, 50))
        return listing([notice_json(one) for one in found], None)

    return router
