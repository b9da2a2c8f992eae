"""The page on which marketers declare what came undeclared, in a real browser without a script."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from deploy.compose import Dispatcher
from deploy.web import app as web
from shared.access import Access, Role
from shared.access.sessions import COOKIE
from shared.web.links import Links
from tests.services.capture.conftest import LEADS, Capture, served
from tests.services.capture.test_names import read_anew

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def browser(chromium: str, chromium_args: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        await browser.close()


@asynccontextmanager
async def page_of(
    capture: Capture, access: Access, browser: Browser, role: Role
) -> AsyncIterator[tuple[Page, str]]:
    """A page of somebody who has logged in, and the address of the service."""
    folders = {"capture": capture.service.migrations.parent}
    shell = Dispatcher({"capture": capture.service.app}, web.build(access, Links(), folders))
    key_id, _ = await access.create_key(role)
    async with served(shell) as base:
        context = await browser.new_context(java_script_enabled=False)
        await context.add_cookies(
            [{"name": COOKIE, "value": access.sessions.begin(key_id), "url": base}]
        )
        yield await context.new_page(), base
        await context.close()


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_marketer_declares_what_came_in_one_step(
    capture: Capture, access: Access, browser: Browser, width: int, tmp_path: Path
) -> None:
    for number in range(3):
        form = {
            "email": f"{number}@example.com",
            "budget": f"{number}000",
            "Rang": "CEO",
            "country": "somewhere nice",
            "What brings you here today, and who told you about us?": "a friend " * 40,
        }
        answer = await capture.post(form)
    async with page_of(capture, access, browser, Role.MARKETER) as (page, base):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/capture/fields")
        await page.screenshot(path=tmp_path / "fields.png", full_page=True)
        card = page.get_by_role("article", name="budget", exact=True)
        await expect(card.get_by_text("3 times")).to_be_visible()
        await expect(card.get_by_text("“2000”")).to_be_visible()
        unread = page.get_by_role("article", name="Unread country")
        await expect(unread.get_by_text("somewhere nice")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width

        await card.get_by_text("Declare it").click()
        form_of = page.get_by_role("form", name="Declare budget")
        await expect(form_of.get_by_label("Type")).to_have_value("number")
        await form_of.get_by_label("Type").select_option("choice")
        await form_of.get_by_role("button", name="Declare").click()
        await expect(page.get_by_text("Write the values it may have, one a line.")).to_be_visible()
        form_of = page.get_by_role("form", name="Declare budget")
        await expect(form_of.get_by_label("Type")).to_have_value("choice")
        await form_of.get_by_label("Type").select_option("number")
        await form_of.get_by_role("button", name="Declare").click()
        await expect(page.get_by_text("Declared. Leads that have this field")).to_be_visible()
        await expect(page.get_by_role("cell", name="a fact (being read anew)")).to_be_visible()
        await expect(page.get_by_role("article", name="budget", exact=True)).to_have_count(0)

        card = page.get_by_role("article", name="Rang")
        await card.get_by_text("It is a field every lead has").click()
        form_of = page.get_by_role("form", name="Understand Rang")
        await form_of.get_by_label("The name stands for").select_option("job_title")
        await form_of.get_by_role("button", name="Understand it so").click()
        await expect(page.get_by_text("Understood from now on.")).to_be_visible()
        await page.screenshot(path=tmp_path / "after.png", full_page=True)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await read_anew(capture)
    lead = (await capture.client.get(f"{LEADS}/{answer.json()['lead_id']}")).json()
    assert (lead["facts"]["fields.budget"], lead["facts"]["job_title"]) == (2000, "CEO")


async def test_nobody_but_marketing_sees_it(
    capture: Capture, access: Access, browser: Browser
) -> None:
    async with page_of(capture, access, browser, Role.SERVICE) as (page, base):
        answer = await page.goto(f"{base}/capture/fields")
        assert answer is not None
        assert answer.status == 403
    anonymous = await capture.client.get("/capture/fields", headers={"Accept": "text/html"})
    assert anonymous.status_code == 303
    forged = await capture.client.post("/capture/fields", data={"name": "x", "kind": "fact"})
    assert forged.status_code in (303, 401, 403)
