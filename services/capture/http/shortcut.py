"""The short way to the busiest endpoint.

A frame's routing and error layers cost each request more than taking a lead in does. This stands in
front of them and calls the endpoint itself; what the endpoint raises takes the long way, through
the route of the same address, so that every error is answered as everywhere else.
"""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from services.capture.http.submit import PATH
from shared.contracts.ids import current_traceparent, follow

RAISED: Final = "leadloop.capture.raised"
"""Key of the exception in the scope of a request that takes the long way."""


class Shortcut:
    """Pure ASGI: calls ``endpoint`` for posted leads and ``app`` for everything else."""

    def __init__(self, app: ASGIApp, endpoint: ASGIApp) -> None:
        self.app = app
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        traceparent = ""
        for name, value in scope["headers"]:
            if name == b"traceparent":
                traceparent = value.decode("latin-1")
        follow(traceparent)
        try:
            await self._endpoint(scope, receive, send)
        except Exception as error:
            scope[RAISED] = error
            if not traceparent:  # the trace that has just begun goes on
                trace = current_traceparent().encode()
                scope["headers"] = [*scope["headers"], (b"traceparent", trace)]
            await self.app(scope, receive, send)


class LongWay:
    """The route's own endpoint: raises what the endpoint raised, or calls it."""

    def __init__(self, endpoint: ASGIApp) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if RAISED in scope:
            raise scope[RAISED]
        await self._endpoint(scope, receive, send)
