"""Forms that marketing makes: by API, and how they stand in other people's pages."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deploy.compose import Dispatcher
from deploy.web import app as web
from services.capture.domain.form import origin_of
from services.capture.domain.form_reading import read_form
from services.capture.service import MIGRATIONS
from shared.access import Access, Role
from shared.access.sessions import COOKIE
from shared.web.links import Links
from tests.services.capture.conftest import Capture, served

FORMS = "/capture/v1/forms"
SITE = "https://www.acme.example"
WEBINAR: dict[str, Any] = {
    "form_id": "webinar-may",
    "title": "Webinar in May",
    "questions": [
        {"name": "email", "label": "E-mail", "type": "email", "required": True},
        {"name": "fields.seats", "label": "Seats", "posted_as": "how_many"},
        {"name": "country", "label": "Country", "type": "country"},
    ],
    "consent_text": "Write to me about webinars.",
    "consent_purpose": "webinars",
    "allowed_origins": [SITE],
}


@pytest.fixture
async def marketer(capture: Capture) -> httpx.AsyncClient:
    """The service's client, with a marketer's key."""
    capture.client.headers.update(capture.bearer(Role.MARKETER))
    return capture.client


async def made(marketer: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await marketer.post(FORMS, json={**WEBINAR, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_form_is_made_changed_and_closed(marketer: httpx.AsyncClient) -> None:
    form = await made(marketer)
    assert (form["form_id"], form["version"], form["active"]) == ("webinar-may", 1, True)
    assert (await marketer.post(FORMS, json=WEBINAR)).status_code == 409
    body = {name: value for name, value in WEBINAR.items() if name != "form_id"}
    same = await marketer.put(f"{FORMS}/webinar-may", json=body)
    assert same.json()["version"] == 1
    changed = {**body, "title": "Webinar in June"}
    match = {"If-Match": '"1"'}
    assert (await marketer.put(f"{FORMS}/webinar-may", json=changed, headers=match)).json()[
        "version"
    ] == 2
    stale = await marketer.put(f"{FORMS}/webinar-may", json=changed, headers=match)
    assert stale.status_code == 412
    versions = (await marketer.get(f"{FORMS}/webinar-may/versions")).json()["items"]
    assert [(one["version"], one["title"]) for one in versions] == [
        (2, "Webinar in June"),
        (1, "Webinar in May"),
    ]
    assert [one["form_id"] for one in (await marketer.get(FORMS)).json()["items"]] == [
        "webinar-may"
    ]
    assert (await marketer.get("/capture/forms/webinar-may")).status_code == 200
    assert (await marketer.delete(f"{FORMS}/webinar-may")).json()["active"] is False
    assert (await marketer.get("/capture/forms/webinar-may")).status_code == 404
    assert (await marketer.put(f"{FORMS}/webinar-may", json=changed)).json()["active"] is True


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_no_form_is_refused_with_the_place(
    marketer: httpx.AsyncClient, capture: Capture
) -> None:
    questions = WEBINAR["questions"]
    wrong: dict[str, Any] = {
        "/form_id": {"form_id": "No Such"},
        "/questions/0/name": {"questions": [{"name": "shoe", "label": "Shoe"}]},
        "/allowed_origins/0": {"allowed_origins": ["acme.example"]},
        "/thanks_url": {"thanks_url": "javascript:alert(1)"},
        "/questions/0": {"questions": [{**questions[0], "type": "select"}]},
        "/questions": {"questions": []},
        "": {"questions": [questions[1]]},
        "/colour": {"colour": "red"},
    }
    for place, change in wrong.items():
        answer = await marketer.post(FORMS, json={**WEBINAR, **change})
        assert answer.status_code == 422, place
        assert place in [error["pointer"] for error in answer.json()["errors"]]
    twice = await marketer.post(FORMS, json={**WEBINAR, "questions": [questions[0]] * 2})
    assert "email is asked twice" in twice.text
    for role in (Role.REP, Role.FORM):
        assert (await marketer.get(FORMS, headers=capture.bearer(role))).status_code == 403


async def test_other_names_are_understood_and_programs_get_json(
    marketer: httpx.AsyncClient, capture: Capture
) -> None:
    await made(marketer)
    typed = {"email": "ada@example.com", "how_many": "3", "consent": "on"}
    program = {"Accept": "application/json", "Origin": SITE}
    answer = await marketer.post("/capture/forms/webinar-may", data=typed, headers=program)
    assert answer.status_code == 202
    assert answer.json()["status"] == "received"
    assert answer.headers["access-control-allow-origin"] == SITE
    contact = next(e.data for e in await capture.events() if hasattr(e.data, "email"))
    assert contact.fields == {"seats": "3"}
    wrong = await marketer.post(
        "/capture/forms/webinar-may", json={"email": "nobody", "consent": True}, headers=program
    )
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    assert wrong.json()["errors"][0]["pointer"] == "/email"
    assert wrong.headers["access-control-allow-origin"] == SITE
    for body in (b"[]", b"{", b'"x"'):
        sent = {"content-type": "application/json", **program}
        answer = await marketer.post("/capture/forms/webinar-may", content=body, headers=sent)
        assert answer.status_code in (400, 422)


async def test_the_consent_is_to_the_words_that_were_shown(
    marketer: httpx.AsyncClient, capture: Capture
) -> None:
    form = await made(marketer)
    page = await marketer.get("/capture/forms/webinar-may")
    assert 'name="form_version" value="1"' in page.text
    body = {name: form[name] for name in WEBINAR if name != "form_id"}
    await marketer.put(f"{FORMS}/webinar-may", json={**body, "consent_text": "Anything at all."})
    typed = {"email": "ada@example.com", "consent": "on", "form_version": "1"}
    assert (await marketer.post("/capture/forms/webinar-may", data=typed)).status_code == 303
    lead_id = (await capture.events())[0].data.lead_id
    (consent,) = (await marketer.get(f"/capture/v1/leads/{lead_id}")).json()["consent"]
    assert consent["text"] == "Write to me about webinars."
    assert consent["wording"] == "webinar-may/1"
    made_up = {**typed, "email": "bob@example.com", "form_version": "77"}
    await marketer.post("/capture/forms/webinar-may", data=made_up)
    lead_id = (await capture.events())[-1].data.lead_id
    (consent,) = (await marketer.get(f"/capture/v1/leads/{lead_id}")).json()["consent"]
    assert consent["wording"] == "webinar-may/2"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_browsers_go_on_where_the_form_allows(marketer: httpx.AsyncClient) -> None:
    await made(marketer, thanks_url="https://acme.example/thanks")
    form, typed = "/capture/forms/webinar-may", {"email": "ada@example.com"}

    async def next_of(wanted: str | None) -> str:
        sent = {**typed, **({"next_url": wanted} if wanted else {})}
        answer = await marketer.post(form, data=sent)
        assert answer.status_code == 303
        return str(answer.headers["location"])

    assert await next_of(None) == "https://acme.example/thanks"
    assert await next_of(f"{SITE}/done?x=1") == f"{SITE}/done?x=1"
    for evil in ("https://evil.example/", "//evil.example", f"{SITE}@evil.example/", "x"):
        assert await next_of(evil) == "https://acme.example/thanks"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_only_its_sites_may_frame_it_and_read_its_answers(
    marketer: httpx.AsyncClient,
) -> None:
    await made(marketer)
    form = "/capture/forms/webinar-may"
    ask = {"Access-Control-Request-Method": "POST"}
    allowed = await marketer.options(form, headers={**ask, "Origin": SITE})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == SITE
    refused = await marketer.options(form, headers={**ask, "Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    page = await marketer.get(form)
    assert f"frame-ancestors 'self' {SITE}" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    elsewhere = await marketer.get(f"{form}/embed", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in elsewhere.headers
    plain = {**WEBINAR, "form_id": "plain", "allowed_origins": []}
    await marketer.post(FORMS, json=plain)
    page = await marketer.get("/capture/forms/plain")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"


def test_origins() -> None:
    assert origin_of("https://a.example/x?y#z") == "https://a.example"
    assert origin_of("http://a.example:8080/") == "http://a.example:8080"
    for no in (
        "a.example",
        "ftp://a.example",
        "https://u@a.example/",
        "https://[",
        "",
        "https:///x",
    ):
        assert origin_of(no) is None, no


OLD_FORM = """
<p>Before</p><form action="/old.php" method="post"><input type="hidden" name="csrf" value="x">
<label for="fn">First name *</label><input id="fn" name="firstname" required>
<label>Your e-mail <input type="email" name="em"></label>
<input name="jobtitle" placeholder="Job title"><select name="numemployees">
<option value="">Choose</option><option>1-10</option>
<option value="11-50">11 to 50</option></select>
<textarea name="budget_notes" aria-label="Budget &amp; notes"></textarea>
<input type="radio" name="plan" value="a"><input type="radio" name="plan" value="b">
<input type="submit" name="go"></form><form><input name="search"></form>
"""


def test_a_form_that_somebody_has_is_read() -> None:
    known = {"firstname": "first_name", "jobtitle": "job_title", "numemployees": "employees"}
    found = read_form(OLD_FORM, known.get)
    assert [(q.name, q.label, q.type, q.required, q.posted_as) for q in found] == [
        ("first_name", "First name", "text", True, "firstname"),
        ("email", "Your e-mail", "email", False, "em"),
        ("job_title", "Job title", "text", False, "jobtitle"),
        ("employees", "Numemployees", "select", False, "numemployees"),
        ("message", "Budget & notes", "textarea", False, "budget_notes"),
        ("fields.plan", "Plan", "text", False, "plan"),
    ]
    assert found[3].options == ("1-10", "11-50")
    assert read_form("<p>nothing", known.get) == []
    assert len(read_form("<input name=x>" * 10 + "<form>" * 5000, known.get)) == 1


@asynccontextmanager
async def _site(html: str) -> AsyncIterator[str]:
    """Somebody else's page."""

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(html)

    async with served(Starlette(routes=[Route("/{path:path}", page)])) as url:
        yield url


