"""The editor in a real browser: a draft with levels is written, tried on past leads while it is
typed, saved, lets itself challenge and is published; and all of it without a script too."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page, async_playwright, expect

from deploy.compose import Dispatcher
from deploy.web import app as web
from shared.access import Access, Role
from shared.access.sessions import COOKIE
from shared.runtime.parts import Alarm
from shared.web.links import Links

from .conftest import Running
from .test_backtests import BASE, given_leads, publish

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SLOW = 30_000
"""Milliseconds: a computation starts a process of its own."""


@pytest_asyncio.fixture
async def base(qualify: Running, access: Access) -> AsyncIterator[str]:
    """Qualify with the shell around it, a month of answered leads, and its re-scoring running."""
    await publish(qualify, BASE)
    await given_leads(qualify)
    service = qualify.service
    shell = Dispatcher(
        {"qualify": service.app},
        web.build(access, Links(), {"qualify": service.migrations.parent}),
    )
    alarms = [part for part in service.parts if isinstance(part, Alarm)]
    for part in alarms:
        await part.start()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(shell, lifespan="off", log_level="warning"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task
    for part in alarms:
        await part.stop()


@pytest_asyncio.fixture
async def browser(chromium: str, chromium_args: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        await browser.close()


@asynccontextmanager
async def marketer(
    browser: Browser, access: Access, base: str, *, script: bool = True, width: int = 1440
) -> AsyncIterator[Page]:
    """A page of a marketer who has logged in; nothing may go wrong on it."""
    key_id, _ = await access.create_key(Role.MARKETER)
    context = await browser.new_context(
        java_script_enabled=script, viewport={"width": width, "height": 900}
    )
    await context.add_cookies(
        [{"name": COOKIE, "value": access.sessions.begin(key_id), "url": base}]
    )
    page = await context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda m: failures.append(m.text) if m.type == "error" else None)
    yield page
    await context.close()
    refused = "Failed to load resource: the server responded with a status of 4"
    assert [text for text in failures if not text.startswith(refused)] == []


async def add_levels(page: Page) -> None:
    """A third criterion: company size in two levels, the second with a mistake in it."""
    await page.get_by_role("button", name="Add a criterion: levels of a fact").click()
    size = page.get_by_role("group", name="Criterion 3", exact=True)
    await expect(size.get_by_label("Fact")).to_be_focused()
    await size.get_by_label("Fact").fill("employees")
    first = size.get_by_role("group", name="Level 1")
    await first.get_by_label("Condition").select_option(label="is not known")
    await first.get_by_label("Points").fill("-5")
    await size.get_by_role("button", name="Add a level").click()
    size = page.get_by_role("group", name="Criterion 3", exact=True)
    second = size.get_by_role("group", name="Level 2")
    await second.get_by_label("Condition").select_option(label="is at least")
    await second.get_by_label("Value").fill("many")
    await second.get_by_label("Points").fill("15")


async def test_a_draft_with_levels_is_tried_saved_challenges_and_is_published(
    qualify: Running, access: Access, browser: Browser, base: str
) -> None:
    async with marketer(browser, access, base) as page:
        await page.goto(f"{base}/qualify/")
        await page.get_by_role("link", name="Write a new version").click()
        await add_levels(page)
        # What is typed is tried by itself: first it says what is wrong …
        figures = page.locator("#trial-figures")
        mistake = figures.get_by_role("link", name="Criterion 3, level 2, value")
        await expect(mistake).to_be_visible(timeout=SLOW)
        await page.get_by_role("button", name="Save as a draft").last.click()
        error = page.get_by_role("link", name="Criterion 3, level 2, value")
        await expect(error).to_be_visible()
        value = page.get_by_role("group", name="Level 2").get_by_label("Value")
        await expect(value).to_have_value("many")
        await expect(value).to_have_attribute("aria-invalid", "true")
        await error.click()
        await expect(value).to_be_focused()
        # … and once it is mended, what it would have done with past leads.
        await value.fill("100")
        await expect(page.get_by_role("heading", name="Over thresholds")).to_be_visible(
            timeout=SLOW
        )
        await expect(figures.get_by_text("would come in")).to_be_visible()
        await expect(page.locator("#trial-state")).to_have_text("As typed now.")
        mqls = figures.locator(".stat-value").first
        before = await mqls.inner_text()
        await page.get_by_label("Points of criterion 1").fill("5")
        await expect(mqls).not_to_have_text(before, timeout=SLOW)
        await page.get_by_label("Points of criterion 1").fill("20")
        await page.get_by_label("Why this version?").fill("Large firms buy")
        await page.get_by_role("button", name="Save as a draft").last.click()
        await expect(page.get_by_text("Version 3 is written")).to_be_visible()
        await page.get_by_role("button", name="Let it challenge").click()
        await expect(page.get_by_text("Version 3 challenges the published one")).to_be_visible()
        await page.get_by_role("link", name="Compare").click()
        await expect(page.get_by_role("heading", name="Is it proven?")).to_be_visible()
        await page.get_by_role("link", name="Promote…").click()
        await expect(page.get_by_text("open leads it would move")).to_be_visible()
        await page.get_by_role("button", name="Publish version 3").click()
        await expect(page.get_by_text("Not published: evidence is missing")).to_be_visible(
            timeout=SLOW
        )
        await page.get_by_label("Why without the evidence?").fill("The fair is next week")
        await page.get_by_role("button", name="Publish version 3").click()
        await expect(page.get_by_text("Version 3 is published")).to_be_visible()
        await expect(page.get_by_text("The fair is next week")).to_be_visible()
        await expect(page.get_by_text("open leads scored")).to_be_visible()
    made = (await qualify.client.get("/qualify/v1/definitions/published")).json()
    assert made["criteria"][2]["levels"] == [
        {"operator": "is_missing", "value": None, "points": -5},
        {"operator": "at_least", "value": 100, "points": 15},
    ]


async def test_the_editor_works_without_a_script_on_a_phone(
    qualify: Running, access: Access, browser: Browser, base: str
) -> None:
    async with marketer(browser, access, base, script=False, width=390) as page:
        await page.goto(f"{base}/qualify/definitions/new")
        await page.get_by_label("Threshold", exact=True).fill("10")
        await page.get_by_role("button", name="Try it").click()
        await expect(page.get_by_role("heading", name="Over thresholds")).to_be_visible()
        await expect(page.get_by_label("Threshold", exact=True)).to_have_value("10")
        await page.get_by_text("As a table").click()
        await expect(page.get_by_role("region", name="Over thresholds")).to_be_visible()
        for path in ("/qualify/", "/qualify/definitions/new", "/qualify/definitions/2"):
            await page.goto(base + path)
            wide = await page.locator("html").evaluate("e => e.scrollWidth - e.clientWidth")
            assert wide <= 0, path
