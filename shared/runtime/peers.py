"""The other services' HTTP interfaces, asked for a page in the name of whoever looks at it.

No service reads another's database. A page that shows what several services know asks each of them
with the visitor's own session, so that what may be seen is decided where it always is. A service of
the same process is called in memory, another one by its address.
"""

from collections.abc import Mapping
from typing import Any

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp

from shared.access.http import CSRF_HEADER
from shared.contracts.problems import Problem
from shared.web.links import Links

TIMEOUT_SECONDS = 5.0
_FORWARDED = ("authorization", "cookie", "traceparent")


class Peers:
    """Calls of the services' interfaces with the rights of the request they are made for.

    ``addresses`` says where services are that do not run in this process.
    """

    def __init__(self, addresses: Links) -> None:
        self._addresses = addresses
        self._here: dict[str, httpx.AsyncClient] = {}
        self._there: httpx.AsyncClient | None = None

    def runs_here(self, apps: Mapping[str, ASGIApp]) -> None:
        """Name the services of this process, by the first segment of their paths."""
        for name, app in apps.items():
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            self._here[name] = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    async def get(
        self,
        request: Request,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        cookie: str | None = None,
    ) -> httpx.Response:
        """Read ``/<service>/v1/…``, in the visitor's name or in that of the session in ``cookie``.
        Raises Problem 503 when the service can't be reached."""
        headers = {} if cookie is None else {"cookie": cookie}
        return await self._send(request, "GET", path, params=params, headers=headers)

    async def post(
        self, request: Request, path: str, body: Any = None, *, key: str | None = None
    ) -> httpx.Response:
        """Change something at ``/<service>/v1/…``; ``key`` is an Idempotency-Key. The caller has
        checked that the request comes from a form of ours. Raises Problem 503."""
        headers = {CSRF_HEADER: request.state.csrf_token}
        if key is not None:
            headers["idempotency-key"] = key
        return await self._send(request, "POST", path, json=body, headers=headers)

    async def close(self) -> None:
        """Close the connections."""
        for client in (*self._here.values(), *filter(None, [self._there])):
            await client.aclose()

    async def _send(self, request: Request, method: str, path: str, **more: Any) -> httpx.Response:
        service = path.split("/", 2)[1]
        headers = {
            name: request.headers[name] for name in _FORWARDED if name in request.headers
        } | more.pop("headers", {})
        try:
            return await self._client(service).request(
                method, self._base(service) + path, headers=headers, **more
            )
        except httpx.HTTPError:
            raise Problem(
                503,
                f"The part {service} does not answer",
                "Nothing was changed. Try again in a moment.",
                headers={"Retry-After": "5"},
            ) from None

    def _client(self, service: str) -> httpx.AsyncClient:
        if service in self._here:
            return self._here[service]
        if self._there is None:
            self._there = httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        return self._there

    def _base(self, service: str) -> str:
        return "" if service in self._here else str(getattr(self._addresses, service))


def problem_of(response: httpx.Response) -> Problem | None:
    """What a service refused, to be shown or raised again; None when it did not."""
    if response.is_success:
        return None
    try:
        document = response.json()
    except ValueError:
        document = {}
    return Problem(
        response.status_code,
        str(document.get("title", "Refused")),
        str(document.get("detail", "The service refused the request.")),
        **{k: v for k, v in document.items() if k not in ("type", "title", "detail", "status")},
    )
