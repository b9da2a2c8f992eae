"""How a rep comes in: invited by an admin, with a link that works once; and out again when gone."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, expect

from services.routing.joining import keep_leavers_out
from shared.access import Role
from shared.access import access as access_module
from shared.access.sessions import COOKIE
from tests.services.routing.desk import Desk
from tests.services.routing.test_inbox import base, browser, page_of

__all__ = ["base", "browser"]


async def invited(desk: Desk, rep_id: str) -> str:
    admin = await desk.client(Role.ADMIN)
    made = await admin.post(f"/routing/v1/reps/{rep_id}/invitation")
    assert made.status_code == 201, made.text
    return urlsplit(made.json()["url"]).path


def nobody(desk: Desk) -> httpx.AsyncClient:
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(desk.service.app), base_url="http://routing.test"
    )
    desk.clients.append(client)
    return client


async def status_of(desk: Desk, key: str) -> int:
    header = {"Authorization": f"Bearer {key}"}
    return (await nobody(desk).get("/routing/v1/reps", headers=header)).status_code


async def test_a_link_works_once_and_for_one(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    link = await invited(desk, "ana")
    client = nobody(desk)
    for _ in range(2):
        assert "Welcome ana" in (await client.get(link)).text
    assert not [key for key in await desk.access.list_keys() if key.rep_id == "ana"]
    elsewhere = await client.post(link, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403
    answers = await asyncio.gather(*(nobody(desk).post(link) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 410, 410, 410]
    assert len([key for key in await desk.access.list_keys() if key.rep_id == "ana"]) == 1
    assert (await client.get(link)).status_code == 410


async def test_a_newer_link_counts_and_an_old_one_does_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.add_reps(("ana", 1, 9))
    first, second = await invited(desk, "ana"), await invited(desk, "ana")
    client = nobody(desk)
    assert (await client.post(first)).status_code == 410
    now = access_module._now()
    for days, status in ((7.01, 410), (6.9, 200)):
        monkeypatch.setattr(access_module, "_now", lambda days=days: now + timedelta(days=days))
        assert (await client.post(second)).status_code == status
    monkeypatch.undo()
    assert second.rpartition("/")[2] not in repr(await stored(desk))


async def stored(desk: Desk) -> list[Any]:
    """All that the store of keys holds, of invitations too."""
    await invited(desk, "ana")
    store = desk.access._store
    read = [store._read(f"SELECT * FROM {table}") for table in ("keys", "invitations")]
    assert all(read)
    return [list(map(tuple, rows)) for rows in read]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_is_invited_and_by_whom(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await desk.add_reps(("ana", 1, 9), ("maria", 0, 0))
    await admin.post("/routing/v1/teams", json={"name": "Iberia", "manager_id": "maria"})
    roles = {}
    for rep_id in ("ana", "maria"):
        made = await admin.post(f"/routing/v1/reps/{rep_id}/invitation")
        roles[rep_id] = made.json()["role"]
        key = (await admin.post(f"/routing/v1/reps/{rep_id}/keys")).json()["key"]
        principal = await desk.access.authenticate(f"Bearer {key}")
        assert (principal.role, principal.rep_id) == (Role(roles[rep_id]), rep_id)
    assert roles == {"ana": "rep", "maria": "manager"}
    link = await invited(desk, "ana")
    for status in ("paused", "gone"):
        await admin.patch("/routing/v1/reps/ana", json={"status": status})
        for what in ("invitation", "keys"):
            assert (await admin.post(f"/routing/v1/reps/ana/{what}")).status_code == 409
            assert (await admin.post(f"/routing/v1/reps/ghost/{what}")).status_code == 404
        assert (await nobody(desk).post(link)).status_code == (409 if status == "paused" else 410)
    manager = await desk.client(Role.MANAGER, "maria")
    assert (await manager.post("/routing/v1/reps/maria/invitation")).status_code == 403


async def test_who_is_gone_is_out_at_once(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    keys = {}
    for rep_id in ("ana", "ben"):
        keys[rep_id] = (await admin.post(f"/routing/v1/reps/{rep_id}/keys")).json()["key"]
    client = nobody(desk)
    client.cookies.set(COOKIE, (await client.post(await invited(desk, "ana"))).cookies[COOKIE])
    assert (await client.get("/routing/inbox")).status_code == 200
    login = await desk.access.let_in(Role.REP, "ana")
    await admin.patch("/routing/v1/reps/ana", json={"capacity": 3})
    assert await status_of(desk, keys["ana"]) == 200
    await admin.patch("/routing/v1/reps/ana", json={"status": "gone"})
    assert await status_of(desk, keys["ana"]) == 401
    assert await status_of(desk, keys["ben"]) == 200
    assert (await client.get("/routing/inbox")).status_code == 401
    assert not desk.access.have_keys(["ana"])
    assert not await desk.access.revoke_key(login.key_id)


async def test_a_key_that_was_made_for_somebody_gone_is_ended_soon(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    await admin.patch("/routing/v1/reps/ana", json={"status": "gone"})
    _, hers = await desk.access.create_key(Role.REP, "ana")
    _, his = await desk.access.create_key(Role.REP, "ben")
    assert await status_of(desk, hers) == 200
    await keep_leavers_out(desk.access, desk.db)
    assert (await status_of(desk, hers), await status_of(desk, his)) == (401, 200)
    assert "routing.leavers" in [part.name for part in desk.service.parts]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_admin_adds_and_invites_somebody_who_comes_in(
    desk: Desk, browser: Browser, base: str
) -> None:
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.set_viewport_size({"width": 390, "height": 800})
        await page.goto(f"{base}/routing/")
        form = page.get_by_role("form", name="Add a rep")
        await form.get_by_label("Name").fill("Ana Almeida")
        await form.get_by_role("button", name="Add this rep").click()
        told = page.get_by_role("status").filter(has_text="Ana Almeida is one of the reps now")
        await told.get_by_role("button", name="Invite Ana Almeida").click()
        await expect(page.get_by_role("heading", name="Invitation for Ana")).to_be_visible()
        link = await page.locator(".copied").inner_text()
        assert link.startswith(f"{base}/routing/join/")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        await page.get_by_role("link", name="Back to the reps").click()
        card = page.get_by_role("article", name="Ana Almeida")
        await card.get_by_role("button", name="Make a key").click()
        key = await page.locator(".copied").inner_text()
        assert (await desk.access.authenticate(f"Bearer {key}")).rep_id == "rep-ana-almeida"
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Welcome Ana Almeida")).to_be_visible()
    await page.get_by_role("button", name="Log in and show my key").click()
    key = await page.locator(".copied").inner_text()
    assert (await desk.access.authenticate(f"Bearer {key}")).rep_id == "rep-ana-almeida"
    await expect(page.locator("header")).to_contain_text("Logged in as rep-ana-almeida")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await page.get_by_role("link", name="to my leads").click()
    await expect(page).to_have_url(f"{base}/routing/inbox")
    await page.goto(link)
    await expect(page.get_by_text("This invitation works no longer")).to_be_visible()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("link", name="Log in", exact=True)).to_be_visible()
    await context.close()
