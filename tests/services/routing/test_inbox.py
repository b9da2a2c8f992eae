"""The inbox in a real browser: live, with a countdown, and three answers that work without a
script too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Response, async_playwright, expect
from sqlalchemy import update

from deploy.compose import Dispatcher
from deploy.web import app as web
from services.routing.handlers import answers
from services.routing.http import stream
from services.routing.store.tables import assignments
from shared.access import Role
from shared.access.sessions import COOKIE
from shared.contracts.events import LeadQualified
from shared.contracts.vocabulary import RejectReason
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


async def put(desk: Desk, first: str, **more: Any) -> LeadQualified:
    """A new MQL with contact data, without the bus."""
    lead = mql().model_copy(update=more)
    await desk.happen(person(lead.lead_id, first), lead)
    return lead


def line(page: Page, name: str) -> Locator:
    """A lead's line in the list."""
    return page.locator("#rows > li").filter(has_text=name)


def count(page: Page, tab: str) -> Locator:
    """The number beside a list's name."""
    return page.locator(f"[data-count={tab}]")


async def live(page: Page, base: str, tab: str = "waiting") -> None:
    await page.goto(f"{base}/routing/inbox?tab={tab}")
    await expect(page.locator("#live-text")).to_contain_text("Live")


async def test_a_lead_arrives_live_and_is_accepted(desk: Desk, browser: Browser, base: str) -> None:
    await desk.add_reps(("ana", 1, 9))
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await live(page, base)
        await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
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
        await expect(page.get_by_text("Grace Hopper: noted that you have seen it")).to_be_visible()
        await expect(card.get_by_text("to decide")).to_be_visible()
        await expect(line(page, "Grace Hopper")).to_contain_text("seen")
        await card.get_by_role("button", name="Accept").click()
        await expect(page.get_by_text("Grace Hopper is yours.")).to_be_visible()
        await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
        await expect(count(page, "waiting")).to_have_text("0")
        await expect(count(page, "mine")).to_have_text("1")
        await page.get_by_role("link", name="Mine").click()
        await expect(card).to_be_visible()
    (row,) = await desk.open_rows()
    assert row.state == "ACCEPTED"


async def test_rejecting_with_a_reason_while_others_arrive(
    desk: Desk, browser: Browser, base: str
) -> None:
    await desk.add_reps(("ana", 1, 9))
    first = await give(desk, base, "Ada", "Lovelace")
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await live(page, base)
        card = page.get_by_role("article", name="Ada Lovelace")
        await card.get_by_text("Reject …").click()
        await card.get_by_label("Another reason").select_option("SPAM")
        note = card.get_by_label("Note")
        await note.click()
        await note.press_sequentially("too sm")
        await give(desk, base, "Alan", "Turing")
        await expect(line(page, "Alan Turing")).to_be_visible()
        # What is being typed stays, and so does the focus.
        await expect(note).to_be_focused()
        await note.press_sequentially("all")
        await expect(note).to_have_value("too small")
        await expect(card.get_by_label("Another reason")).to_have_value("SPAM")
        await card.get_by_role("button", name="Reject this lead").click()
        await expect(page.get_by_text("Ada Lovelace is rejected.")).to_be_visible()
        await expect(line(page, "Ada Lovelace")).to_have_count(0)
        # The next one is open, and has the focus.
        title = page.get_by_role("heading", name="Alan Turing")
        await expect(title).to_be_focused()
        await page.get_by_role("link", name="Missed").click()
        await expect(line(page, "Ada Lovelace")).to_contain_text("turned down: spam")
        await expect(page.locator("main")).not_to_contain_text("ada.lovelace@")
    (row,) = await desk.history(first)
    assert (row.state, row.reason, row.note) == ("REJECTED", "SPAM", "too small")


