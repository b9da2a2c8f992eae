"""The webhooks' page in a real browser, without JavaScript."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright
from standardwebhooks import Webhook as Verifier

from shared.access import Role
from tests.services.feedback.marketing import Marketing, open_marketing
from tests.services.feedback.visits import PHONE, Visit
from tests.shared.runtime.receivers import receiver

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def marketing(database_url: str) -> AsyncIterator[Marketing]:
    async with open_marketing(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def visit(
    marketing: Marketing, chromium: str, chromium_args: list[str]
) -> AsyncIterator[Visit]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        context = await browser.new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
        page = await context.new_page()
        made = Visit(marketing.url, page, marketing.access, marketing.feedback)
        await made.log_in()
        yield made
        await browser.close()


async def says(visit: Visit, text: str) -> None:
    """Wait for the page that a form leads to."""
    await visit.page.get_by_text(text).first.wait_for(timeout=10_000)


async def test_add_one_and_see_it_work_fail_and_go_on(
    marketing: Marketing, visit: Visit, tmp_path: Path
) -> None:
    async with receiver() as target:
        assert "No webhook yet" in await visit.go("/feedback/webhooks")
        add = visit.page.get_by_role("form", name="Add a webhook")
        await add.get_by_label("Address").fill("http://10.0.0.1/")
        await add.get_by_role("button", name="Add").click()
        await says(visit, "10.0.0.1 is an address of a private network")
        await add.get_by_label("Address").fill(target.url)
        await add.get_by_label("Name").fill("Campaign tool")
        await add.get_by_label("Reason").fill("OUTSIDE_ICP, NOT_A_BUYER")
        await add.get_by_role("button", name="Add").click()
        await says(visit, "Copy the secret now")
        text = await visit.text()
        secret = next(word for word in text.split() if word.startswith("whsec_"))
        card = visit.page.get_by_role("article", name="Campaign tool")
        await card.get_by_role("button", name="Send a test").click()
        await says(visit, "The receiver answered 204.")
        assert secret not in await visit.text()
        ((_, headers, body),) = target.requests
        signature = Verifier(secret).sign(
            headers["webhook-id"], marketing.feedback.clock.now(), body.decode()
        )
        assert headers["webhook-signature"] == signature
        lives = await marketing.answers(3)
        (hook,) = (await marketing.get("webhooks"))["items"]
        await marketing.until(hook, delivered=3)
        assert "Taken 3 events" in await visit.go("/feedback/webhooks")
        target.behaves = "500"
        await marketing.answers(2)
        await marketing.until(hook, failures=1)
        text = await visit.go("/feedback/webhooks")
        assert "The last try failed: it answered 500" in text
        assert "Waiting 2 events" in text
        target.behaves = "410"
        marketing.feedback.clock.advance(timedelta(minutes=1))
        await card.get_by_role("button", name="Pause").click()
        await says(visit, "It keeps its place.")
        await card.get_by_role("button", name="Go on").click()
        await marketing.until(hook, active=False)
        text = await visit.go("/feedback/webhooks")
        assert "Its receiver says that it is gone (410)" in text
        assert await visit.fits()
        await card.get_by_text("Change, send again, remove").click()
        assert await visit.fits()
        await visit.page.screenshot(path=tmp_path / "phone.png", full_page=True)
        await visit.page.set_viewport_size({"width": 1280, "height": 800})
        await visit.page.screenshot(path=tmp_path / "desk.png", full_page=True)
        target.behaves = "204"
        await card.get_by_role("button", name="Go on").click()
        await says(visit, "It goes on where it stopped.")
        await marketing.until(hook, delivered=5)
        await card.get_by_text("Change, send again, remove").click()
        day = f"{lives[0].at - timedelta(days=1):%Y-%m-%d}"
        await card.get_by_label("Send again all events since").fill(day)
        await card.get_by_role("button", name="Send again").click()
        await says(visit, "Events since that day")
        await marketing.until(hook, delivered=10)
        await card.get_by_text("Change, send again, remove").click()
        await card.get_by_role("button", name="Make a new secret").click()
        await says(visit, "For a day events are signed with the old one too.")
        text = await visit.text()
        assert "whsec_" in text
        assert secret not in text
        await card.get_by_text("Change, send again, remove").click()
        await card.get_by_role("button", name="Remove").click()
        await says(visit, "No webhook yet")


async def test_who_may_see_and_change_them(marketing: Marketing, visit: Visit) -> None:
    async with await visit.client() as client:
        sent = await client.post("/feedback/webhooks", data={"url": "https://a.example/"})
        assert sent.status_code == 403
    assert (await marketing.get("webhooks"))["items"] == []
    await visit.log_in(Role.REP, "ana")
    answer = await visit.page.goto(f"{visit.url}/feedback/webhooks")
    assert answer is not None
    assert answer.status == 403
