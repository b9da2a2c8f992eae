"""A rep's day and a manager's look at it, in a real browser, on the product as it runs: embedded in
one process, and as four that ask each other over HTTP."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import Product, eventually
from tests.e2e.test_learning import BUYER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
SLOW = 20_000


@pytest.fixture
def browser(chromium: str, chromium_args: list[str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        browser.close()


def logged_in(product: Product, browser: Browser, role: str, rep_id: str, width: int) -> Page:
    """A page of somebody who logged in with a key of their own."""
    key = product.cli("keys", "create", "--role", role, "--rep", rep_id).strip()
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{product.urls['routing']}/login")
    page.locator("input[name=key]").fill(key)
    page.locator("main button[type=submit]").click()
    return page


def lead_of(product: Product, rep_id: str) -> dict[str, Any]:
    """A lead that this rep has got, by the rules as they are."""
    for rep in product.get("/routing/v1/reps")["items"]:
        capacity = 50 if rep["rep_id"] == rep_id else 0
        path = f"/routing/v1/reps/{rep['rep_id']}"
        assert product.call("PATCH", path, json={"capacity": capacity}).is_success
    form = {**BUYER, "email": f"{uuid.uuid4().hex}@keller-works.example", "last_name": "Keller"}
    lead_id = product.post("/capture/v1/leads", {**form, "first_name": "Ines"})["lead_id"]

    def given() -> dict[str, Any] | None:
        found = product.get(f"/routing/v1/assignments?lead_id={lead_id}")["items"]
        return found[0] if found else None

    return eventually(given, "an owner")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_rep_works_on_a_lead_to_its_opportunity_and_hands_it_over(
    product: Product, browser: Browser, width: int
) -> None:
    given = lead_of(product, "rep-ana")
    page = logged_in(product, browser, "rep", "rep-ana", width)
    expect(page).to_have_url(f"{product.urls['routing']}/routing/inbox")
    card = page.locator("#lead article")
    expect(card).to_contain_text("Ines Keller", timeout=SLOW)
    card.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Ines Keller is yours.")).to_be_visible()
    page.get_by_role("link", name="Mine").click()
    card.get_by_role("link", name="Notes, hand over, put back").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ines Keller")
    step = page.get_by_role("button", name="Qualified: sales works on it (SQL)")
    deadline = time.monotonic() + 20
    while not step.is_visible():  # the acceptance is on its way to feedback
        assert time.monotonic() < deadline
        page.reload()
    step.click()
    expect(page.get_by_text("Noted. Marketing learns from it.")).to_be_visible()
    page.get_by_label("Amount").fill("12000")
    page.get_by_role("button", name="An opportunity").click()
    expect(page.get_by_role("button", name="Won")).to_be_visible()
    page.get_by_label("New note").fill("Wants a demo on Tuesday.")
    page.get_by_role("button", name="Keep the note").click()
    expect(page.get_by_text("Wants a demo on Tuesday.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    over = page.get_by_role("form", name="Hand it over")
    over.get_by_label("Colleague").select_option(label="Ben Baker")
    over.get_by_role("button", name="Hand it over").click()
    expect(page.get_by_text("Your colleague's clock runs.")).to_be_visible()
    page.goto(f"{product.urls['routing']}/routing/leads/{given['lead_id']}")
    expect(page.get_by_text("It is somebody else's now")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Keller")
    expect(page.locator("main")).not_to_contain_text("keller-works.example")

    def known() -> dict[str, Any] | None:
        found = product.get(f"/feedback/v1/leads/{given['lead_id']}")
        return found if found["rep_id"] == "rep-ben" else None

    lead = eventually(known, "the colleague in feedback's projection")
    assert lead["stage"] == "OPPORTUNITY"
    ben = logged_in(product, browser, "rep", "rep-ben", width)
    ben.goto(f"{product.urls['routing']}/routing/leads/{given['lead_id']}")
    expect(ben.get_by_text("Wants a demo on Tuesday.")).to_be_visible()
    expect(ben.get_by_role("link", name="Answer it in the inbox")).to_be_visible()


def test_a_manager_sees_their_team_and_nobody_elses(product: Product, browser: Browser) -> None:
    maria = product.post("/routing/v1/reps", {"name": "Maria Moser", "weight": 0})["rep_id"]
    team = product.post("/routing/v1/teams", {"name": "Iberia", "manager_id": maria})["team_id"]
    path = "/routing/v1/reps/rep-ana"
    assert product.call("PATCH", path, json={"team_id": team}).is_success
    given, other = lead_of(product, "rep-ana"), lead_of(product, "rep-chloe")
    page = logged_in(product, browser, "manager", maria, 1280)
    expect(page).to_have_url(f"{product.urls['routing']}/routing/board")
    row = page.get_by_role("listitem").filter(has=page.locator(f"[value='{given['lead_id']}']"))
    expect(row).to_contain_text("Ines Keller", timeout=SLOW)
    assert page.locator(f"[value='{other['lead_id']}']").count() == 0
    row.get_by_role("link", name="Ines Keller").click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    for one in (given, other):
        product.post(f"/routing/v1/assignments/{one['assignment_id']}/accept")
    step = page.get_by_role("button", name="Qualified: sales works on it (SQL)")
    deadline = time.monotonic() + 20
    while not step.is_visible():
        assert time.monotonic() < deadline
        page.reload()
    step.click()
    expect(page.get_by_text("Noted. Marketing learns from it.")).to_be_visible()
    page.goto(f"{product.urls['routing']}/routing/leads/{other['lead_id']}")
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    expect(page.get_by_role("form", name="Hand it over")).to_have_count(0)
    over = f"/routing/v1/assignments/{other['assignment_id']}/hand-over"
    key = product.cli("keys", "create", "--role", "manager", "--rep", maria).strip()
    refused = product.call("POST", over, json={"rep_id": "rep-ben"}, key=key)
    assert refused.status_code == 403
    sql = {"lead_id": other["lead_id"], "stage": "SQL"}
    assert product.call("POST", "/feedback/v1/outcomes", json=sql, key=key).status_code == 403


@pytest.mark.parametrize("width", [390, 1280])
def test_a_marketer_asks_what_became_of_the_webinar_s_leads(
    product: Product, browser: Browser, width: int
) -> None:
    campaign = f"webinar-{uuid.uuid4().hex[:8]}"
    for rep in product.get("/routing/v1/reps")["items"]:
        path = f"/routing/v1/reps/{rep['rep_id']}"
        assert product.call("PATCH", path, json={"capacity": 50}).is_success
    form = {**BUYER, "last_name": "Okafor", "utm_campaign": campaign, "utm_source": "webinar"}
    named: dict[str, dict[str, Any]] = {"Ada": {}, "Bo": {}, "Cy": {"job_title": "Student"}}
    leads = {
        first: product.post(
            "/capture/v1/leads",
            {**form, **more, "first_name": first, "email": f"{first}@{campaign}.example".lower()},
        )["lead_id"]
        for first, more in named.items()
    }

    def given() -> dict[str, Any] | None:
        found = product.get(f"/routing/v1/assignments?lead_id={leads['Ada']}")["items"]
        return found[0] if found else None

    taken = eventually(given, "an owner")
    product.post(f"/routing/v1/assignments/{taken['assignment_id']}/accept")

    def recorded() -> bool:
        body = {"lead_id": leads["Ada"], "stage": "SQL"}
        return product.call("POST", "/feedback/v1/outcomes", json=body).status_code == 201

    eventually(recorded, "an outcome")
    key = product.cli("keys", "create", "--role", "marketer").strip()
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{product.urls['feedback']}/login")
    page.locator("input[name=key]").fill(key)
    page.locator("main button[type=submit]").click()
    page.get_by_role("link", name="Leads", exact=True).click()
    page.get_by_text("More filters and order").click()
    page.get_by_label("Campaign").select_option(campaign)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="3 leads")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="Ada Okafor")
    expect(row).to_contain_text("SQL")
    row.get_by_role("link", name="Ada Okafor").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada Okafor")
    story = page.locator("ol.steps")
    for told in ("Came in", campaign, "Became an MQL", "Given to", "Accepted by", "Qualified"):
        expect(story).to_contain_text(told)
    expect(page.get_by_role("link", name="The score in depth")).to_be_visible()
    expect(page.get_by_label("New note")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # One that no rep ever had has its page, too.
    page.goto(f"{product.urls['routing']}/routing/leads/{leads['Cy']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Cy Okafor")
    expect(page.locator("ol.steps")).to_contain_text("Came in")
