"""``POST /capture/v1/leads``: plain ASGI, because this is the one path that has to be fast."""

from typing import Final

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from services.capture.handlers.submissions import Refused
from services.capture.intake.answers import answer_members
from services.capture.intake.encodings import JSON, as_json
from services.capture.intake.reception import MAX_BODY, Reception, scoped_key
from shared.access import Access, Role
from shared.contracts.ids import current_traceparent
from shared.contracts.problems import Problem
from shared.runtime.asgi import drained

PATH: Final = "/capture/v1/leads"
_HEADERS: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_KEPT: Final = frozenset({400, 413, 415, 422})
_MAY_POST: Final = (Role.FORM, Role.SERVICE, Role.MARKETER, Role.ADMIN)


class PostLeads:
    """An ASGI application. Problems are raised for the frame around it to answer."""

    def __init__(self, reception: Reception, access: Access) -> None:
        self._reception = reception
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization = key = None
        content_type = ""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value.decode("latin-1")
            elif name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == b"idempotency-key":
                key = value.decode("latin-1")
        principal = await self._access.authenticate(authorization)
        if principal.role not in _MAY_POST:
            self._access.require(principal, *_MAY_POST)
        source = f"key:{principal.key_id}"
        body = b""
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise await _oversized(message, receive)
                if not message.get("more_body", False):
                    break
            stored_key = scoped_key(principal.key_id, key)
            lead = body if content_type == JSON else await as_json(content_type, body)
            answer = await self._reception.take(lead, stored_key)
        except Problem as problem:
            if problem.status in _KEPT:
                await self._reception.keep(Refused(problem, content_type, body, source))
            raise
        except ClientDisconnect:
            return
        text = orjson.dumps(answer_members(answer))
        headers = [
            *_HEADERS,
            (b"content-length", b"%d" % len(text)),
            (b"traceresponse", current_traceparent().encode()),
        ]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": text})


async def _oversized(message: Message, receive: Receive) -> Problem:
    return Problem(
        413,
        "Too large",
        f"A lead may have at most {MAX_BODY // 1024} KB.",
        headers=await drained(message, receive),
    )
