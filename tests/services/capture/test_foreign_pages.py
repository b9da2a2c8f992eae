"""Forms of HubSpot and Salesforce on a page of another site, in a real browser."""

import json
from collections.abc import AsyncIterator
from html import escape

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.services.capture.conftest import Capture, served
from tests.services.capture.payloads import HUBSPOT, SALESFORCE
from tests.services.capture.test_other_tools import PORTAL, THEIRS, leads, source, web_to_lead

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def browser(chromium: str, chromium_args: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        await browser.close()


def site(ours: str) -> Starlette:
    """A company's own site, as it was before, but for the address that its forms post to."""

    async def salesforce(request: Request) -> HTMLResponse:
        back = str(request.url.replace(path="/thanks"))
        inputs = "".join(
            f'<input name="{escape(name)}" value="{escape(back if name == "retURL" else value)}">'
            for name, value in SALESFORCE.items()
            if name != "submit"
        )
        return HTMLResponse(
            f'<form action="{ours}/capture/servlet/servlet.WebToLead?encoding=UTF-8" '
            f'method="POST">{inputs}<input type="submit" name="submit"></form>'
        )

    async def hubspot(_: Request) -> HTMLResponse:
        return HTMLResponse(
            f"<p>…</p><script>fetch({json.dumps(ours + THEIRS)}, {{method: 'POST', "
            "headers: {'Content-Type': 'application/json'}, "
            f"body: JSON.stringify({json.dumps(HUBSPOT)})}})"
            ".then(r => r.json()).then(j => document.querySelector('p').textContent = "
            "j.inlineMessage || j.status).catch(e => document.querySelector('p').textContent = e)"
            "</script>"
        )

    async def thanks(_: Request) -> HTMLResponse:
        return HTMLResponse("<h1>Our own thanks</h1>")

    routes = {"/salesforce": salesforce, "/hubspot": hubspot, "/thanks": thanks}
    return Starlette(routes=[Route(path, call) for path, call in routes.items()])


async def test_a_salesforce_form_leads_back_to_its_own_site(
    capture: Capture, browser: Browser
) -> None:
    await web_to_lead(capture, allowed_hosts=["127.0.0.1"])
    async with served(capture.service.app) as ours, served(site(ours)) as theirs:
        page = await browser.new_page()
        await page.goto(f"{theirs}/salesforce")
        await page.locator("[type=submit]").click()
        await expect(page.get_by_role("heading", name="Our own thanks")).to_be_visible()
        assert page.url == f"{theirs}/thanks"
    (lead,) = await leads(capture)
    assert lead["contact"]["fields"]["city"] == "Köln"


async def test_a_script_posts_to_the_path_of_hubspot(capture: Capture, browser: Browser) -> None:
    made = await source(capture, kind="hubspot", portal_id=PORTAL, allowed_hosts=["127.0.0.1"])
    async with served(capture.service.app) as ours, served(site(ours)) as theirs:
        page = await browser.new_page()
        await page.goto(f"{theirs}/hubspot")
        await expect(page.get_by_text("Thanks for submitting the form.")).to_be_visible()
        other = {
            "kind": "hubspot",
            "name": "x",
            "portal_id": PORTAL,
            "allowed_hosts": ["a.example"],
        }
        put = await capture.client.put(f"/capture/v1/sources/{made['source_id']}", json=other)
        assert put.status_code == 200
        await page.reload()
        await expect(page.get_by_text("error", exact=True)).to_be_visible()
    assert [lead["touch_count"] for lead in await leads(capture)] == [1]
