"""The frame of every service's HTTP interface: errors, traces, limits, health and operations."""

import logging
from collections.abc import Collection
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.access import visitor
from shared.contracts.problems import Problem
from shared.db.errors import is_transient, is_unstorable
from shared.runtime.asgi import Frame
from shared.runtime.filters import known_filters
from shared.runtime.logs import frames
from shared.runtime.operations import operations_router
from shared.runtime.service import Infra
from shared.web.api_reference import add_api_reference
from shared.web.pages import problem_page, wants_html

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024


def create_app(
    name: str,
    title: str,
    infra: Infra,
    *,
    description: str = "",
    max_body: int = MAX_BODY_BYTES,
    parses_itself: Collection[str] = (),
) -> FastAPI:
    """An application whose errors are problem details and whose routes start with ``/<name>/``.

    ``parses_itself``: paths whose routes read their bodies themselves and mind the declared length
    and how deep JSON goes.
    ``app.state.parts`` holds what health and dead-letter endpoints work on; the composition root
    fills it once the parts exist.
    """
    app = FastAPI(
        title=f"Leadloop {title}",
        description=description,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"/{name}/openapi.json",
        dependencies=[Depends(known_filters)],
        # FastAPI would ask at every request whether anybody wants its own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.access = infra.access
    app.state.links = infra.links
    app.state.max_body = max_body
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(SQLAlchemyError, _on_error)
    app.add_exception_handler(OSError, _on_error)
    app.add_middleware(Frame, answer=_on_uncaught, max_body=max_body, parses_itself=parses_itself)
    app.include_router(operations_router(name, infra))
    add_api_reference(app, f"/{name}/docs", [Depends(visitor)])
    return app


def problem_response(problem: Problem) -> Response:
    """A problem as ``application/problem+json``."""
    return JSONResponse(
        problem.document(),
        status_code=problem.status,
        headers=problem.headers,
        media_type="application/problem+json",
    )


def answer(request: Request, problem: Problem) -> Response:
    """A problem in the form the caller reads: a page for browsers, JSON for everybody else."""
    location = problem.headers.get("Location")
    if location is not None:
        if wants_html(request):
            return RedirectResponse(location, status_code=303)
        return problem_response(
            Problem(401, "Log in first", "Open /login in a browser, or use the API with a key.")
        )
    page = None if "/v1/" in request.url.path else problem_page(request, problem)
    return page or problem_response(problem)


def validation_problem(errors: list[dict[str, Any]]) -> Problem:
    """Pydantic's errors as a problem with a JSON pointer each, without any value."""
    places = [
        {"pointer": pointer(error["loc"]), "detail": _plain(str(error["msg"]))} for error in errors
    ]
    first = places[0] if places else {"pointer": "", "detail": "not valid"}
    return Problem(
        422,
        "Some fields are not valid",
        f"{first['pointer'] or 'the body'}: {first['detail']}"
        + (f" (and {len(places) - 1} more, see errors)" if len(places) > 1 else ""),
        errors=places,
    )


def pointer(location: tuple[Any, ...] | list[Any]) -> str:
    """A Pydantic error location as a JSON pointer (RFC 6901); of a key, its member's."""
    if location and location[-1] == "[key]":
        location = location[:-1]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [{**e, "loc": tuple(e["loc"])[1:]} for e in error.errors()]
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return answer(
            request,
            Problem(400, "Unreadable JSON", "The body is not valid JSON: check its syntax."),
        )
    return answer(request, validation_problem(errors))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    limit: int = getattr(request.app.state, "max_body", MAX_BODY_BYTES)
    details = {
        404: ("Not found", "There is nothing at this address."),
        405: ("Method not allowed", "This address does not take that method."),
        413: ("Too large", f"The body may have at most {limit // 1024} KB."),
    }
    title, detail = details.get(error.status_code, ("Request refused", str(error.detail)))
    headers = dict(error.headers or {})
    return answer(request, Problem(error.status_code, title, detail, headers=headers))


async def _on_uncaught(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return await _on_http_error(request, error)
    return await _on_error(request, error)


async def _on_error(request: Request, error: Exception) -> Response:
    if is_transient(error):
        log.warning("database unavailable: %s", type(error).__name__)
        problem = Problem(
            503,
            "Try again",
            "The service cannot reach its database at the moment, and can't promise that this was "
            "stored. Send the request again; with an Idempotency-Key it counts once.",
            headers={"Retry-After": "2"},
        )
    elif is_unstorable(error):
        problem = Problem(
            422,
            "This can't be stored",
            "The request holds a value that the database takes nowhere, a NUL character for "
            "example. Nothing was changed.",
        )
    else:
        log.error("unexpected %s", type(error).__name__, extra={"frames": frames(error)})
        problem = Problem(
            500,
            "Something went wrong",
            "This is a fault of the service. It has been logged; please try again later.",
        )
    return answer(request, problem)
