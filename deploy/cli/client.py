"""HTTP calls from the command line to the running product, as an administrator.

Whoever can open the access store is its administrator: with ``LEADLOOP_ADMIN_KEY`` the calls carry
that key; without it, a session of an existing admin key is signed with the store's secret.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from deploy.settings import Settings
from shared.access import Access, Role
from shared.access.sessions import COOKIE
from shared.contracts.topics import SERVICES
from shared.web.links import Links

Credentials = tuple[dict[str, str], dict[str, str]]
"""Headers and cookies."""


class Unanswered(Exception):
    """A service did not answer, or refused. The text says which and why."""


class Client:
    """The four services of the running product."""

    def __init__(self, http: httpx.AsyncClient, links: Links) -> None:
        self._http = http
        self._links = links

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer of ``/<service>/…``. Raises Unanswered."""
        service = path.split("/")[1]
        url = str(getattr(self._links, service)) + path
        try:
            response = await self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise Unanswered(
                f"{service} does not answer ({type(error).__name__}): is the product running? "
                "PORT and LEADLOOP_SERVICE_URLS say where it is looked for."
            ) from None
        if response.is_error:
            try:
                reason = response.json().get("detail", "")
            except ValueError:
                reason = ""
            raise Unanswered(f"{service} answered {response.status_code}: {reason}")
        return response.json() if response.content else None

    async def all(self, path: str) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 500}
        while True:
            page = await self.call("GET", path, params=params)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            params["cursor"] = page["next_cursor"]


@asynccontextmanager
async def connect(settings: Settings, *, with_key: bool = False) -> AsyncIterator[Client]:
    """A client for the running product that the settings name. Raises Unanswered.

    ``with_key`` makes an admin key for as long as the block lasts, as a program would have one;
    that takes the services two seconds to notice.
    """
    base = f"http://127.0.0.1:{settings.port}"
    here = Links(base, base, base, base)
    named = Links.parse(settings.service_urls)
    links = Links(
        named.capture or here.capture,
        named.qualify or here.qualify,
        named.routing or here.routing,
        named.feedback or here.feedback,
    )
    credentials = _key(settings, links) if with_key else _session(settings)
    async with (
        credentials as (headers, cookies),
        httpx.AsyncClient(headers=headers, cookies=cookies, timeout=30) as http,
    ):
        yield Client(http, links)


@asynccontextmanager
async def _session(settings: Settings) -> AsyncIterator[Credentials]:
    if settings.admin_key:
        yield _bearer(settings.admin_key), {}
        return
    async with Access.open(settings.databases, own=False) as access:
        admins = [key for key in await access.list_keys() if key.role == Role.ADMIN and key.active]
        if not admins:
            raise Unanswered("there is no admin key yet: leadloop keys create --role admin")
        cookie = access.sessions.begin(admins[0].key_id)
        session = access.sessions.read(cookie)
    assert session is not None
    yield {"X-CSRF-Token": session.csrf_token}, {COOKIE: cookie}


@asynccontextmanager
async def _key(settings: Settings, links: Links) -> AsyncIterator[Credentials]:
    if settings.admin_key:
        yield _bearer(settings.admin_key), {}
        return
    async with Access.open(settings.databases, own=False) as access:
        key_id, key = await access.create_key(Role.ADMIN, label="command line, temporary")
        try:
            await _known(links, key)
            yield _bearer(key), {}
        finally:
            await access.revoke_key(key_id)


async def _known(links: Links, key: str) -> None:
    """Wait until every service knows a new key. Raises Unanswered."""
    async with httpx.AsyncClient(headers=_bearer(key), timeout=30) as http:
        client = Client(http, links)
        for service in SERVICES:
            deadline = time.monotonic() + 10
            while True:
                try:
                    await client.call("GET", f"/{service}/v1/dead-letters")
                    break
                except Unanswered as refused:
                    if "401" not in str(refused) or time.monotonic() > deadline:
                        raise
                await asyncio.sleep(0.2)


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
