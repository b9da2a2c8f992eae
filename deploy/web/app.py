"""The front application of each process: whatever no service in it answers."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from deploy.web import front, login
from shared.access import Access, visitor
from shared.access.openid import OpenId
from shared.contracts.problems import Problem
from shared.runtime.http import answer
from shared.runtime.peers import Peers
from shared.web import Links, static_mounts

MAX_BODY_BYTES = 16 * 1024


def build(
    access: Access,
    links: Links,
    services: Mapping[str, Path],
    peers: Peers | None = None,
    openid: OpenId | None = None,
) -> FastAPI:
    """The front page, the login, the static files, and a friendly 404 for everything else.

    ``services`` maps the services of this process to their folders, where their static files are.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, max_body_size=MAX_BODY_BYTES)
    app.state.access = access
    app.state.links = links
    app.state.peers = peers or Peers(links)
    app.include_router(front.router)
    app.include_router(login.router(openid))
    app.router.routes.extend(static_mounts(services))
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_error)
    return app


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    await visitor(request)  # so that the page still says who is logged in
    if error.status_code == 404:
        problem = Problem(
            404,
            "There is nothing at this address",
            "The link may be old, or the address mistyped. Everything starts on the front page.",
        )
    elif error.status_code == 405:
        problem = Problem(
            405,
            "Method not allowed",
            "This address does not take that method.",
            headers=dict(error.headers or {}),
        )
    else:
        problem = Problem(error.status_code, "Request refused", str(error.detail))
    return answer(request, problem)
