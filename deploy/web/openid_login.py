"""Logging in at the company's own OpenID Connect provider."""

import logging
from collections.abc import Mapping
from dataclasses import astuple
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from deploy.web.attempts import Attempts
from deploy.web.front import home, pages
from shared.access import Principal, visitor
from shared.access.http import access_of, begin_session
from shared.access.openid import Departure, OpenId, began_elsewhere
from shared.access.openid_claims import LoginFailed, WhichRep, rep_of, role_of
from shared.access.roles import Role
from shared.access.sessions import AWAY_COOKIE, AWAY_SECONDS, COOKIE
from shared.contracts.problems import Problem
from shared.runtime.peers import Peers
from shared.web import local_path

log = logging.getLogger(__name__)

BACK = "/login/oidc/back"
ASKS_FOR_SECONDS = 30
"""How long a login may take to find out which rep somebody is."""
LABEL = "logged in by OpenID Connect"


def add_openid_login(routes: APIRouter, openid: OpenId) -> None:
    """Add the two routes: leaving for the provider, and coming back."""
    made_up = Attempts()

    @routes.get("/login/oidc")
    async def leave(
        request: Request,
        _visitor: Annotated[Principal | None, Depends(visitor)],
        come_back_to: Annotated[str, Query(alias="next")] = "",
    ) -> Response:
        here = openid.settings.redirect_uri or str(request.base_url).rstrip("/") + BACK
        try:
            address, leaving = await openid.depart(here, local_path(come_back_to, default=""))
        except LoginFailed as failure:
            return _sorry(request, openid, failure)
        response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
        response.set_cookie(
            AWAY_COOKIE,
            access_of(request).sessions.leave(astuple(leaving)),
            max_age=AWAY_SECONDS,
            path="/login",
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    @routes.get(BACK)
    async def come_back(
        request: Request, _visitor: Annotated[Principal | None, Depends(visitor)]
    ) -> Response:
        client = request.client.host if request.client else ""
        try:
            if made_up.wait(client):
                raise _too_often()
            left = _left(request)
            claims = await openid.arrive(left, request.query_params)
            principal = await _let_in(request, openid, claims)
        except LoginFailed as failure:
            if failure.code == "code_refused":  # the provider was asked in vain
                made_up.failed(client)
            # What failed, never who.
            log.warning("a login by OpenID Connect failed: %s", failure.code)
            response = _sorry(request, openid, failure)
        else:
            made_up.succeeded(client)
            start = home(request.app.state.links, principal.role)
            to = local_path(left.come_back_to, default=start)
            response = RedirectResponse(to, 303, headers={"Cache-Control": "no-store"})
            begin_session(request, response, principal)
        response.delete_cookie(AWAY_COOKIE, path="/login", httponly=True, samesite="lax")
        return response


def _left(request: Request) -> Departure:
    match access_of(request).sessions.come_back(request.cookies.get(AWAY_COOKIE)):
        case [state, nonce, verifier, redirect_uri, come_back_to]:
            return Departure(state, nonce, verifier, redirect_uri, come_back_to)
    raise began_elsewhere()


async def _let_in(request: Request, openid: OpenId, claims: Mapping[str, Any]) -> Principal:
    """Whoever the claims are about, with a login of their own."""
    role = role_of(openid.settings, claims)
    which = rep_of(openid.settings, claims, role)
    rep_id = None if which is None else await _rep(request, which)
    return await access_of(request).let_in(role, rep_id, LABEL)


async def _rep(request: Request, which: WhichRep) -> str:
    """The id of a rep whom routing knows and who works here. Raises LoginFailed."""
    access, peers = access_of(request), request.app.state.peers
    assert isinstance(peers, Peers)
    asking = await access.let_in(Role.SERVICE, None, "asks which rep logs in", ASKS_FOR_SECONDS)
    cookie = f"{COOKIE}={access.sessions.begin(asking.key_id)}"
    wanted = {"rep_id": which.rep_id} if which.rep_id else {"email": which.email}
    try:
        response = await peers.get(request, "/routing/v1/reps", wanted, cookie=cookie)
    except Problem:
        raise _routing_away() from None
    finally:
        await access.log_out(asking)
    if not response.is_success:
        raise _routing_away()
    found = [one for one in response.json()["items"] if one["status"] != "gone"]
    if len(found) == 1:
        return str(found[0]["rep_id"])
    known_by = "its id" if which.rep_id else "your e-mail address"
    if found:
        raise LoginFailed(
            "ambiguous_rep",
            "More than one rep has your e-mail address",
            "An admin can give each rep their own on the page Reps.",
        )
    raise LoginFailed(
        "no_rep",
        "You are no rep here yet",
        f"Your account is fine, but there is no rep with {known_by}. An admin adds reps, and "
        "their e-mail addresses, on the page Reps.",
    )


def _routing_away() -> LoginFailed:
    return LoginFailed(
        "routing_away",
        "It can't be found out which rep you are",
        "The part that knows the reps does not answer. Try again in a moment.",
        503,
    )


def _too_often() -> LoginFailed:
    return LoginFailed(
        "too_often", "That failed too often", "Wait a minute, then log in again.", 429
    )


def _sorry(request: Request, openid: OpenId, failure: LoginFailed) -> Response:
    return pages.render(
        request,
        "login.html",
        status_code=failure.status,
        next="",
        error=None,
        openid=openid.settings.name,
        failure=failure,
    )
