"""The front pages in a real browser: by keyboard, on a phone, without scripts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from shared.access import Role


@pytest_asyncio.fixture
async def browser(chromium: str, chromium_args: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        await browser.close()


async def test_somebody_logs_in_by_keyboard_and_out_again(browser: Browser, front: Any) -> None:
    _, key = await front.key(Role.REP, "anna")
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{front.url}/login?next=/login")
    await expect(page.get_by_label("Access key")).to_be_focused()
    await page.keyboard.type("ll_rep_mistyped")
    await page.keyboard.press("Enter")
    field = page.get_by_label("Access key")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_text("This key is not known")).to_be_visible()
    await expect(field).to_have_value("")
    await field.fill(key)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{front.url}/login")
    await expect(page.locator("header").get_by_text("anna")).to_be_visible()
    [cookie] = await context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("link", name="Log in", exact=True)).to_be_visible()
    assert await context.cookies() == []


async def test_the_first_tab_skips_to_the_content(browser: Browser, front: Any) -> None:
    page = await browser.new_page()
    await page.goto(front.url)
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("width", [360, 390, 768, 1024, 1600])
@pytest.mark.parametrize("path", ["/", "/login", "/nowhere"])
async def test_nothing_is_cut_off_and_no_rule_is_broken(
    browser: Browser, front: Any, width: int, path: str
) -> None:
    page = await browser.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(front.url + path)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.locator("h1").count() == 1
    assert [c for c in complaints if "404" not in c] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_follows_the_colour_scheme(
    browser: Browser, front: Any, scheme: str
) -> None:
    page = await browser.new_page(color_scheme=scheme)
    await page.goto(front.url)
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(245, 247, 246)", "dark": "rgb(16, 23, 21)"}[scheme]


async def test_small_targets_are_large_enough_to_touch(browser: Browser, front: Any) -> None:
    page = await browser.new_page(viewport={"width": 360, "height": 800})
    await page.goto(front.url)
    sizes = await page.evaluate(
        "[...document.querySelectorAll('a.button, button, .site-nav a')]"
        ".map(e => [e.textContent.trim(), e.getBoundingClientRect().height])"
    )
    assert sizes
    assert [name for name, height in sizes if height < 24] == []
