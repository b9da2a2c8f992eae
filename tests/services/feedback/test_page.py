"""The page in a real browser, without JavaScript, on a phone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from shared.access import Access, Role
from tests.services.feedback.lives import Feedback, answers, published
from tests.services.feedback.site import serve

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Visit:
    """A browser on the site, and the keys to it."""

    url: str
    page: Page
    access: Access
    feedback: Feedback

    async def log_in(self, role: Role = Role.MARKETER, rep_id: str | None = None) -> None:
        _, key = await self.access.create_key(role, rep_id)
        await self.page.goto(f"{self.url}/login?next=/feedback/")
        await self.page.get_by_label("key").fill(key)
        await self.page.get_by_role("main").get_by_role("button").click()

    async def text(self) -> str:
        await self.page.wait_for_load_state("load")
        await self.page.get_by_role("heading", level=1).wait_for()
        return " ".join((await self.page.inner_text("main")).split())


@pytest_asyncio.fixture
async def visit(
    feedback: Feedback,
    database_url: str,
    chromium: str,
    chromium_args: list[str],
) -> AsyncIterator[Visit]:
    async with (
        Access.open(database_url) as access,
        serve(feedback, access) as url,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        context = await browser.new_context(
            viewport={"width": 390, "height": 844}, java_script_enabled=False
        )
        yield Visit(url, await context.new_page(), access, feedback)
        await browser.close()


async def test_approve_a_proposal(visit: Visit) -> None:
    await visit.feedback.read([published(), *answers((56, 14), (48, 32))])
    await visit.feedback.weigh()
    await visit.log_in()
    text = await visit.text()
    assert "Accepted 80 % with, 60 % without; difference 20 points" in text
    assert "30" in text
    assert "35" in text
    assert await visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    await visit.page.get_by_role("textbox", name="Why").fill("sales agrees")
    await visit.page.get_by_role("button", name="Approve").click()
    text = await visit.text()
    assert "The new version is being made and published" in text
    assert await visit.page.get_by_role("button", name="Approve").count() == 0
    (approved,) = [e for e in await visit.feedback.sent("definition.proposed") if "note" in e]
    assert approved["note"] == "sales agrees"
    assert approved["changes"][0]["points_after"] == 35
    await visit.feedback.read(
        [published(2, {"size": 35, "title": 20}, proposal_id=approved["proposal_id"])]
    )
    await visit.page.goto(f"{visit.url}/feedback/")
    assert "published as version 2" in await visit.text()


async def test_dismiss_a_proposal(visit: Visit) -> None:
    await visit.feedback.read([published(), *answers((56, 14), (48, 32))])
    await visit.feedback.weigh()
    await visit.log_in(Role.ADMIN)
    second_tab = await visit.page.context.new_page()
    await second_tab.goto(f"{visit.url}/feedback/")
    await visit.page.get_by_role("button", name="Dismiss").click()
    assert "half as much evidence again" in await visit.text()
    (proposal,) = await visit.feedback.proposals()
    assert proposal["status"] == "dismissed"
    await second_tab.get_by_role("button", name="Approve").click()
    assert "Nothing was changed" in await second_tab.inner_text("main")


async def test_empty_states_say_what_is_needed(visit: Visit) -> None:
    await visit.log_in()
    text = await visit.text()
    assert "No definition is published" in text
    assert "No leads yet" in text
    await visit.feedback.read([published(), *answers((9, 1), (12, 1))])
    await visit.page.reload()
    assert "17 more answers until the first comparison" in await visit.text()


async def test_one_answer_is_one_answer(visit: Visit) -> None:
    await visit.log_in()
    await visit.feedback.read([published(), *answers((1, 0), (0, 0))])
    await visit.page.reload()
    assert "has 1 answer that counts" in await visit.text()


async def test_the_weeks_fit_a_phone(visit: Visit) -> None:
    await visit.page.set_viewport_size({"width": 390, "height": 844})
    await visit.log_in()
    await visit.feedback.read([published(), *answers((9, 1), (12, 1))])
    await visit.page.reload()
    weeks = visit.page.get_by_role("region", name="Leads by the week they became an MQL")
    assert await weeks.evaluate("box => box.scrollWidth <= box.clientWidth")


async def test_who_sees_it(visit: Visit) -> None:
    await visit.page.goto(f"{visit.url}/feedback/")
    assert "/login?next=/feedback/" in visit.page.url
    await visit.log_in(Role.REP, "anna")
    assert "Proposals" not in await visit.text()


async def test_a_form_from_elsewhere_is_refused(visit: Visit) -> None:
    await visit.feedback.read([published(), *answers((56, 14), (48, 32))])
    await visit.feedback.weigh()
    await visit.log_in()
    (proposal,) = await visit.feedback.proposals()
    cookies = {c["name"]: c["value"] for c in await visit.page.context.cookies()}
    async with httpx.AsyncClient(base_url=visit.url, cookies=cookies) as client:
        path = f"/feedback/proposals/{proposal['proposal_id']}/approve"
        answer = await client.post(path, data={"note": ""})
        assert answer.status_code == 403
    (proposal,) = await visit.feedback.proposals()
    assert proposal["status"] == "open"
