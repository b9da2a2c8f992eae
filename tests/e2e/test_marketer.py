"""A marketer's whole way in a real browser: leads come, reps answer, a proposal appears with its
evidence; it is edited, tried on past leads, approved as challenger, promoted, and the next lead is
scored by it."""

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import Product, eventually
from tests.e2e.test_learning import answer, submit, world

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("product", ["embedded"], indirect=True, scope="module"),
]
ANSWERS = 120
SLOW = 40_000
"""Milliseconds: learning and back-tests start a process of their own."""


@pytest.fixture
def page(product: Product, chromium: str, chromium_args: list[str]) -> Iterator[Page]:
    """A marketer's page, logged in with a key of their own; nothing may go wrong on it."""
    key = product.cli("keys", "create", "--role", "marketer").strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"{product.urls['feedback']}/login?next=/feedback/")
        page.locator("input[name=key]").fill(key)
        page.locator("button[type=submit]").click()
        yield page
        browser.close()
    assert failures == []


def answers(product: Product) -> None:
    """Leads come, and reps answer them."""
    sector = {"name": "sector", "label": "Sector", "type": "text", "kind": "fact"}
    assert product.call("PUT", "/capture/v1/fields", json={"items": [sector]}).is_success
    for rep in product.get("/routing/v1/reps")["items"]:
        path = f"/routing/v1/reps/{rep['rep_id']}"
        assert product.call("PATCH", path, json={"capacity": 500}).is_success

    def one(number: int) -> None:
        kind, accept = world(number)
        answer(product, submit(product, kind), accept)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(ANSWERS)))


def test_from_answers_to_the_version_that_scores_the_next_lead(
    product: Product, page: Page
) -> None:
    base = product.urls["feedback"]
    answers(product)
    proposed = eventually(
        lambda: product.get("/feedback/v1/proposals?status=open")["items"], "a proposal", 90
    )

    page.goto(f"{base}/feedback/")
    expect(page.get_by_role("heading", name="A better definition than version 1")).to_be_visible()
    page.get_by_role("link", name="Read it and decide").click()
    expect(page.get_by_role("heading", name="What changes from version 1")).to_be_visible()
    expect(page.get_by_text("Tells good leads from others (AUC)")).to_be_visible()

    page.get_by_role("link", name="Edit or try it").click()
    threshold = page.get_by_label("Threshold")
    was = threshold.input_value()
    threshold.fill("plenty")
    page.get_by_role("button", name="Save the points").click()
    expect(page.get_by_label("Threshold")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Threshold").fill(str(int(was) - 1))
    page.get_by_role("button", name="Save the points").click()
    expect(page.get_by_text("edited").first).to_be_visible()

    page.get_by_role("link", name="Edit or try it").click()
    page.get_by_role("button", name="Try the proposal as it is saved").click()
    expect(page.get_by_role("heading", name="Over thresholds")).to_be_visible(timeout=SLOW)

    page.goto(f"{base}/feedback/proposals/{proposed[0]['proposal_id']}")
    page.get_by_role("link", name="Try it as a challenger").click()
    page.get_by_label("Why").fill("Sales agreed")
    page.get_by_role("button", name="Approve as challenger").click()
    challenger = eventually(
        lambda: product.get("/qualify/v1/definitions?status=challenger")["items"], "a challenger"
    )[0]
    assert challenger["threshold"] == int(was) - 1

    page.goto(f"{base}/qualify/definitions/{challenger['version']}/publish")
    publish = page.get_by_role("button", name=f"Publish version {challenger['version']}")
    publish.click()
    expect(page.get_by_text("Not published: evidence is missing")).to_be_visible(timeout=SLOW)
    page.get_by_label("Why without the evidence?").fill("Everybody has seen it on past leads")
    publish.click()
    expect(page.get_by_text(f"Version {challenger['version']} is published")).to_be_visible(
        timeout=SLOW
    )

    lead_id = submit(product, "robotics")

    def scored() -> dict[str, Any] | None:
        found = product.call("GET", f"/qualify/v1/leads/{lead_id}/score")
        return found.json() if found.is_success else None

    assert eventually(scored, "the score")["definition_version"] == challenger["version"]
    page.goto(f"{base}/qualify/leads/{lead_id}")
    expect(page.get_by_text(f"version {challenger['version']}").first).to_be_visible()
    eventually(
        lambda: (
            product.get(f"/feedback/v1/proposals/{proposed[0]['proposal_id']}")["status"]
            == "published"
        ),
        "the proposal says so",
    )
    page.goto(f"{base}/feedback/proposals/{proposed[0]['proposal_id']}")
    expect(page.get_by_text("published").first).to_be_visible()
