"""Access at the edge of HTTP: dependencies for API endpoints and for pages.

API endpoints take ``Authorization: Bearer <key>``. A script of one of our own pages may use the
session cookie instead; for anything but reading it must then send the session's token in the header
``X-CSRF-Token``. Pages use the cookie, and each of their forms sends the token as ``csrf_token``.

The dependencies leave the caller in ``request.state.principal`` and the form token in
``request.state.csrf_token``, where the page shell finds them.
"""

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer

from shared.access.access import Access
from shared.access.roles import Principal, Role
from shared.access.sessions import COOKIE, MAX_AGE_SECONDS, Session
from shared.contracts.problems import Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
MAX_NEXT = 512

Dependency = Callable[..., Awaitable[Principal]]

# Only describes the scheme in the OpenAPI document; checking is ours, for the answer's sake.
_scheme = HTTPBearer(auto_error=False, description="An access key: `Authorization: Bearer <key>`")


class LoginRequired(Problem):
    """Sends a browser to the login page and back afterwards."""

    def __init__(self, come_back_to: str) -> None:
        super().__init__(
            303,
            "Log in first",
            "This page is for people who have logged in.",
            headers={"Location": "/login?next=" + quote(come_back_to[:MAX_NEXT], safe="/")},
        )


def access_of(request: Request) -> Access:
    """The access object of the application that serves this request."""
    access: Access = request.app.state.access
    return access


def allow(*roles: Role) -> Dependency:
    """A dependency for API endpoints: the caller, who must have one of ``roles``.

    Raises ``Problem`` 401 without a valid key, 403 with another role or a missing CSRF token.
    """

    async def dependency(request: Request) -> Principal:
        access = access_of(request)
        authorization = request.headers.get("authorization")
        found = await _from_cookie(request) if authorization is None else None
        if found is None:
            principal = await access.authenticate(authorization)
        else:
            principal, session = found
            if request.method not in SAFE_METHODS:
                _check(session, request.headers.get(CSRF_HEADER), request)
        access.require(principal, *roles)
        request.state.principal = principal
        return principal

    async def described(request: Request, _bearer: object = Depends(_scheme)) -> Principal:
        return await dependency(request)

    return described


def page_principal(*roles: Role) -> Dependency:
    """A dependency for pages: who is logged in, with one of ``roles`` (any role if none is given).

    Raises ``LoginRequired`` (303 to the login page) without a session and ``Problem`` 403 with
    another role.
    """

    async def dependency(request: Request) -> Principal:
        principal = await visitor(request)
        if principal is None:
            raise LoginRequired(_come_back_to(request))
        if roles:
            access_of(request).require(principal, *roles)
        return principal

    return dependency


async def visitor(request: Request) -> Principal | None:
    """A dependency for public pages: who is logged in, or None. Never fails."""
    request.state.principal, request.state.csrf_token = None, ""
    try:
        found = await _from_cookie(request)
    except Problem:
        return None
    if found is None:
        return None
    request.state.principal, request.state.csrf_token = found[0], found[1].csrf_token
    return found[0]


async def check_csrf(request: Request) -> None:
    """A dependency for a page's POST: the form must carry the session's token.

    Raises ``Problem`` 403 if the token is missing or wrong or the request comes from another site,
    ``LoginRequired`` if the session has ended meanwhile.
    """
    found = await _from_cookie(request)
    if found is None:
        raise LoginRequired(_come_back_to(request))
    sent = request.headers.get(CSRF_HEADER)
    if sent is None:
        value = (await request.form()).get(CSRF_FIELD)
        sent = value if isinstance(value, str) else None
    _check(found[1], sent, request)


def same_origin(request: Request) -> bool:
    """Whether a browser says that the request comes from a page of ours.

    Clients that send neither header are no browsers, and can't be tricked into a request.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def begin_session(request: Request, response: Response, principal: Principal) -> None:
    """Log somebody in: set the session cookie, for twelve hours."""
    keep_session(request, response, new_session(request, principal))


def new_session(request: Request, principal: Principal) -> str:
    """A session's cookie; a page that is rendered from now on is theirs."""
    sessions = access_of(request).sessions
    cookie = sessions.begin(principal.key_id)
    session = sessions.read(cookie)
    request.state.principal = principal
    request.state.csrf_token = session.csrf_token if session else ""
    return cookie


def keep_session(request: Request, response: Response, cookie: str) -> None:
    """Have the browser keep a new session, for twelve hours."""
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=MAX_AGE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def end_session(response: Response) -> None:
    """Log somebody out: delete the session cookie."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")


async def _from_cookie(request: Request) -> tuple[Principal, Session] | None:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    access = access_of(request)
    session = access.sessions.read(cookie)
    if session is None:
        return None
    principal = await access.principal_of_session(session)
    return None if principal is None else (principal, session)


def _check(session: Session, sent: str | None, request: Request) -> None:
    if (
        not sent
        or not compare_digest(sent.encode(), session.csrf_token.encode())
        or not same_origin(request)
    ):
        raise Problem(
            403,
            "This form is out of date",
            "Nothing was changed. Go back, load the page again and repeat what you did.",
        )


def _come_back_to(request: Request) -> str:
    """Where to go after the login: this page, or the page the form was on."""
    if request.method in SAFE_METHODS:
        query = request.url.query
        return request.url.path + (f"?{query}" if query else "")
    referrer = urlsplit(request.headers.get("referer", ""))
    return referrer.path if referrer.netloc == request.headers.get("host") else "/"
