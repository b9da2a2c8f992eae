"""HTTP calls from the command line to the running product, as an administrator.

Whoever can open the access store is its administrator: with ``LEADLOOP_ADMIN_KEY`` the calls carry
that key; without it, a session of an existing admin key is signed with the store's secret.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from deploy.cli.errors import Unanswered as Unanswered
from deploy.settings import Settings
from shared.access.outside import NoStore, open_store
from shared.access.roles import Role
from shared.access.sessions import COOKIE, Sessions
from shared.access.store import AccessStore
from shared.web.links import Links

Credentials = tuple[dict[str, str], dict[str, str]]
"""Headers and cookies."""
T = TypeVar("T")


class Client:
    """The four services of the running product."""

    def __init__(self, http: httpx.AsyncClient, links: Links) -> None:
        self._http = http
        self._links = links

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer of ``/<service>/…``. Raises Unanswered."""
        response = await self._ask(method, path, **options)
        if response.is_error:
            reason = _document(path, response).get("detail", "")
            raise Unanswered(f"{_service(path)} answered {response.status_code}: {reason}")
        return _document(path, response) if response.content else None

    async def health(self, service: str) -> dict[str, Any]:
        """What a service says of itself, ready or not. Raises Unanswered."""
        path = f"/{service}/health/ready"
        return _document(path, await self._ask("GET", path))

    async def all(self, path: str) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 500}
        while True:
            page = await self.call("GET", path, params=params)
            items += page.get("items", [])
            if page.get("next_cursor") is None:
                return items
            params["cursor"] = page["next_cursor"]

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        service = _service(path)
        url = str(getattr(self._links, service)) + path
        try:
            return await self._http.request(method, url, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unanswered(
                f"{service} does not answer ({type(error).__name__}): is the product running? "
                "PORT and LEADLOOP_SERVICE_URLS say where it is looked for."
            ) from None


def ask(work: Callable[[Client], Awaitable[T]]) -> T:
    """Run calls against the running product. Raises Unanswered."""

    async def connected() -> T:
        async with connect(Settings()) as client:
            return await work(client)

    return asyncio.run(connected())


@asynccontextmanager
async def connect(settings: Settings, *, with_key: bool = False) -> AsyncIterator[Client]:
    """A client for the running product that the settings name. Raises Unanswered.

    ``with_key`` makes an admin key for as long as the block lasts, as a program would have one.
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
    credentials = _key(settings) if with_key else _session(settings)
    secure = "https:" in settings.service_urls  # loading certificates takes a while
    async with (
        credentials as (headers, cookies),
        httpx.AsyncClient(headers=headers, cookies=cookies, timeout=30, verify=secure) as http,
    ):
        yield Client(http, links)


@asynccontextmanager
async def _session(settings: Settings) -> AsyncIterator[Credentials]:
    if settings.admin_key:
        yield _bearer(settings.admin_key), {}
        return
    with _store(settings) as store:
        admins = [key for key in store.list_keys() if key.role is Role.ADMIN and key.active]
        if not admins:
            raise Unanswered("there is no admin key yet: leadloop keys create --role admin")
        sessions = Sessions(store.session_secret(datetime.now(UTC)))
    cookie = sessions.begin(admins[0].key_id)
    session = sessions.read(cookie)
    assert session is not None
    yield {"X-CSRF-Token": session.csrf_token}, {COOKIE: cookie}


@asynccontextmanager
async def _key(settings: Settings) -> AsyncIterator[Credentials]:
    if settings.admin_key:
        yield _bearer(settings.admin_key), {}
        return
    with _store(settings) as store:
        label = "command line, temporary"
        key_id, key = store.create_key(Role.ADMIN, None, label, datetime.now(UTC))
        try:
            yield _bearer(key), {}
        finally:
            store.revoke(key_id, datetime.now(UTC))


@contextmanager
def _store(settings: Settings) -> Iterator[AccessStore]:
    try:
        with open_store(settings.databases) as store:
            yield store
    except NoStore as error:
        raise Unanswered(str(error)) from None


def _service(path: str) -> str:
    return path.split("/")[1]


def _document(path: str, response: httpx.Response) -> dict[str, Any]:
    """Raises Unanswered about an answer that is none of ours: all are JSON objects."""
    with suppress(ValueError):
        document = response.json()
        if isinstance(document, dict):
            return document
    raise Unanswered(
        f"what answers for {_service(path)} ({response.status_code}) is not the product: "
        "PORT and LEADLOOP_SERVICE_URLS say where it is looked for"
    )


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
