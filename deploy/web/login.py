"""Logging in with an access key or at a provider, and out again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from deploy.web.attempts import Attempts
from deploy.web.front import HOMES, home, pages
from deploy.web.openid_login import add_openid_login
from shared.access import Principal, check_csrf, visitor
from shared.access.http import access_of, begin_session, end_session, same_origin
from shared.access.openid import OpenId
from shared.contracts.problems import Problem
from shared.db.errors import is_transient
from shared.web import local_path

Visitor = Annotated[Principal | None, Depends(visitor)]


def router(openid: OpenId | None = None) -> APIRouter:
    """The routes, with a count of failed attempts of their own."""
    routes = APIRouter()
    attempts = Attempts()
    name = openid.settings.name if openid else ""
    if openid is not None:
        add_openid_login(routes, openid)

    def form(
        request: Request,
        come_back_to: str,
        error: str | None = None,
        *,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        return pages.render(
            request,
            "login.html",
            status_code=status_code,
            headers=headers,
            next=local_path(come_back_to, default=""),
            error=error,
            openid=name,
            failure=None,
        )

    @routes.get("/login")
    async def login_page(
        request: Request,
        _visitor: Visitor,
        come_back_to: Annotated[str, Query(alias="next")] = "",
    ) -> Response:
        return form(request, come_back_to)

    @routes.post("/login")
    async def log_in(
        request: Request,
        _visitor: Visitor,
        key: Annotated[str, Form()] = "",
        come_back_to: Annotated[str, Form(alias="next")] = "",
    ) -> Response:
        if not same_origin(request):
            raise Problem(403, "Log in here", "Please open the login page itself and log in there.")
        client = request.client.host if request.client else ""
        if seconds := attempts.wait(client):
            return form(
                request,
                come_back_to,
                f"That was wrong too often. Please try again in {seconds} seconds.",
                status_code=429,
                headers={"Retry-After": str(seconds)},
            )
        if not key.strip():
            return form(request, come_back_to, "Paste your access key here.", status_code=422)
        principal = await _principal(request, key)
        if principal is None:
            attempts.failed(client)
            message = (
                "This key is not known, or it has been revoked. Check that you copied all of it."
            )
            return form(request, come_back_to, message, status_code=422)
        if principal.role not in HOMES:
            message = (
                f"This key has the role {principal.role.value}: it is for programs, not pages."
            )
            return form(request, come_back_to, message, status_code=422)
        attempts.succeeded(client)
        start = home(request.app.state.links, principal.role)
        response = RedirectResponse(local_path(come_back_to, default=start), status_code=303)
        begin_session(request, response, principal)
        return response

    @routes.post("/logout")
    async def log_out(request: Request, who: Visitor) -> Response:
        if who is not None:
            await check_csrf(request)
            try:
                await access_of(request).log_out(who)
            except Exception as error:
                if not is_transient(error):
                    raise  # without its store a login ends by itself; its cookie is gone already
        response = RedirectResponse("/", status_code=303)
        end_session(response)
        return response

    return routes


async def _principal(request: Request, key: str) -> Principal | None:
    try:
        return await access_of(request).authenticate(f"Bearer {key.strip()}")
    except Problem as problem:
        if problem.status == 401:
            return None
        raise
