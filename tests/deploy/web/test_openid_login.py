"""Logging in at a real OpenID Connect provider, in a real browser and without one."""

import asyncio
import hashlib
import re
import shutil
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx
import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey
from oidc_provider_mock import User
from oidc_provider_mock import _app as mock
from oidc_provider_mock._server import _threaded_server
from playwright.async_api import Browser, expect

from deploy.compose import Dispatcher
from deploy.web.app import build
from deploy.web.attempts import MOST_FAILURES
from deploy.web.openid_login import BACK
from services.routing.service import MIGRATIONS
from shared.access import Access, Role
from shared.access import access as access_module
from shared.access.openid import OpenId
from shared.access.openid_claims import OpenIdSettings
from shared.access.sessions import AWAY_COOKIE, COOKIE, MAX_AGE_SECONDS
from shared.runtime.peers import Peers
from shared.web import Links
from tests.deploy.web.conftest import Front, serving
from tests.deploy.web.test_login_in_chromium import browser
from tests.services.routing.desk import Desk, open_desk

__all__ = ["browser"]

PEOPLE: Mapping[str, dict[str, Any]] = {
    "ana": {"groups": ["sales"], "email": "Ana@Acme.example", "email_verified": True},
    "maria": {"groups": ["sales", "leads"], "email": "maria@acme.example", "email_verified": True},
    "mo": {"groups": ["growth"], "email": "mo@acme.example"},
    "ada": {"groups": ["staff", "ops"]},
    "party": {"groups": ["ops"], "azp": "leadloop"},
    "guest": {"groups": ["visitors", "<b>others</b>"]},
    "nobody": {},
    "sly": {"groups": ["sales"], "email": "ana@acme.example", "email_verified": False},
    "gone": {"groups": ["sales"], "email": "gone@acme.example", "email_verified": True},
    "twin": {"groups": ["sales"], "email": "twin@acme.example", "email_verified": True},
    "new": {"groups": ["sales"], "email": "new@acme.example", "email_verified": True},
}
REPS = (
    {"rep_id": "rep-ana", "email": "ana@acme.example"},
    {"rep_id": "rep-maria", "email": "maria@acme.example", "weight": 0},
    {"rep_id": "rep-gone", "email": "gone@acme.example", "status": "gone"},
    {"rep_id": "rep-1", "email": "twin@acme.example"},
    {"rep_id": "rep-2", "email": "TWIN@acme.example"},
)
ROLES = {"sales": Role.REP, "leads": Role.MANAGER, "growth": Role.MARKETER, "ops": Role.ADMIN}


@dataclass
class Provider:
    """A provider of its own, which also keeps what it was asked, and checks PKCE."""

    url: str = ""
    challenges: list[str] = field(default_factory=list)
    verified: int = 0
    silent: bool = False

    def seen(self) -> None:
        if self.silent:
            flask.abort(503)
        challenge = flask.request.args.get("code_challenge")
        if challenge and flask.request.method == "POST":
            assert flask.request.args["code_challenge_method"] == "S256"
            self.challenges.append(challenge)
        if verifier := flask.request.form.get("code_verifier"):
            digest = hashlib.sha256(verifier.encode()).digest()
            hashed = urlsafe_b64encode(digest).decode().rstrip("=")
            assert hashed in self.challenges
            self.verified += 1


@pytest.fixture(scope="module")
def running_provider() -> Iterator[Provider]:
    found = Provider()
    users = [User(sub=sub, claims=dict(claims)) for sub, claims in PEOPLE.items()]
    app = mock.app(require_nonce=True, user_claims=users)
    app.before_request(found.seen)
    with _threaded_server(app, poll_interval=0.02) as server:
        found.url = f"http://localhost:{server.server_port}"
        yield found


