"""Access at the edge: keys for programs, sessions for pages, and no requests from other sites."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI, Form, Request
from starlette.responses import JSONResponse, Response

from shared.access import Access, Principal, Role, allow, check_csrf, page_principal, visitor
from shared.access.sessions import COOKIE
from shared.contracts.problems import Problem

BASE = "http://leadloop.test"


@pytest_asyncio.fixture
async def access(tmp_path: Path) -> AsyncIterator[Access]:
    async with Access.open(f"sqlite:{tmp_path}") as access:
        yield access


@pytest_asyncio.fixture
async def client(access: Access) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.access = access

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> Response:
        return JSONResponse(problem.document(), problem.status, problem.headers)

    @app.get("/api")
    @app.post("/api", include_in_schema=False)
    async def api(who: Annotated[Principal, Depends(allow(Role.ADMIN, Role.REP))]) -> str:
        return who.role.value

    @app.get("/page")
    async def page(
        request: Request, who: Annotated[Principal, Depends(page_principal(Role.REP))]
    ) -> dict[str, str]:
        return {"rep": who.rep_id or "", "token": request.state.csrf_token}

    @app.post("/page", dependencies=[Depends(check_csrf)])
    async def change(
        who: Annotated[Principal, Depends(page_principal(Role.REP))],
        note: Annotated[str, Form()] = "",
    ) -> str:
        return note

    @app.get("/open")
    async def public(who: Annotated[Principal | None, Depends(visitor)]) -> str:
        return who.role.value if who else "nobody"

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


async def log_in(
    client: httpx.AsyncClient, access: Access, role: Role = Role.REP
) -> tuple[str, str]:
    """Give the client a session; answers the key's id and the token for forms."""
    key_id, _ = await access.create_key(role, "anna" if role is Role.REP else None)
    cookie = access.sessions.begin(key_id)
    client.cookies.set(COOKIE, cookie)
    session = access.sessions.read(cookie)
    assert session is not None
    return key_id, session.csrf_token


async def test_a_program_needs_a_key_of_the_right_role(
    client: httpx.AsyncClient, access: Access
) -> None:
    assert (await client.get("/api")).status_code == 401
    for role, status in ((Role.ADMIN, 200), (Role.MARKETER, 403), (Role.FORM, 403)):
        _, key = await access.create_key(role)
        answer = await client.post("/api", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status, role
        assert key not in answer.text


async def test_the_scheme_is_in_the_api_description(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert document["paths"]["/api"]["get"]["security"] == [{"HTTPBearer": []}]


async def test_a_script_may_read_with_the_session_and_change_with_its_token(
    client: httpx.AsyncClient, access: Access
) -> None:
    _, token = await log_in(client, access)
    assert (await client.get("/api")).status_code == 200
    assert (await client.post("/api")).status_code == 403
    assert (await client.post("/api", headers={"X-CSRF-Token": "wrong"})).status_code == 403
    assert (await client.post("/api", headers={"X-CSRF-Token": token})).status_code == 200


async def test_a_wrong_key_is_not_saved_by_a_session(
    client: httpx.AsyncClient, access: Access
) -> None:
    await log_in(client, access)
    answer = await client.get("/api", headers={"Authorization": "Bearer ll_rep_wrong"})
    assert answer.status_code == 401


async def test_a_page_sends_strangers_to_the_login_and_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/page?state=ASSIGNED&x=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/page%3Fstate%3DASSIGNED%26x%3D1"


async def test_a_form_sent_too_late_comes_back_to_its_page(client: httpx.AsyncClient) -> None:
    body = {"csrf_token": "x"}
    answer = await client.post("/page", data=body, headers={"Referer": f"{BASE}/page?q=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/page")
    for referrer in ("https://evil.example/page", "", "nonsense"):
        answer = await client.post("/page", data=body, headers={"Referer": referrer})
        assert answer.headers["location"] == "/login?next=/"


async def test_the_wrong_role_is_told_so(client: httpx.AsyncClient, access: Access) -> None:
    await log_in(client, access, Role.MARKETER)
    answer = await client.get("/page")
    assert answer.status_code == 403
    assert "marketer" in answer.json()["detail"]


async def test_a_session_ends_with_its_key(client: httpx.AsyncClient, access: Access) -> None:
    key_id, token = await log_in(client, access)
    assert (await client.get("/page")).json() == {"rep": "anna", "token": token}
    await access.revoke_key(key_id)
    assert (await client.get("/page")).status_code == 303
    assert (await client.get("/api")).status_code == 401
    assert (await client.post("/page", data={"csrf_token": token})).status_code == 303
    assert (await client.get("/open")).json() == "nobody"


async def test_an_altered_session_is_none(client: httpx.AsyncClient, access: Access) -> None:
    await log_in(client, access)
    cookie = client.cookies[COOKIE]
    client.cookies.set(COOKIE, cookie[:5] + ("A" if cookie[5] != "A" else "B") + cookie[6:])
    assert (await client.get("/page")).status_code == 303
    assert (await client.get("/open")).json() == "nobody"


async def test_a_form_needs_the_token_of_this_very_session(
    client: httpx.AsyncClient, access: Access
) -> None:
    _, old = await log_in(client, access)
    _, token = await log_in(client, access)
    for body in ({}, {"csrf_token": ""}, {"csrf_token": "é"}, {"csrf_token": old}):
        answer = await client.post("/page", data={**body, "note": "n"})
        assert answer.status_code == 403, body
    answer = await client.post("/page", data={"csrf_token": token, "note": "n"})
    assert (answer.status_code, answer.json()) == (200, "n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": BASE}, 200),
    ],
)
async def test_even_the_right_token_is_refused_from_another_site(
    client: httpx.AsyncClient, access: Access, headers: dict[str, str], status: int
) -> None:
    _, token = await log_in(client, access)
    answer = await client.post("/page", data={"csrf_token": token}, headers=headers)
    assert answer.status_code == status


async def test_a_file_in_place_of_the_token_is_refused(
    client: httpx.AsyncClient, access: Access
) -> None:
    await log_in(client, access)
    answer = await client.post("/page", files={"csrf_token": ("t", b"x")})
    assert answer.status_code == 403
