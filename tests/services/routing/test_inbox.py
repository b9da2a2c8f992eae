"""The inbox in a real browser: live, with a countdown, and three answers that work without a
script too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from deploy.compose import Dispatcher
from deploy.web import app as web
from services.routing.http import stream
from shared.access import Role
from shared.access.sessions import COOKIE
from shared.web.links import Links
from tests.services.routing.desk import Desk, mql, person
from tests.services.routing.test_running import publish, running

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def browser(chromium: str, chromium_args: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def base(desk: Desk) -> AsyncIterator[str]:
    """Routing with the shell around it: static files, front page, login."""
    routing = desk.service.app
    folders = {"routing": desk.service.migrations.parent}
    shell = Dispatcher({"routing": routing}, web.build(desk.access, Links(), folders))
    desk.service.app = shell  # type: ignore[assignment]
    async with running(desk) as url:
        desk.service.app = routing
        yield url


@asynccontextmanager
async def page_of(
    desk: Desk,
    browser: Browser,
    base: str,
    role: Role,
    rep_id: str | None = None,
    script: bool = True,
) -> AsyncIterator[Page]:
    """A page of somebody who has logged in."""
    key_id, _ = await desk.access.create_key(role, rep_id)
    context = await browser.new_context(java_script_enabled=script)
    await context.add_cookies(
        [{"name": COOKIE, "value": desk.access.sessions.begin(key_id), "url": base}]
    )
    page = await context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda m: failures.append(m.text) if m.type == "error" else None)
    refused = "Failed to load resource: the server responded with a status of 4"
    yield page
    await context.close()
    assert [text for text in failures if not text.startswith(refused)] == []


async def give(desk: Desk, base: str, first: str, last: str = "Doe", *, score: int = 65) -> str:
    """A new MQL with contact data, from the bus; answers its lead id."""
    lead = mql().model_copy(update={"score": score, "explored": score < 50})
    await publish(desk, person(lead.lead_id, first, last), lead)
    return lead.lead_id


async def test_a_lead_arrives_live_and_is_accepted(desk: Desk, browser: Browser, base: str) -> None:
    await desk.add_reps(("ana", 1, 9))
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await page.goto(f"{base}/routing/inbox")
        await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
        await expect(page.locator("#live-text")).to_contain_text("Live")
        await give(desk, base, "Grace", "Hopper")
        card = page.get_by_role("article", name="Grace Hopper")
        await expect(card).to_be_visible()
        await expect(page.locator("#announce")).to_have_text(
            "New lead: Grace Hopper, Head of Operations, Acme GmbH."
        )
        await expect(page.get_by_text("Nothing waits for you")).to_have_count(0)
        assert await page.title() == "(1) Inbox · Leadloop"
        mail = card.get_by_role("link", name="grace.hopper@acme.example")
        assert await mail.get_attribute("href") == "mailto:grace.hopper%40acme.example"
        phone = card.get_by_role("link", name="+49 30 123456")
        assert await phone.get_attribute("href") == "tel:%2B4930123456"
        await card.get_by_text("why it is yours").click()
        await expect(card.get_by_text("the only rep who could take it")).to_be_visible()
        await expect(card.get_by_text("employees 120")).to_be_visible()
        await card.get_by_role("button", name="Acknowledge").click()
        await expect(page.get_by_text("Noted that you have seen it")).to_be_visible()
        await expect(card.get_by_text("to decide")).to_be_visible()
        await card.get_by_role("button", name="Accept").click()
        await expect(page.get_by_text("You find it below")).to_be_visible()
        working = page.get_by_role("region", name="Working on")
        await expect(working.get_by_role("article", name="Grace Hopper")).to_be_visible()
        await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    (row,) = await desk.open_rows()
    assert row.state == "ACCEPTED"


async def test_rejecting_with_a_reason_while_others_arrive(
    desk: Desk, browser: Browser, base: str
) -> None:
    await desk.add_reps(("ana", 1, 9))
    first = await give(desk, base, "Ada", "Lovelace")
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await page.goto(f"{base}/routing/inbox")
        card = page.get_by_role("article", name="Ada Lovelace")
        await card.get_by_text("Reject …").click()
        await card.get_by_label("Reason").select_option("OUTSIDE_ICP")
        note = card.get_by_label("Note")
        await note.click()
        await note.press_sequentially("too sm")
        await give(desk, base, "Alan", "Turing")
        await expect(page.get_by_role("article", name="Alan Turing")).to_be_visible()
        # What is being typed stays, and so does the focus.
        await expect(note).to_be_focused()
        await note.press_sequentially("all")
        await expect(note).to_have_value("too small")
        await expect(card.get_by_label("Reason")).to_have_value("OUTSIDE_ICP")
        await card.get_by_role("button", name="Reject this lead").click()
        await expect(page.get_by_text("Rejected. Thank you")).to_be_visible()
        await expect(card).to_have_count(0)
        await expect(page.get_by_role("article", name="Alan Turing")).to_be_visible()
    (row,) = await desk.history(first)
    assert (row.state, row.reason, row.note) == ("REJECTED", "OUTSIDE_ICP", "too small")


async def test_the_countdown_runs_and_a_breach_takes_the_lead_away(
    desk: Desk, browser: Browser, base: str
) -> None:
    await desk.add_reps(("ana", 1, 9))
    await desk.set_policy(sla_minutes=0.08, max_attempts=1)
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await page.goto(f"{base}/routing/inbox")
        await expect(page.locator("#live-text")).to_contain_text("Live")
        await give(desk, base, "Grace", "Hopper")
        badge = page.locator("[data-left]")
        await expect(badge).to_contain_text("left")
        before = await badge.inner_text()
        await expect(badge).not_to_have_text(before)
        await expect(page.get_by_role("article", name="Grace Hopper")).to_have_count(
            0, timeout=15000
        )
        await expect(page.locator("#announce")).to_contain_text("has left your inbox")


async def test_the_page_of_a_revoked_key_says_so(
    desk: Desk, browser: Browser, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.1)
    await desk.add_reps(("ana", 1, 9))
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await page.goto(f"{base}/routing/inbox")
        await expect(page.locator("#live-text")).to_contain_text("Live")
        for key in await desk.access.list_keys():
            await desk.access.revoke_key(key.key_id)
        await expect(page.locator("#live-text")).to_contain_text("You are logged out")


async def test_without_a_script(desk: Desk, browser: Browser, base: str) -> None:
    await desk.add_reps(("ana", 1, 9))
    leads = [
        await give(desk, base, name, score=score)
        for name, score in (("One", 65), ("Two", 49), ("Three", 65))
    ]

    async with page_of(desk, browser, base, Role.REP, "ana", script=False) as page:
        for _ in range(100):
            await page.goto(f"{base}/routing/inbox")
            if await page.get_by_role("article").count() == 3:
                break
            await asyncio.sleep(0.1)
        one = page.get_by_role("article", name="One Doe")
        await expect(one.locator(".countdown")).to_be_visible()
        await one.get_by_role("button", name="Accept").click()
        await expect(page.get_by_text("You find it below")).to_be_visible()
        two = page.get_by_role("article", name="Two Doe")
        await expect(two).to_contain_text("Below the threshold on purpose")
        await expect(page.get_by_text("Below the threshold on purpose")).to_have_count(1)
        await two.get_by_text("Reject …").click()
        await two.get_by_label("Reason").select_option(label="Spam")
        await two.get_by_role("button", name="Reject this lead").click()
        await expect(page.get_by_text("Rejected. Thank you")).to_be_visible()
        # Meanwhile the third one is taken away.
        (row,) = await desk.history(leads[2])
        admin = await desk.client(Role.ADMIN)
        reject = f"/routing/v1/assignments/{row.assignment_id}/reject"
        await admin.post(reject, json={"reason": "SPAM"})
        await (
            page.get_by_role("article", name="Three Doe")
            .get_by_role("button", name="Accept")
            .click()
        )
        await expect(page.get_by_text("your answer changed nothing")).to_be_visible()


async def test_an_admin_picks_a_rep_and_sets_routing_up(
    desk: Desk, browser: Browser, base: str
) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    await desk.set_policy(rules=[{"id": "bens", "rep_ids": ["ben"]}])
    await give(desk, base, "Grace", "Hopper")
    async with page_of(desk, browser, base, Role.ADMIN) as page:
        await page.goto(f"{base}/routing/inbox")
        await expect(page.get_by_role("heading", name="Inbox of ana")).to_be_visible()
        await page.get_by_label("Rep").select_option("ben")
        await expect(page.get_by_role("heading", name="Inbox of ben")).to_be_visible()
        await expect(page.get_by_role("article", name="Grace Hopper")).to_be_visible()
        await page.get_by_role("link", name="Reps and policy").click()
        ana = page.get_by_role("article", name="ana")
        await ana.get_by_text("Change").click()
        await ana.get_by_label("Weight").fill("3")
        await ana.get_by_label("Time zone").fill("Mars/Olympus")
        await ana.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("not in the IANA time zone database")).to_be_visible()
        ana = page.get_by_role("article", name="ana")
        await expect(ana.get_by_label("Weight")).to_have_value("3")
        await ana.get_by_label("Time zone").fill("Europe/Lisbon")
        await ana.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        await page.get_by_text("Add a rep", exact=True).click()
        form = page.get_by_role("form", name="Add a rep")
        await form.get_by_label("Name").fill("Chloe")
        await form.get_by_role("button", name="Add this rep").click()
        await expect(page.get_by_role("article", name="Chloe")).to_be_visible()
        await page.get_by_label("Minutes to a first answer").fill("30")
        await page.get_by_label("Rounds before it waits for you").fill("2")
        await page.get_by_role("button", name="Put in force").click()
        await expect(page.get_by_text("The new version of the policy is in force")).to_be_visible()
    admin = await desk.client(Role.ADMIN)
    policy = (await admin.get("/routing/v1/policy")).json()
    assert (policy["version"], policy["sla_minutes"], len(policy["rules"])) == (2, 30, 1)
    assert policy["max_rounds"] == 2


async def test_forms_need_the_token_and_pages_a_login(desk: Desk, base: str) -> None:
    key_id, _ = await desk.access.create_key(Role.REP, "ana")
    cookies = {COOKIE: desk.access.sessions.begin(key_id)}
    html = {"Accept": "text/html"}
    async with httpx.AsyncClient(base_url=base, headers=html) as nobody:
        for path in ("/routing/inbox", "/routing/"):
            answer = await nobody.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login")
    async with httpx.AsyncClient(base_url=base, headers=html, cookies=cookies) as rep:
        assert (await rep.get("/routing/")).status_code == 403
        refused = await rep.post("/routing/inbox/x", data={"answer": "accept"})
        assert refused.status_code == 403
