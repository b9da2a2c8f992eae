"""Pages that let a rep in: what an admin makes for them, and what they find behind the link."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.routing.joining import (
    PLACE,
    address,
    invite,
    invited_rep,
    make_key,
    works_no_longer,
)
from services.routing.store.unit import Routing
from shared.access import Principal, Role, check_csrf, page_principal, visitor
from shared.access.http import access_of, keep_session, new_session, same_origin
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

Admin = Annotated[Principal, Depends(page_principal(Role.ADMIN))]
Visitor = Annotated[Principal | None, Depends(visitor)]


def add_joining_pages(router: APIRouter, transactions: Transactions[Routing], pages: Pages) -> None:
    """Add the routes of invitations and keys."""
    db = transactions.db

    @router.post("/routing/reps/{rep_id}/invitation", dependencies=[Depends(check_csrf)])
    async def make_invitation(request: Request, _: Admin, rep_id: str) -> Response:
        """An invitation, shown this once."""
        made = await invite(access_of(request), db, rep_id)
        return pages.render(
            request, "made.html", rep=made.rep, link=address(request, made.path), invitation=made
        )

    @router.post("/routing/reps/{rep_id}/key", dependencies=[Depends(check_csrf)])
    async def make_a_key(request: Request, _: Admin, rep_id: str) -> Response:
        """A key, shown this once."""
        rep, key = await make_key(access_of(request), db, rep_id)
        return pages.render(request, "made.html", rep=rep, key=key, invitation=None)

    @router.get(PLACE + "/{secret}")
    async def welcome(request: Request, who: Visitor, secret: str) -> Response:
        """Who is invited, and one button: to open a link changes nothing."""
        rep = await invited_rep(access_of(request), db, secret)
        return pages.render(request, "join.html", rep=rep, key=None, who=who)

    @router.post(PLACE + "/{secret}")
    async def join(request: Request, _: Visitor, secret: str) -> Response:
        """Use the invitation: a key of their own, shown this once, and a session with it."""
        if not same_origin(request):
            raise Problem(403, "Come in here", "Open the link itself and use the button there.")
        access = access_of(request)
        rep = await invited_rep(access, db, secret)
        joined = await access.take_up(secret, "made by an invitation")
        if joined is None:
            raise works_no_longer()
        principal, key = joined
        session = new_session(request, principal)
        response = pages.render(request, "join.html", rep=rep, key=key, who=principal)
        keep_session(request, response, session)
        return response