@pytest.fixture
def provider(running_provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    methods = ["client_secret_basic", "none"]
    monkeypatch.setattr(mock.AuthorizationCodeGrant, "TOKEN_ENDPOINT_AUTH_METHODS", methods)
    running_provider.silent, running_provider.verified = False, 0
    return running_provider


@pytest.fixture(scope="module")
def reps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with routing's reps, to be copied: migrating takes time."""
    folder = tmp_path_factory.mktemp("reps")

    async def make() -> None:
        async with open_desk(f"sqlite:{folder}", folder) as desk:
            admin = await desk.client(Role.ADMIN)
            for rep in REPS:
                made = await admin.post("/routing/v1/reps", json={"name": rep["rep_id"], **rep})
                assert made.status_code == 201, made.text

    asyncio.run(make())
    return folder


@pytest_asyncio.fixture
async def desk(reps: Path, tmp_path: Path) -> AsyncIterator[Desk]:
    shutil.copytree(reps, tmp_path, dirs_exist_ok=True)
    async with open_desk(f"sqlite:{tmp_path}", tmp_path) as desk:
        yield desk


@asynccontextmanager
async def front_of(desk: Desk, provider: Provider, **more: Any) -> AsyncIterator[Front]:
    """One process's front page, with the provider at its login."""
    settings = OpenIdSettings(provider.url, "leadloop", ROLES, name="Acme", client_secret="s3cret")
    peers = Peers(Links())
    peers.runs_here({"routing": desk.service.app})
    openid = OpenId(replace(settings, **more))
    app = build(desk.access, Links(), {"routing": MIGRATIONS.parent}, peers, openid)
    async with serving(Dispatcher({"routing": desk.service.app}, app)) as url:
        yield Front(url, desk.access, openid)
    await peers.close()


@pytest_asyncio.fixture
async def front(desk: Desk, provider: Provider) -> AsyncIterator[Front]:
    async with front_of(desk, provider) as front:
        yield front


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers={"Accept": "text/html"}) as client:
        yield client


async def leave(client: httpx.AsyncClient, front: Front, sub: str, to: str = "") -> str:
    """Log in at the provider; the address it sends the browser back to."""
    away = await client.get(f"{front.url}/login/oidc", params={"next": to})
    assert away.status_code == 303, away.text
    answer = await client.post(away.headers["location"], data={"sub": sub})
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


async def test_each_role_lands_where_its_work_is(browser: Browser, front: Front) -> None:
    homes = {"ana": "/routing/inbox", "maria": "/routing/board", "ada": "/routing/board"}
    names = {"ana": "rep-ana", "maria": "rep-maria", "mo": "marketer", "ada": "admin"}
    for sub, name in names.items():
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(f"{front.url}/login")
        await page.get_by_role("link", name="Log in with Acme").click()
        await page.get_by_role("button", name=sub, exact=True).click()
        await expect(page).to_have_url(front.url + homes.get(sub, "/feedback/"))
        await page.goto(f"{front.url}/login")
        await expect(page.locator("header")).to_contain_text(f"Logged in as {name}")
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("link", name="Log in", exact=True)).to_be_visible()
        assert [c["name"] for c in await context.cookies(front.url)] == []
        await context.close()
    assert not [
        key for key in await front.access.list_keys() if key.label[:6] == "logged" and key.active
    ]