async def test_by_keyboard_with_the_usual_reasons_first(
    desk: Desk, browser: Browser, base: str
) -> None:
    await desk.add_reps(("ana", 1, 9))
    await desk.happen(*(mql() for _ in range(3)))
    for row in await desk.open_rows():
        reject = partial(
            answers.reject,
            answer=answers.Answer(row.assignment_id),
            reason=RejectReason.DUPLICATE,
        )
        await desk.transactions.run(reject)
    leads = [(await put(desk, name)).lead_id for name in ("One", "Two", "Three", "Four")]
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await live(page, base)
        await expect(page.locator("#rows > li")).to_have_count(4)
        title = page.locator("#lead-title")
        await page.keyboard.press("j")
        await expect(title).to_contain_text("Two Doe")
        await page.keyboard.press("k")
        await expect(title).to_contain_text("One Doe")
        await page.keyboard.press("a")
        await expect(page.get_by_text("One Doe is yours.")).to_be_visible()
        await expect(title).to_contain_text("Two Doe")
        await page.keyboard.press("r")
        await expect(page.get_by_role("button", name="We have this lead already")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Two Doe is rejected.")).to_be_visible()
        await expect(title).to_contain_text("Three Doe")
        await page.keyboard.press("s")
        await expect(page.get_by_text("Three Doe: noted")).to_be_visible()
        # Who types, types; and who wants no keys has none.
        await page.get_by_text("Reject …").click()
        await page.get_by_label("Note").press_sequentially("ja")
        await page.get_by_text("Keyboard").click()
        await page.get_by_label("Single keys do this").uncheck()
        await page.locator("#lead-title").focus()
        await page.keyboard.press("a")
        await expect(count(page, "waiting")).to_have_text("2")
    states = [(await desk.history(lead_id))[0] for lead_id in leads]
    assert [row.state for row in states] == ["ACCEPTED", "REJECTED", "ACKNOWLEDGED", "ASSIGNED"]
    assert states[1].reason == "DUPLICATE"


async def test_one_lead_at_a_time_on_a_phone(desk: Desk, browser: Browser, base: str) -> None:
    await desk.add_reps(("ana", 1, 200))
    leads = [mql() for _ in range(130)]
    people = [person(lead.lead_id, f"Lead{n}") for n, lead in enumerate(leads)]
    await desk.happen(*people, *leads)
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await page.set_viewport_size({"width": 390, "height": 844})
        sent = moved(page)
        async with page.expect_response(lambda answer: "part=rows" in answer.url):
            await live(page, base)
        await expect(count(page, "waiting")).to_have_text("130")
        await expect(page.get_by_text("1 of 130")).to_be_visible()
        await expect(page.locator(".inbox-list")).to_be_hidden()
        height = await page.evaluate("document.documentElement.scrollHeight")
        assert height < 3 * 844
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        await page.get_by_role("link", name="Next").click()
        await expect(page.locator("#lead-title")).to_contain_text("Lead1 Doe")
        sent.clear()
        await page.get_by_role("button", name="Accept").click()
        await expect(count(page, "waiting")).to_have_text("129")
        await expect(page.locator("#lead-title")).to_contain_text("Lead2 Doe")
        assert sum(sent) < 20_000
        await page.get_by_role("link", name="List", exact=True).click()
        await expect(page.locator("#rows > li")).to_have_count(50)
        await page.get_by_label("Name or company").fill("lead12")
        await page.get_by_role("button", name="Filter").click()
        await expect(page.get_by_text("11 fit.")).to_be_visible()
        await page.get_by_role("link", name="Show all").click()
        await page.get_by_role("link", name="More").click()
        await expect(page.locator("#rows > li")).to_have_count(50)
        # On a wide screen the list scrolls by itself, and the page stays as long as its lead.
        await page.set_viewport_size({"width": 1280, "height": 900})
        assert await page.evaluate("document.documentElement.scrollHeight") < 2 * 900


def moved(page: Page) -> list[int]:
    """The size of every answer from now on, in bytes."""
    sizes: list[int] = []

    def measure(response: Response) -> None:
        sizes.append(int(response.headers.get("content-length", 0)))

    page.on("response", measure)
    return sizes


async def test_the_most_urgent_first_then_by_grade(desk: Desk, browser: Browser, base: str) -> None:
    await desk.add_reps(("ana", 1, 9))
    for name, grade in (("Bea", "B"), ("Abe", "A"), ("Cid", "C")):
        await put(desk, name, grade=grade)
    (last,) = [row for row in await desk.open_rows() if row.grade == "C"]
    soon = datetime.now(UTC) + timedelta(minutes=5)
    urgent = update(assignments).where(assignments.c.assignment_id == last.assignment_id)
    await desk.db.write(lambda conn: conn.execute(urgent.values(due_at=soon)))
    async with page_of(desk, browser, base, Role.REP, "ana", script=False) as page:
        await page.goto(f"{base}/routing/inbox")
        told = await page.locator("#rows > li strong").all_inner_texts()
        assert told == ["Cid Doe", "Abe Doe", "Bea Doe"]
        await page.goto(f"{base}/routing/inbox?grade=B")
        assert await page.locator("#rows > li strong").all_inner_texts() == ["Bea Doe"]


async def test_the_countdown_runs_and_a_breach_takes_the_lead_away(
    desk: Desk, browser: Browser, base: str
) -> None:
    await desk.add_reps(("ana", 1, 9))
    await desk.set_policy(sla_minutes=0.08, max_attempts=1)
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        await live(page, base)
        await give(desk, base, "Grace", "Hopper")
        badge = line(page, "Grace Hopper").locator("[data-left]")
        await expect(badge).to_contain_text("left")
        before = await badge.inner_text()
        await expect(badge).not_to_have_text(before)
        await expect(line(page, "Grace Hopper")).to_have_count(0, timeout=15000)
        await expect(page.locator("#announce")).to_contain_text("has left your inbox")
        await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
        await page.get_by_role("link", name="Missed").click()
        await expect(line(page, "Grace Hopper")).to_contain_text("ran out")


async def test_a_manager_answers_for_a_rep_of_theirs(
    desk: Desk, browser: Browser, base: str
) -> None:
    await desk.add_reps(("ana", 1, 9), ("mia", 0, 0), ("ben", 0, 0))
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/teams", json={"name": "Iberia", "manager_id": "mia"})
    await admin.patch("/routing/v1/reps/ana", json={"team_id": "iberia"})
    await give(desk, base, "Grace", "Hopper")
    async with page_of(desk, browser, base, Role.MANAGER, "mia") as page:
        await live(page, base)
        # Nobody is offered whose inbox is closed to them.
        assert await page.locator("#rep_id option").all_inner_texts() == ["ana", "mia"]
        await page.get_by_label("Rep").select_option("ana")
        await expect(page.get_by_role("heading", name="Inbox of ana")).to_be_visible()
        await expect(page.locator("#live-text")).to_contain_text("Live")
        await page.get_by_role("button", name="Accept").click()
        await expect(page.get_by_text("Grace Hopper is yours.")).to_be_visible()
        answer = await page.goto(f"{base}/routing/inbox?rep_id=ben")
        assert answer is not None
        assert answer.status == 403


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
            if await page.locator("#rows > li").count() == 3:
                break
            await asyncio.sleep(0.1)
        await line(page, "One Doe").get_by_role("link").click()
        await expect(page.locator(".countdown")).to_be_visible()
        await page.get_by_role("button", name="Accept").click()
        await expect(page.get_by_text("One Doe is yours.")).to_be_visible()
        await expect(page.locator("#lead-title")).to_contain_text("Two Doe")
        await expect(page.locator("#lead-title")).to_be_focused()
        await expect(page.get_by_text("Below the threshold on purpose")).to_be_visible()
        await page.get_by_text("Reject …").click()
        await page.get_by_role("button", name="Reject this lead").click()
        await expect(page.get_by_text("Choose why you reject Two Doe.")).to_be_visible()
        await page.get_by_text("Reject …").click()
        await page.get_by_label("Another reason").select_option(label="Spam")
        await page.get_by_role("button", name="Reject this lead").click()
        await expect(page.get_by_text("Two Doe is rejected.")).to_be_visible()
        await expect(page.locator("#lead-title")).to_contain_text("Three Doe")
        await expect(page.get_by_text("Below the threshold on purpose")).to_have_count(0)
        # Meanwhile the third one is taken away.
        (row,) = await desk.history(leads[2])
        admin = await desk.client(Role.ADMIN)
        reject = f"/routing/v1/assignments/{row.assignment_id}/reject"
        await admin.post(reject, json={"reason": "SPAM"})
        await page.get_by_role("button", name="Accept").click()
        await expect(page.get_by_text("Three Doe had moved on already")).to_be_visible()


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
        await page.goto(f"{base}/routing/")
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
