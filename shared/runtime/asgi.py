"""What every request passes through: its trace, a limit on nesting, a net for what nobody caught.

Pure ASGI, because Starlette's ``BaseHTTPMiddleware`` costs most of a small request's time.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.contracts.ids import current_traceparent, follow

MAX_DEPTH: Final = 64
"""How deep JSON in a request may be nested. Far below what parsers and serializers give up at."""

DRAIN_BYTES: Final = 8 * 1024 * 1024
DRAIN_SECONDS: Final = 2.0
"""How much is read, and for how long, of a body that has been refused already."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string, up to the end of the body when it is never closed, or a bracket. It never looks at a
byte twice: anybody may send a body, before they have shown a key."""
_QUOTE: Final = ord('"')

Answer = Callable[[Request, Exception], Awaitable[Response]]


class Aborted(Exception):
    """A response broke off after it had begun; the reason has been logged."""


class Frame:
    """Continues the caller's trace, or begins one, and names it in ``traceresponse``.

    Refuses bodies of more than ``max_body`` bytes with a problem (the framework's own limit answers
    plain text), and deep JSON. The paths in ``parses_itself`` see to both themselves; only bodies
    of undeclared length are limited there too.

    An error that nobody handled becomes ``answer``'s response here and goes no further: the server
    would log it with its text, which may quote a lead.
    """

    def __init__(
        self, app: ASGIApp, answer: Answer, max_body: int, parses_itself: Collection[str]
    ) -> None:
        self.app = app
        self._answer = answer
        self._max_body = max_body
        self._parses_itself = frozenset(parses_itself)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        follow(headers.get(b"traceparent", b"").decode("latin-1"))
        trace = current_traceparent().encode()
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), (b"traceresponse", trace)]
            await send(message)

        limited = receive
        own = scope["path"] in self._parses_itself
        if not (own and b"content-length" in headers):
            shallow = not own and b"json" in headers.get(b"content-type", b"")
            limited = _limited(receive, self._max_body, shallow)
        try:
            await self.app(scope, limited, send_on)
        except Exception as error:
            response = await self._answer(Request(scope, receive), error)
            if started:
                raise Aborted from None
            await response(scope, receive, send_on)


async def drained(message: Message, receive: Receive) -> dict[str, str]:
    """Read on behind ``message``, up to a bound: a client that still sends does not read its
    answer, and would lose it to the reset of a connection closed under it. Returns the answer's
    headers: the connection ends where more is to come."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while message.get("more_body") and size <= DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
    return {"Connection": "close"} if message.get("more_body") else {}


def _limited(receive: Receive, max_body: int, shallow: bool) -> Receive:
    """The same body, but HTTPException 413 for one too long, and, where it should be ``shallow``,
    400 at the end of one that is nested too deep."""
    chunks: list[bytes] = []
    opened = size = 0

    async def limited() -> Message:
        nonlocal opened, size
        message = await receive()
        body = message.get("body", b"")
        size += len(body)
        if size > max_body:
            raise HTTPException(413, headers=await drained(message, receive))
        if shallow and message["type"] == "http.request":
            chunks.append(body)
            opened += body.count(b"[") + body.count(b"{")
            if opened > MAX_DEPTH and not message.get("more_body") and _too_deep(b"".join(chunks)):
                raise HTTPException(400, f"JSON may be nested {MAX_DEPTH} levels deep, no more.")
        return message

    return limited


def _too_deep(body: bytes) -> bool:
    depth = 0
    for token in _TOKEN.finditer(body):
        bracket = body[token.start()]
        if bracket == _QUOTE:
            continue
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False