async def test_without_a_mapped_role_the_page_says_which_claim_was_seen(
    browser: Browser, front: Front
) -> None:
    page = await browser.new_page(viewport={"width": 390, "height": 800})
    await page.goto(f"{front.url}/login?next=/qualify/")
    await page.get_by_role("link", name="Log in with Acme").click()
    await page.get_by_role("button", name="guest", exact=True).click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("Your account has no role here")
    await expect(alert).to_contain_text("groups of your account says: visitors, <b>others</b>.")
    await expect(alert).to_contain_text("LEADLOOP_OIDC_ROLES")
    assert COOKIE not in [c["name"] for c in await page.context.cookies()]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_who_is_nobody_here_is_told_why(
    client: httpx.AsyncClient, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    for sub, words in {
        "nobody": "without the claim roles or groups",
        "sly": "Your e-mail address is not verified",
        "gone": "no rep with your e-mail address",
        "new": "no rep with your e-mail address",
        "twin": "More than one rep has your e-mail address",
    }.items():
        answer = await client.get(await leave(client, front, sub))
        assert answer.status_code == 403
        assert words in answer.text
        assert COOKIE not in client.cookies
    records = [one for one in caplog.records if one.name.startswith(("deploy", "shared"))]
    ours = [one.getMessage() for one in records]
    assert len(ours) == 5
    assert not [word for word in (*PEOPLE, "acme.example") if word in " ".join(ours).split()]


async def test_a_login_is_used_once_and_leads_back(
    client: httpx.AsyncClient, front: Front, provider: Provider, desk: Desk
) -> None:
    back = await leave(client, front, "ana", "/routing/leads/1?x=2")
    carried = client.cookies[AWAY_COOKIE]
    client.cookies.set(COOKIE, "of somebody else")
    answer = await client.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/routing/leads/1?x=2")
    cookies = answer.headers.get_list("set-cookie")
    [session] = [one for one in cookies if one.startswith(COOKIE)]
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert f"Max-Age={MAX_AGE_SECONDS}" in session
    assert "of somebody else" not in session
    assert AWAY_COOKIE not in client.cookies
    assert provider.verified == 1
    again = await client.get(back)
    assert again.status_code == 400
    assert "not begun here" in again.text
    client.cookies.set(AWAY_COOKIE, carried)
    replayed = await client.get(back)
    assert replayed.status_code == 400
    assert "has been used or has expired" in replayed.text


async def test_a_changed_state_lets_nobody_in(
    client: httpx.AsyncClient, front: Front, provider: Provider
) -> None:
    for change in (
        lambda url: re.sub("state=[^&]+", "state=forged", url),
        lambda url: re.sub("[?&]state=[^&]+", "", url),
        lambda url: url.partition("?")[0],
    ):
        answer = await client.get(change(await leave(client, front, "ada")))
        assert answer.status_code == 400
        assert "This login was not begun here" in answer.text
        assert COOKIE not in client.cookies
    assert provider.verified == 0


async def test_an_altered_or_foreign_cookie_lets_nobody_in(
    client: httpx.AsyncClient, front: Front
) -> None:
    back = await leave(client, front, "ana")
    genuine = client.cookies[AWAY_COOKIE]
    session = front.access.sessions.begin("key_x")
    for forged in ("", genuine[:-3] + "AAA", "x" + genuine, session):
        client.cookies.clear()
        client.cookies.set(AWAY_COOKIE, forged)
        assert (await client.get(back)).status_code == 400
    assert front.access.sessions.read(genuine) is None, "nor is it a session"
    state = parse_qs(urlsplit(back).query)["state"][0]
    for asked in ("error=access_denied", "error=%3Cscript%3E", "code=made-up"):
        client.cookies.set(AWAY_COOKIE, genuine)
        refused = await client.get(f"{front.url}{BACK}?{asked}&state={state}")
        assert refused.status_code in (400, 403)
        assert "<script>" not in refused.text
    for _ in range(MOST_FAILURES):
        client.cookies.set(AWAY_COOKIE, genuine)
        refused = await client.get(f"{front.url}{BACK}?code=made-up&state={state}")
    assert refused.status_code == 429
    assert COOKIE not in client.cookies
    _, key = await front.key(Role.ADMIN)
    assert (await client.post(f"{front.url}/login", data={"key": key})).status_code == 303


async def test_it_leads_to_no_other_site(client: httpx.AsyncClient, front: Front) -> None:
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = await client.get(await leave(client, front, "ada", elsewhere))
        assert (answer.status_code, answer.headers["location"]) == (303, "/routing/board")


async def test_another_process_takes_somebody_back_and_asks_routing_where_it_is(
    client: httpx.AsyncClient, front: Front, desk: Desk, provider: Provider, tmp_path: Path
) -> None:
    back = await leave(client, front, "ana")
    async with Access.open(f"sqlite:{tmp_path}") as access:
        peers = Peers(Links(routing=front.url))
        openid = OpenId(front.openid.settings)
        async with serving(build(access, Links(), {}, peers, openid)) as other:
            answer = await client.get(back.replace(front.url, other))
            assert answer.headers["location"] == "/routing/inbox"
            assert "rep-ana" in (await client.get(f"{other}/login")).text
        await peers.close()
    assert "rep-ana" in (await client.get(f"{front.url}/login")).text
    keys = await front.access.list_keys()
    assert not [key for key in keys if key.role is Role.SERVICE and key.active]


async def test_a_token_that_was_not_made_for_this_login_lets_nobody_in(
    client: httpx.AsyncClient, front: Front
) -> None:
    config = mock.OpenIDCode.get_jwt_config
    # Another key under the name of the right one.
    key = RSAKey.generate_key(2048).as_dict(private=True)

    def forged(*asked: Any) -> dict[str, Any]:
        made: dict[str, Any] = config(*asked)
        return {**made, "key": {**key, "kid": made["key"].get("kid")}}

    expired = {"exp": -int(timedelta(minutes=10).total_seconds())}
    evil = {"iss": "https://evil.example"}
    for owner, name, value, words in (
        (mock.OpenIDCode, "get_jwt_config", forged, "be trusted"),
        (mock.OpenIDCode, "get_jwt_config", lambda *of: {**config(*of), **evil}, "be trusted"),
        (mock.OpenIDCode, "get_jwt_config", lambda *of: {**config(*of), **expired}, "has expired"),
        (mock.OpenIDCode, "get_audiences", lambda *of: ["other"], "be trusted"),
        (mock.AuthorizationCode, "get_nonce", lambda *of: "another", "be trusted"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, value, raising=False)
            answer = await client.get(await leave(client, front, "party"))
        assert answer.status_code == 400, name
        assert words in answer.text
        assert COOKIE not in client.cookies
    assert (await client.get(await leave(client, front, "party"))).status_code == 303


async def test_new_keys_of_the_provider_are_found(
    client: httpx.AsyncClient, desk: Desk, provider: Provider
) -> None:
    async with front_of(desk, provider) as front:
        assert (await client.get(await leave(client, front, "ada"))).status_code == 303
        another = RSAKey.generate_key(2048).as_dict(private=False)
        for kid in ({}, {"kid": "of last year"}):
            front.openid._keys = {"keys": [{**another, **kid}]}
            assert (await client.get(await leave(client, front, "mo"))).status_code == 303


async def test_while_the_provider_is_away_a_key_still_works(
    client: httpx.AsyncClient, front: Front, provider: Provider
) -> None:
    provider.silent = True
    answer = await client.get(f"{front.url}/login/oidc")
    assert answer.status_code == 503
    assert "provider can&#39;t be asked" in answer.text
    assert "Access key" in answer.text
    _, key = await front.key(Role.ADMIN)
    assert (await client.post(f"{front.url}/login", data={"key": key})).status_code == 303


async def test_a_login_ends_by_itself_and_by_revoking(
    client: httpx.AsyncClient, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.get(await leave(client, front, "ada"))).status_code == 303
    home = await client.get(f"{front.url}/")
    assert home.headers["location"] == "/routing/board"
    now = access_module._now()
    monkeypatch.setattr(access_module, "_now", lambda: now + timedelta(seconds=MAX_AGE_SECONDS + 1))
    await front.access.refresh()
    assert (await client.get(f"{front.url}/")).status_code == 200
    monkeypatch.setattr(access_module, "_now", lambda: now)
    await front.access.refresh()
    assert (await client.get(f"{front.url}/")).status_code == 303
    [login] = [
        key for key in await front.access.list_keys() if key.expires_at and key.role is Role.ADMIN
    ]
    await front.access.revoke_key(login.key_id)
    assert (await client.get(f"{front.url}/")).status_code == 200


async def test_the_rep_may_be_named_by_a_claim_and_the_role_lie_deep(
    client: httpx.AsyncClient, desk: Desk, provider: Provider
) -> None:
    named = {"realm": {"roles": ["sales"]}, "leadloop_rep": "rep-ana"}
    for sub, claims in {"one": named, "two": {**named, "leadloop_rep": "rep-x"}}.items():
        await client.put(f"{provider.url}/users/{sub}", json=claims)
    await client.put(f"{provider.url}/users/three", json={"realm": {"roles": "sales"}})
    more = {"roles_claim": "realm.roles", "rep_claim": "leadloop_rep", "client_secret": ""}
    async with front_of(desk, provider, **more) as front:
        answer = await client.get(await leave(client, front, "one"))
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == "/routing/inbox"
        answer = await client.get(await leave(client, front, "two"))
        assert "there is no rep with its id" in answer.text
        answer = await client.get(await leave(client, front, "three"))
        assert "without the claim leadloop_rep" in answer.text


async def test_without_a_provider_there_is_no_such_login(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with (
        Access.open(f"sqlite:{tmp_path}") as access,
        serving(build(access, Links(), {})) as url,
    ):
        assert "Log in with " not in (await client.get(f"{url}/login")).text
        assert (await client.get(f"{url}/login/oidc")).status_code == 404
