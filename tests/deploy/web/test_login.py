"""Logging in and out, and the pages around it."""

import re
from typing import Any

import httpx
import pytest

from deploy.web.attempts import MOST_CLIENTS, MOST_FAILURES, Attempts
from shared.access import Role
from shared.access.sessions import COOKIE


async def test_the_front_page_leads_to_everything(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    for address in (
        "/capture/forms/demo",
        "/routing/inbox",
        "/qualify/",
        "http://127.0.0.1:8004/feedback/",
        "/capture/docs",
        "http://127.0.0.1:8004/feedback/docs",
    ):
        assert f'href="{address}"' in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_a_wrong_address_is_a_page_for_people_and_a_problem_for_programs(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/nowhere")
    assert page.status_code == 404
    assert "<h1>There is nothing at this address</h1>" in page.text
    answer = await client.get("/nowhere", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get("/logout")).status_code == 405


async def test_logging_in_sets_a_cookie_scripts_cannot_read(
    client: httpx.AsyncClient, front: Any
) -> None:
    _, key = await front.key(Role.REP, "anna")
    answer = await client.post("/login", data={"key": f"  {key}\n", "next": "/routing/inbox?a=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/routing/inbox?a=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie, "this test speaks plain http"
    assert key not in cookie
    page = await client.get("/login")
    assert "anna" in page.text
    assert 'action="/logout"' in page.text


@pytest.mark.parametrize(
    ("role", "rep_id", "start"),
    [
        (Role.REP, "anna", "/routing/inbox"),
        (Role.MARKETER, None, "http://127.0.0.1:8004/feedback/"),
        (Role.MANAGER, "maria", "/routing/board"),
        (Role.ADMIN, None, "/routing/board"),
    ],
)
async def test_everybody_starts_where_their_work_is(
    client: httpx.AsyncClient, front: Any, role: Role, rep_id: str | None, start: str
) -> None:
    _, key = await front.key(role, rep_id)
    answer = await client.post("/login", data={"key": key})
    assert answer.headers["location"] == start
    home = await client.get("/")
    assert (home.status_code, home.headers["location"]) == (303, start)


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example"]
)
async def test_the_login_leads_to_no_other_site(
    client: httpx.AsyncClient, front: Any, elsewhere: str
) -> None:
    page = await client.get("/login", params={"next": elsewhere})
    assert "evil" not in page.text
    _, key = await front.key(Role.ADMIN)
    answer = await client.post("/login", data={"key": key, "next": elsewhere})
    assert (answer.status_code, answer.headers["location"]) == (303, "/routing/board")


async def test_a_wrong_key_is_answered_politely_and_not_repeated(
    client: httpx.AsyncClient, front: Any
) -> None:
    answer = await client.post("/login", data={"key": "ll_rep_wrong", "next": "/qualify/"})
    assert answer.status_code == 422
    assert "not known" in answer.text
    assert "ll_rep_wrong" not in answer.text
    assert 'name="next" value="/qualify/"' in answer.text
    assert COOKIE not in client.cookies
    assert (await client.post("/login", data={"key": " "})).status_code == 422
    key_id, key = await front.key(Role.ADMIN)
    await front.access.revoke_key(key_id)
    assert "revoked" in (await client.post("/login", data={"key": key})).text


@pytest.mark.parametrize("role", [Role.FORM, Role.SERVICE])
async def test_keys_of_programs_open_no_pages(
    client: httpx.AsyncClient, front: Any, role: Role
) -> None:
    _, key = await front.key(role)
    answer = await client.post("/login", data={"key": key})
    assert answer.status_code == 422
    assert COOKIE not in client.cookies


async def test_another_site_cannot_log_somebody_in(client: httpx.AsyncClient, front: Any) -> None:
    _, key = await front.key(Role.ADMIN)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await client.post("/login", data={"key": key}, headers=headers)
        assert answer.status_code == 403
    assert COOKIE not in client.cookies


async def test_too_many_wrong_keys_have_to_wait(client: httpx.AsyncClient, front: Any) -> None:
    for _ in range(MOST_FAILURES):
        assert (await client.post("/login", data={"key": "wrong"})).status_code == 422
    _, key = await front.key(Role.ADMIN)
    answer = await client.post("/login", data={"key": key})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 61


def test_the_brake_lets_go_after_a_minute_and_stays_small() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    for _ in range(MOST_FAILURES):
        assert attempts.wait("a") == 0
        attempts.failed("a")
    assert attempts.wait("a") == 61
    assert attempts.wait("b") == 0
    now = 60.0
    assert attempts.wait("a") == 0
    attempts.failed("a")
    attempts.succeeded("a")
    for client in range(MOST_CLIENTS + 10):
        attempts.failed(str(client))
    assert len(attempts._failures) == MOST_CLIENTS


async def test_logging_out_needs_the_token_and_ends_the_session(
    client: httpx.AsyncClient, front: Any
) -> None:
    _, key = await front.key(Role.ADMIN)
    await client.post("/login", data={"key": key})
    assert (await client.post("/logout")).status_code == 403
    assert COOKIE in client.cookies
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get("/login")).text)
    assert token is not None
    answer = await client.post("/logout", data={"csrf_token": token[1]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert COOKIE not in client.cookies
    assert (await client.post("/logout")).status_code == 303, "being logged out already is fine"


async def test_a_long_body_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", data={"key": "x" * 20_000})
    assert answer.status_code == 413
