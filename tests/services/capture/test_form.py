"""The hosted form: by HTTP, and in a real browser with JavaScript switched off."""

import re

import httpx
import pytest
from playwright.async_api import async_playwright

from services.capture.web.pages import HONEYPOT
from shared.access import Access
from shared.contracts.events import ContactUpdated, LeadCaptured
from tests.services.capture.conftest import Capture, running, served

FORM = "/capture/forms/demo"
TYPED = {"email": "ada@example.com", "company": "Engines", "first_name": "Ada", "consent": "on"}


@pytest.fixture
async def form(capture: Capture) -> Capture:
    """The service with its sample form, and a client that has no key."""
    assert capture.service.seed is not None
    capture.service.seed()
    capture.service.seed()  # a second start finds it there
    del capture.client.headers["Authorization"]
    return capture


def token_of(page: httpx.Response) -> str:
    found = re.search(r'name="submission_token" value="([^"]+)"', page.text)
    assert found
    return found[1]


async def test_a_visitor_needs_no_key_and_is_thanked(form: Capture) -> None:
    page = await form.client.get(FORM)
    assert page.status_code == 200
    answer = await form.client.post(FORM, data={**TYPED, "submission_token": token_of(page)})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{FORM}/thanks"
    thanks = await form.client.get(answer.headers["Location"])
    assert "Thank you" in thanks.text
    captured, contact = [event.data for event in await form.events()]
    assert isinstance(captured, LeadCaptured)
    assert captured.facts["form_id"] == "demo"
    assert captured.attribution.page_url == f"http://capture{FORM}"
    assert captured.consent[0].granted
    assert captured.consent[0].purpose == "marketing"
    assert isinstance(contact, ContactUpdated)
    assert contact.first_name == "Ada"


async def test_where_the_visitor_came_from_is_taken_over(form: Capture) -> None:
    page = await form.client.get(
        FORM,
        params={"utm_source": 'news"letter', "email": "ada@example.com"},
        headers={"Referer": "https://example.org/post?x=1"},
    )
    assert 'name="utm_source" value="news&#34;letter"' in page.text
    assert 'value="ada@example.com"' in page.text
    hidden = {"utm_source": 'news"letter', "referrer": "https://example.org/post?x=1"}
    await form.client.post(FORM, data={**TYPED, **hidden})
    attribution = (await form.events())[0].data.attribution
    assert attribution.utm_source == 'news"letter'
    assert attribution.referrer == "https://example.org/post"


async def test_mistakes_are_shown_by_their_fields_and_nothing_typed_is_lost(
    form: Capture,
) -> None:
    typed = {
        "email": "not an address",
        "company": "",
        "first_name": "<Ada>",
        "employees": "many",
        "country": "DE",
        "message": "Line one\nLine two",
        "consent": "on",
        "utm_source": "newsletter",
    }
    answer = await form.client.post(FORM, data=typed)
    assert answer.status_code == 422
    for text in (
        "Work e-mail is not an e-mail address",
        "Company is needed",
        'value="not an address"',
        'value="&lt;Ada&gt;"',
        "Line one\nLine two",
        '<option value="DE" selected>',
        'name="utm_source" value="newsletter"',
        " checked",
    ):
        assert text in answer.text, text
    assert await form.events() == []


async def test_a_form_sent_twice_is_one_submission(form: Capture) -> None:
    token = token_of(await form.client.get(FORM))
    for _ in range(2):
        answer = await form.client.post(FORM, data={**TYPED, "submission_token": token})
        assert answer.status_code == 303
    assert len(await form.events()) == 2
    changed = {**TYPED, "message": "One more thing", "submission_token": token}
    assert (await form.client.post(FORM, data=changed)).status_code == 303
    assert len(await form.events()) == 4


async def test_a_program_that_fills_in_everything_is_thanked_and_not_believed(
    form: Capture,
) -> None:
    answer = await form.client.post(FORM, data={**TYPED, HONEYPOT: "12345"})
    assert answer.status_code == 303
    assert await form.events() == []


async def test_an_unknown_form_is_a_page_that_says_so(form: Capture) -> None:
    for name in ("nothing", "%00", "a" * 100):
        answer = await form.client.get(f"/capture/forms/{name}", headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "No such form" in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_browser_without_javascript(
    form: Capture, chromium: str, chromium_args: list[str]
) -> None:
    async with served(form.service.app) as address, async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=chromium_args)
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(f"{address}{FORM}?utm_campaign=autumn")
        await page.get_by_label("First name").fill("Ada")
        await page.get_by_label("Work e-mail").fill("ada@example")
        await page.get_by_label("Company").fill("Engines")
        await page.get_by_label("Country").select_option("GB")
        await page.get_by_label("You may write to me").check()
        await page.get_by_role("button", name="Send").click()
        assert await page.get_by_role("alert").is_visible()
        await page.get_by_role("alert").get_by_role("link").click()
        assert "#f-email" in page.url
        assert await page.get_by_label("Company").input_value() == "Engines"
        assert await page.get_by_label("You may write to me").is_checked()
        await page.get_by_label("Work e-mail").fill("ada@example.com")
        await page.get_by_role("button", name="Send").click()
        await page.get_by_role("heading", name="Thank you").wait_for()
        await browser.close()
    captured = (await form.events())[0].data
    assert captured.facts["country"] == "GB"
    assert captured.attribution.utm_campaign == "autumn"


async def test_a_token_that_is_none_of_ours_is_only_a_word(form: Capture) -> None:
    """Dashes and braces are nothing to UUID(): such a token was kept as it is, at any length."""
    token = "-" * 5000 + "0199f2a46f1e7c559d0b7a1c5a9e4d21"
    answer = await form.client.post(FORM, data={**TYPED, "submission_token": token})
    assert answer.status_code == 303
    assert len(await form.events()) == 2


async def test_what_strangers_send_does_not_pile_up(database_url: str, access: Access) -> None:
    async with running(database_url, access, bad_submissions=20) as capture:
        assert capture.service.seed is not None
        capture.service.seed()
        assert (await capture.post({"email": "no address"})).status_code == 422
        for number in range(60):
            form = {"email": f"spam-{number}", "message": "x" * 4000}
            assert (await capture.client.post(FORM, data=form)).status_code == 422
        kept = await capture.bad()
        from_forms = [row for row in kept if row["source"] == "form:demo"]
        assert 20 <= len(from_forms) <= 23  # pruned as they come, a tenth at a time
        assert "spam-59" in from_forms[0]["body"]
        assert len(kept) == len(from_forms) + 1  # nor do they crowd out what came with a key
