"""Every page that a role can get to by links, in a real browser: none is closed or broken, none is
wider than a phone, and axe finds nothing to object to."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from dev.stack import embedded
from tests.e2e.conftest import Product, eventually
from tests.e2e.test_learning import BUYER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ROLES = ("visitor", "rep", "manager", "marketer", "admin")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
MOST_PAGES = 80
_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)\d+(?=/|$)")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The embedded product with leads in several stages, a team and a draft."""
    process = embedded(tmp_path_factory.mktemp("pages"))
    process.start()
    try:
        process.wait_ready()
        names = ("capture", "qualify", "routing", "feedback")
        made = Product(dict.fromkeys(names, process.url), process.environment, [process.log])
        _fill(made)
        yield made
    finally:
        process.stop()


def _fill(product: Product) -> None:
    maria = product.post("/routing/v1/reps", {"name": "Maria Moser", "weight": 0})["rep_id"]
    product.post("/routing/v1/teams", {"name": "Iberia", "manager_id": maria})
    path = "/routing/v1/reps/rep-ana"
    assert product.call("PATCH", path, json={"team_id": "iberia"}).is_success
    for number in range(12):
        body = {**BUYER, "first_name": f"Lea{number}", "email": f"lea{number}@pages.example"}
        product.post("/capture/v1/leads", {**body, "utm_campaign": "spring"})

    def given() -> list[dict[str, Any]] | None:
        items = product.get("/routing/v1/assignments?rep_id=rep-ana")["items"]
        return items if len(items) >= 3 else None

    first, second, *_ = eventually(given, "leads of ana")
    product.post(f"/routing/v1/assignments/{first['assignment_id']}/accept")
    product.post(
        f"/routing/v1/assignments/{second['assignment_id']}/reject", {"reason": "OUTSIDE_ICP"}
    )


@pytest.fixture(scope="module")
def browser(chromium: str, chromium_args: list[str]) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=chromium_args)
        yield browser
        browser.close()


_seen_by_axe: set[str] = set()


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_open_whole_and_accessible(
    product: Product, browser: Browser, role: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    base = product.urls["routing"]
    page.goto(f"{base}/")
    if role != "visitor":
        who = {"rep": "rep-ana", "manager": "rep-maria-moser"}.get(role)
        rep = [] if who is None else ["--rep", who]
        key = product.cli("keys", "create", "--role", role, *rep).strip()
        page.goto(f"{base}/login")
        page.locator("input[name=key]").fill(key)
        page.locator("main button[type=submit]").click()
    waiting, known, faults = [page.url], {_kind(page.url)}, list[str]()
    while waiting and len(known) < MOST_PAGES:
        address = waiting.pop(0)
        answer = page.goto(address)
        if answer is None or answer.status >= 400:
            faults.append(f"{address}: {answer.status if answer else 'nothing'}")
            continue
        faults += _looked_at(page)
        for href in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
            told = href.partition("#")[0]
            inside = told.startswith(base) and not told.endswith((".csv", ".json", ".yaml"))
            if inside and ".csv?" not in told and _kind(told) not in known:
                known.add(_kind(told))
                waiting.append(told)
    page.close()
    assert len(known) > {"visitor": 3, "rep": 7}.get(role, 8), known
    assert faults == []


def _kind(address: str) -> str:
    """What kind of page an address is of: the ids in it don't count, the names of filters do."""
    parts = urlsplit(address)
    names = sorted({pair.partition("=")[0] for pair in parts.query.split("&") if pair})
    return _IDS.sub("*", parts.path) + ("?" + "&".join(names) if names else "")


def _looked_at(page: Page) -> list[str]:
    kind = _kind(page.url)
    if kind in _seen_by_axe or "/docs" in kind:
        return []
    _seen_by_axe.add(kind)
    for details in page.locator("details:not([open]) > summary").all():
        if details.is_visible():
            details.click()
    found = Axe().run(page, options=RULES)
    faults = [
        f"{kind}: {one['id']}: {one['nodes'][0]['html'][:160]}"
        for one in found.response["violations"]
    ]
    page.set_viewport_size({"width": 390, "height": 844})
    if page.evaluate("document.documentElement.scrollWidth") > 390:
        faults.append(f"{kind}: wider than a phone")
    page.set_viewport_size({"width": 1280, "height": 900})
    return faults