@asynccontextmanager
async def _product(capture: Capture, access: Access) -> AsyncIterator[str]:
    """Capture with the shell around it."""
    shell = web.build(access, Links(), {"capture": MIGRATIONS.parent})
    async with served(Dispatcher({"capture": capture.service.app}, shell)) as url:
        yield url


@pytest.fixture
async def browser(chromium: str, chromium_args: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        await browser.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_one_script_tag_puts_it_into_another_page(
    marketer: httpx.AsyncClient, capture: Capture, access: Access, browser: Browser
) -> None:
    async with _product(capture, access) as product:
        tag = f'<script src="{product}/static/capture/embed.js" data-form="webinar-may"></script>'
        async with _site(f"<h1>Acme</h1>{tag}<p>after</p>") as site:
            await made(marketer, allowed_origins=[site])
            page = await browser.new_page()
            await page.goto(f"{site}/pricing?utm_campaign=may#top")
            await page.get_by_label("E-mail").fill("nobody")
            await page.get_by_role("button", name="Send").click()
            await expect(page.get_by_text("E-mail is not an e-mail address")).to_be_visible()
            await expect(page.get_by_label("E-mail")).to_be_focused()
            await page.get_by_label("E-mail").fill("ada@example.com")
            await page.get_by_label("Write to me about webinars.").check()
            await page.get_by_role("button", name="Send").click()
            await expect(page.get_by_text("Your message has arrived.")).to_be_visible()
            assert page.url.startswith(site)
            captured = (await capture.events())[0].data
            assert captured.attribution.utm_campaign == "may"
            assert captured.attribution.page_url == f"{site}/pricing"
            assert captured.attribution.form_id == "webinar-may"
            assert captured.consent[0].granted
        async with _site(f"<p>Elsewhere</p>{tag}") as stranger:
            page = await browser.new_page()
            await page.goto(stranger)
            link = page.get_by_role("link", name="Open the form")
            await expect(link).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("width", [390, 1280])
async def test_marketing_makes_a_form_of_one_it_has(
    marketer: httpx.AsyncClient, capture: Capture, access: Access, browser: Browser, width: int
) -> None:
    key_id, _ = await access.create_key(Role.MARKETER)
    async with _product(capture, access) as product:
        context = await browser.new_context(java_script_enabled=False)
        cookie = access.sessions.begin(key_id)
        await context.add_cookies([{"name": COOKIE, "value": cookie, "url": product}])
        page = await context.new_page()
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{product}/capture/")
        await expect(page.get_by_text("No forms yet")).to_be_visible()
        await page.get_by_role("link", name="Make a form").first.click()
        await page.get_by_label("Its HTML").fill(OLD_FORM)
        await page.get_by_role("button", name="Read it").click()
        await expect(page.get_by_text("6 inputs were read: 5 are fields")).to_be_visible()
        await page.get_by_role("button", name="Make this form").click()
        await expect(page.get_by_text("The form needs an id")).to_be_visible()
        await _finish(page)
        await expect(page.get_by_text("The form is saved")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        form = (await marketer.get(f"{FORMS}/old-one")).json()
        assert [q["posted_as"] for q in form["questions"]][:2] == ["firstname", "em"]
        assert form["allowed_origins"] == [SITE]
        old = {"firstname": "Ada", "em": "ada@example.com", "numemployees": "11-50"}
        async with httpx.AsyncClient() as visitor:
            answer = await visitor.post(f"{product}/capture/forms/old-one", data=old)
        assert answer.status_code == 303
        captured, contact = [event.data for event in await capture.events()][:2]
        assert contact.first_name == "Ada"
        assert captured.attribution.form_id == "old-one"
        await page.get_by_role("button", name="Close the form").click()
        await expect(page.get_by_text("The form is closed")).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_the_editor_does_not_show_stays(
    marketer: httpx.AsyncClient, capture: Capture, access: Access, browser: Browser
) -> None:
    asked = {"name": "phone", "label": "Phone", "type": "tel", "autocomplete": "tel", "half": True}
    await made(marketer, questions=[*WEBINAR["questions"], asked])
    key_id, _ = await access.create_key(Role.MARKETER)
    async with _product(capture, access) as product:
        context = await browser.new_context()
        cookie = access.sessions.begin(key_id)
        await context.add_cookies([{"name": COOKIE, "value": cookie, "url": product}])
        page = await context.new_page()
        await page.goto(f"{product}/capture/edit/webinar-may")
        await page.get_by_label("Title").fill("Webinar in June")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("The form is saved")).to_be_visible()
    form = (await marketer.get(f"{FORMS}/webinar-may")).json()
    assert form["title"] == "Webinar in June"
    assert form["allowed_origins"] == [SITE]
    assert {**form["questions"][3], **asked} == form["questions"][3]
    assert form["questions"][1]["posted_as"] == "how_many"


async def _finish(page: Page) -> None:
    """Rows move and go, then the form is named and made."""
    await page.get_by_role("button", name=re.compile("Move Your e-mail up")).click()
    await expect(page.locator("#q-0-label")).to_have_value("Your e-mail")
    await page.get_by_role("button", name=re.compile("Move First name up")).click()
    await page.get_by_role("button", name="Add a question").click()
    await expect(page.locator("#q-6-label")).to_have_value("")
    await page.locator("#q-6-name").fill("shoe size")
    await page.get_by_label("Your sites, one a line").fill(SITE)
    await page.get_by_label("Id of the form").fill("old-one")
    await page.get_by_role("button", name="Make this form").click()
    await expect(page.get_by_text("is no field of a lead").first).to_be_visible()
    await page.locator("#q-6-name").fill("")
    await page.get_by_label("Id of the form").fill("old-one")
    await page.get_by_role("button", name="Make this form").click()
