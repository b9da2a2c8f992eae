"""The notifications page and the page behind a message's link, in a real browser."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from sqlalchemy import update

from services.routing.open_links import PURPOSE, OpenLinks
from services.routing.store.queries import find_assignment
from services.routing.store.tables import assignments
from shared.access import Role
from shared.runtime.outward import Allowed, Outward
from tests.services.routing.desk import PAST, Desk, mql, open_desk, person, until
from tests.services.routing.post import Mailbox, mailbox, notices_of, send_due, time_passes
from tests.services.routing.test_inbox import base, browser, page_of
from tests.shared.runtime.receivers import receiver

__all__ = ["base", "browser"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WIDTHS = pytest.mark.parametrize("width", [390, 1280])


@pytest_asyncio.fixture
async def post() -> AsyncIterator[Mailbox]:
    async with mailbox() as made:
        yield made


@pytest_asyncio.fixture
async def desk(database_url: str, tmp_path: Path, post: Mailbox) -> AsyncIterator[Desk]:
    allowed = Allowed.parse("127.0.0.1")
    outward = Outward("http://leads.example", post.settings, allowed)
    async with open_desk(database_url, tmp_path, outward) as made:
        yield made


async def add_rep(desk: Desk, rep_id: str, name: str, **more: Any) -> None:
    admin = await desk.client(Role.ADMIN)
    body = {"rep_id": rep_id, "name": name, "email": f"{rep_id}@acme.example", **more}
    assert (await admin.post("/routing/v1/reps", json=body)).status_code == 201


async def tried(desk: Desk) -> None:
    """Wait until the part that sends, which runs, has tried all there is and noted the result."""

    async def all_of_them() -> bool:
        rows = await notices_of(desk, state="waiting")
        return all(row.error is not None for row in rows)

    await until(all_of_them, "all that is due is tried")


async def shot(page: Page, name: str) -> None:
    """Keep a picture, for whoever wants to look at it."""
    if folder := os.environ.get("LEADLOOP_SHOTS"):
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


async def mailed_path(desk: Desk, post: Mailbox) -> str:
    """The path of the link in the newest mail."""
    await tried(desk)
    text = post.mails[-1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    (url,) = (word for word in text.split() if "/routing/open/" in word)
    assert url.startswith("http://leads.example/")
    return urlsplit(url).path


async def given(desk: Desk, lead_id: str) -> Any:
    return (await desk.history(lead_id))[-1]


async def new_lead(desk: Desk) -> str:
    lead = mql()
    await desk.happen(person(lead.lead_id), lead)
    return lead.lead_id


@WIDTHS
async def test_a_rep_says_how_they_are_told(
    desk: Desk, browser: Browser, base: str, post: Mailbox, width: int
) -> None:
    await add_rep(desk, "ana", "Ana Almeida")
    async with (
        receiver() as hook,
        page_of(desk, browser, base, Role.REP, "ana", script=False) as page,
    ):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/inbox")
        await page.get_by_role("navigation", name="Main").get_by_text("Notifications").click()
        await expect(page.get_by_role("heading", name="Notifications", level=1)).to_be_visible()
        mail = page.get_by_role("form", name="Mail")
        await expect(mail.get_by_label("Use it")).to_be_checked()
        await expect(mail.get_by_label("A lead is mine now")).to_be_checked()
        await expect(mail.get_by_label("A deadline of mine is near")).not_to_be_checked()
        await expect(page.get_by_text("A lead of my team has nobody")).to_have_count(0)

        chat = page.get_by_role("form", name="Chat")
        await chat.get_by_label("Use it").check()
        await chat.get_by_label("Address").fill("http://10.0.0.7/hook")
        await chat.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("is an address of a private network")).to_be_visible()

        chat = page.get_by_role("form", name="Chat")
        await chat.get_by_label("Use it").check()
        await chat.get_by_label("Address").fill(hook.url)
        await chat.get_by_label("A deadline of mine is near").check()
        await chat.get_by_label("When").select_option("working_hours")
        await chat.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        chat = page.get_by_role("form", name="Chat")
        await expect(chat.get_by_label("A deadline of mine is near")).to_be_checked()
        await expect(chat.get_by_label("When")).to_have_value("working_hours")

        await chat.get_by_role("button", name="Send a test message").click()
        await expect(page.get_by_text("A test message is on its way")).to_be_visible()
        await tried(desk)
        assert b"A test message" in hook.requests[0][2]
        post.close()
        await page.get_by_role("form", name="Mail").get_by_role("button", name="Send a").click()
        await tried(desk)
        await page.goto(f"{base}/routing/notifications")
        failing = page.get_by_role("region", name="Mail").get_by_role("alert")
        await expect(failing).to_contain_text("the mail server does not answer")
        await expect(failing).to_contain_text("It is tried again at")
        await expect(
            page.get_by_role("region", name="Chat").get_by_text("got through")
        ).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await shot(page, f"notifications-{width}")

        await page.get_by_role("button", name="Forget all this").click()
        await expect(
            page.get_by_role("form", name="Chat").get_by_label("Use it")
        ).not_to_be_checked()


async def test_a_webhook_shows_its_secret_and_makes_another(
    desk: Desk, browser: Browser, base: str
) -> None:
    await add_rep(desk, "ana", "Ana")
    async with page_of(desk, browser, base, Role.REP, "ana", script=False) as page:
        await page.goto(f"{base}/routing/notifications")
        form = page.get_by_role("form", name="Webhook")
        await form.get_by_label("Use it").check()
        await form.get_by_label("Address").fill("https://hooks.example/x")
        await form.get_by_role("button", name="Save").click()
        form = page.get_by_role("form", name="Webhook")
        await form.get_by_text("Secret to check").click()
        first = await form.locator(".notify-secret").inner_text()
        assert first.startswith("whsec_")
        await form.get_by_role("button", name="Save").click()
        form = page.get_by_role("form", name="Webhook")
        await form.get_by_text("Secret to check").click()
        assert await form.locator(".notify-secret").inner_text() == first
        await form.get_by_label("Make a new one").check()
        await form.get_by_role("button", name="Save").click()
        form = page.get_by_role("form", name="Webhook")
        await form.get_by_text("Secret to check").click()
        assert await form.locator(".notify-secret").inner_text() != first


async def test_an_admin_sees_who_can_t_be_told_and_sets_it_for_them(
    desk: Desk, browser: Browser, base: str, post: Mailbox
) -> None:
    await add_rep(desk, "ana", "Ana")
    await add_rep(desk, "ben", "Ben", weight=0)
    post.close()
    await new_lead(desk)
    await tried(desk)
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.goto(f"{base}/routing/")
        await expect(page.get_by_text("Messages to reps can't be delivered: 1")).to_be_visible()
        await page.get_by_role("link", name="ana", exact=True).click()
        await expect(page.get_by_text("How Ana is told of leads.")).to_be_visible()
        await page.get_by_label("Rep", exact=True).select_option("ben")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_text("How Ben is told of leads.")).to_be_visible()
        await page.get_by_role("form", name="Mail").get_by_label("Use it").uncheck()
        await page.get_by_role("form", name="Mail").get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Nothing comes this way any more.")).to_be_visible()
        await expect(page.get_by_text("How Ben is told of leads.")).to_be_visible()
    admin = await desk.client(Role.ADMIN)
    told = (await admin.get("/routing/v1/reps/ben/notifications")).json()
    assert told["channels"] == []


async def test_nobody_changes_it_for_a_colleague(desk: Desk, base: str) -> None:
    await add_rep(desk, "ana", "Ana")
    await add_rep(desk, "ben", "Ben")
    key_id, _ = await desk.access.create_key(Role.REP, "ana")
    cookie = desk.access.sessions.begin(key_id)
    session = desk.access.sessions.read(cookie)
    assert session is not None
    form = {"rep_id": "ben", "medium": "mail", "do": "save"}
    async with httpx.AsyncClient(base_url=base, cookies={"leadloop_session": cookie}) as client:
        place = "/routing/notifications"
        assert (await client.get(place, params={"rep_id": "ben"})).status_code == 403
        assert (await client.post(place, data=form)).status_code == 403  # no token
        token = {"csrf_token": session.csrf_token}
        assert (await client.post(place, data={**form, **token})).status_code == 403
    admin = await desk.client(Role.ADMIN)
    assert (await admin.get("/routing/v1/reps/ben/notifications")).json()["by_default"]


@WIDTHS
async def test_the_link_of_a_mail_opens_the_lead_and_a_button_says_so(
    desk: Desk, browser: Browser, base: str, post: Mailbox, width: int
) -> None:
    await add_rep(desk, "ana", "Ana Almeida", time_zone="Europe/Lisbon")
    lead_id = await new_lead(desk)
    path = await mailed_path(desk, post)
    context = await browser.new_context(
        java_script_enabled=False, viewport={"width": width, "height": 800}
    )
    page = await context.new_page()
    for _ in range(3):  # as often as mail programs like
        await page.goto(base + path)
    await expect(page.get_by_role("heading", name="A new lead for Ana Almeida")).to_be_visible()
    await expect(page.get_by_text("(Europe/Lisbon)")).to_be_visible()
    content = await page.content()
    assert "Jane" not in content
    assert "acme.example" not in content
    assert (await given(desk, lead_id)).state == "ASSIGNED"
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await shot(page, f"open-{width}")
    await page.get_by_role("button", name="I have seen it").click()
    await expect(page.get_by_text("Noted that you have seen it.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Jane Doe")).to_be_visible()
    assert (await given(desk, lead_id)).state == "ACKNOWLEDGED"
    await shot(page, f"open-seen-{width}")
    await page.get_by_role("button", name="I take it").click()
    await expect(page.get_by_text("It is yours.")).to_be_visible()
    assert (await given(desk, lead_id)).state == "ACCEPTED"
    await page.goto(base + path)
    await expect(page.get_by_text("You have taken it.")).to_be_visible()
    assert "Jane" not in await page.content()
    await page.get_by_role("link", name="How to reach them").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    await context.close()


@pytest.fixture
def links(desk: Desk) -> OpenLinks:
    return OpenLinks(desk.access, "")


async def link_to(desk: Desk, links: OpenLinks, lead_id: str) -> str:
    row = await given(desk, lead_id)
    found = await desk.db.read(lambda conn: find_assignment(conn, row.assignment_id))
    assert found is not None
    return links.to(found)


async def press(base: str, path: str, do: str = "acknowledge") -> httpx.Response:
    async with httpx.AsyncClient(base_url=base) as client:
        return await client.post(path, data={"do": do})


async def test_a_link_for_an_attempt_that_is_over_says_who_has_the_lead(
    desk: Desk, base: str, links: OpenLinks
) -> None:
    await add_rep(desk, "ana", "Ana")
    lead_id = await new_lead(desk)
    path = await link_to(desk, links, lead_id)
    await add_rep(desk, "ben", "Ben Baker")
    await desk.run_out()
    await desk.expire()
    assert (await given(desk, lead_id)).rep_id == "ben"
    async with httpx.AsyncClient(base_url=base) as client:
        seen = await client.get(path)
    assert (seen.status_code, "Ben Baker has it now." in seen.text) == (200, True)
    for do in ("acknowledge", "accept"):
        late = await press(base, path, do)
        assert (late.status_code, "Ben Baker has it now." in late.text) == (409, True)
        assert "Jane" not in late.text
    assert [one.state for one in await desk.history(lead_id)] == ["EXPIRED", "ASSIGNED"]


async def test_a_link_ends_after_a_week(desk: Desk, base: str, links: OpenLinks) -> None:
    await add_rep(desk, "ana", "Ana")
    lead_id = await new_lead(desk)
    long_ago = datetime.now(UTC) - timedelta(days=7, seconds=1)
    await desk._change(update(assignments).values(assigned_at=long_ago))
    late = await press(base, await link_to(desk, links, lead_id))
    assert (late.status_code, "this link was for an earlier time" in late.text) == (409, True)
    assert (await given(desk, lead_id)).state == "ASSIGNED"


async def test_a_link_that_is_not_ours_opens_nothing(
    desk: Desk, base: str, links: OpenLinks
) -> None:
    await add_rep(desk, "ana", "Ana")
    lead_id = await new_lead(desk)
    path = await link_to(desk, links, lead_id)
    row = await given(desk, lead_id)
    until = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
    payload = [row.assignment_id, row.attempt, until]
    sign = desk.access.sessions.sign
    place = "/routing/open/"
    payload_part, _, signature = path.removeprefix(place).rpartition(".")
    forged = [
        f"{payload_part}.{signature[::-1]}",
        sign(PURPOSE, [row.assignment_id, 7, until]).partition(".")[0] + "." + signature,
        sign("another-purpose", payload),
        sign(PURPOSE, ["nothing", 1, until]),
        sign(PURPOSE, {"a": 1}),
        desk.access.sessions.begin("key"),
        "x",
    ]
    for one in forged:
        answer = await press(base, place + one)
        assert (answer.status_code, "opens nothing" in answer.text) == (404, True), one
        assert "Ana" not in answer.text
    other = await press(base, place + sign(PURPOSE, [row.assignment_id, row.attempt + 1, until]))
    assert other.status_code == 409
    assert (await press(base, path, "reject")).status_code == 400
    assert (await given(desk, lead_id)).state == "ASSIGNED"
    assert (await press(base, path)).status_code == 200
    assert (await press(base, path)).status_code == 200  # pressed twice: the same answer
    assert (await given(desk, lead_id)).state == "ACKNOWLEDGED"


async def test_a_late_message_says_so(desk: Desk, post: Mailbox) -> None:
    await add_rep(desk, "ana", "Ana")
    post.close()
    await new_lead(desk)
    await send_due(desk)
    await desk._change(update(assignments).values(due_at=PAST))
    await desk.expire()
    await post.open()
    await time_passes(desk)
    await send_due(desk)
    (mail,) = post.mails
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "This message is late" in text
