"""The policy's pages in a real browser without a script: written in rows, saved, published."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from shared.access import Role
from tests.services.routing.desk import Desk, mql
from tests.services.routing.test_inbox import base, browser, page_of

__all__ = ["base", "browser"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def fits(page: Page, width: int, pictures: Path, name: str) -> None:
    """Nothing is wider than the window."""
    await page.screenshot(path=pictures / f"policy-{name}-{width}.png", full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_policy_is_written_in_rows_and_published(
    desk: Desk, browser: Browser, base: str, width: int, tmp_path: Path
) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9), ("zero", 0, 9))
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/teams", json={"name": "Iberia"})
    await admin.patch("/routing/v1/reps/ana", json={"team_id": "iberia"})
    await desk.happen(mql())  # its grade is A
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/")
        await page.get_by_role("link", name="Policy").click()
        await expect(page.get_by_role("heading", name="The built-in policy")).to_be_visible()
        await page.get_by_role("link", name="Write a new version").click()

        await page.get_by_role("button", name="Add a rule").click()
        first = page.get_by_role("group", name="Rule 1", exact=True)
        await first.get_by_label("Fact").fill("contry")
        await first.get_by_label("Value").fill("PT, ES")
        await first.get_by_label("Condition", exact=True).select_option("in")
        await first.get_by_label("Whom").select_option("team:iberia")
        await first.get_by_role("button", name="Add combined conditions").click()
        await expect(first.get_by_label("Fact")).to_have_value("contry")
        tree = first.get_by_label("Conditions put together")
        await tree.fill("any: [{field: employees, operator: gte, value: 50}, {not: {field: ")
        await page.get_by_label("Minutes to a first answer").fill("soon")
        await page.get_by_role("button", name="Add a rule").click()
        second = page.get_by_role("group", name="Rule 2", exact=True)
        await second.get_by_role("button", name="Remove condition 1 of rule 2").click()
        await second.get_by_label("Reps, parted by commas").fill("Zero, benn")
        await page.get_by_role("button", name="Other times for a grade").click()
        times = page.get_by_role("group", name="Times for a grade 1")
        await times.get_by_label("Grade", exact=True).fill("Z")
        await times.get_by_label("To a first answer").fill("15")
        await times.get_by_label("To accept").fill("60")

        await page.get_by_role("button", name="Save as a draft").click()
        await expect(page.get_by_role("alert").get_by_role("link")).to_have_count(3)
        await expect(second.get_by_text("nobody is called benn; did you mean ben?")).to_be_visible()
        await expect(page.get_by_label("Minutes to a first answer")).to_have_value("soon")
        await fits(page, width, tmp_path, "wrong")
        assert (await admin.get("/routing/v1/policies")).json()["items"] == []
        await second.get_by_label("Reps, parted by commas").fill("Zero, ben")
        await page.get_by_label("Minutes to a first answer").fill("45")
        await tree.fill("any: [{field: employees, operator: gte, value: 50}]")
        await page.get_by_role("button", name="Save as a draft").click()
        await expect(first.get_by_text("did you mean country?")).to_be_visible()
        await first.get_by_label("Fact").fill("country")

        # The rule for everything comes first, and says so before it is saved.
        await page.get_by_role("button", name="Move rule 2 up").click()
        await page.get_by_role("button", name="Check").click()
        await expect(page.get_by_text("no lead gets here").first).to_be_visible()
        await expect(first.get_by_text("zero gets no leads: weight 0")).to_be_visible()
        await expect(page.get_by_text("no recent lead has the grade Z").first).to_be_visible()
        await fits(page, width, tmp_path, "doubts")
        await page.get_by_role("button", name="Move rule 1 down").click()
        first = page.get_by_role("group", name="Rule 1", exact=True)
        await expect(first.get_by_text('country is one of "PT", "ES"')).to_be_attached()
        await page.get_by_label("Why this version?").fill("Iberia has its own team")
        await page.get_by_role("button", name="Save as a draft").click()

        await expect(page.get_by_text("The draft is saved")).to_be_visible()
        await expect(page.get_by_text("the team Iberia").first).to_be_visible()
        await fits(page, width, tmp_path, "draft")
        await page.get_by_role("link", name="Publish…").click()
        changes = page.get_by_role("table", name="What changes")
        await expect(changes.get_by_text("Minutes to a first answer")).to_be_visible()
        await fits(page, width, tmp_path, "publish")
        await page.get_by_role("button", name="Publish it").click()
        await expect(page.get_by_text("The new version of the policy is in force")).to_be_visible()
        await fits(page, width, tmp_path, "in-force")
    policy = (await admin.get("/routing/v1/policy")).json()
    assert policy["version"] == 1
    assert policy["sla_minutes"] == 45
    assert policy["rules"] == [
        {
            "id": "rule-1",
            "when": [
                {"field": "country", "operator": "in", "value": ["PT", "ES"]},
                {"any": [{"field": "employees", "operator": "gte", "value": 50}]},
            ],
            "team_id": "iberia",
        },
        {"id": "rule-2", "when": [], "rep_ids": ["zero", "ben"]},
    ]


async def test_somebody_else_was_faster(desk: Desk, browser: Browser, base: str) -> None:
    await desk.add_reps(("ana", 1, 9))
    admin = await desk.client(Role.ADMIN)
    body = {"sla_minutes": 60, "accept_minutes": 240, "max_attempts": 3}
    await admin.post("/routing/v1/policies", json=body)
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.goto(f"{base}/routing/policy/1/edit")
        await page.get_by_label("Rounds before it waits for you").fill("7")
        await admin.put("/routing/v1/policies/1", json={**body, "max_attempts": 9})
        await page.get_by_role("button", name="Save the draft").click()
        await expect(page.get_by_text("Somebody else was faster")).to_be_visible()
        await expect(page.get_by_label("Rounds before it waits for you")).to_have_value("7")
        await page.get_by_role("button", name="Save over it").click()
        await expect(page.get_by_text("The draft is saved")).to_be_visible()

        await page.goto(f"{base}/routing/policy/1/publish")
        await desk.set_policy(max_attempts=4)
        await page.get_by_role("button", name="Publish it").click()
        await expect(page.get_by_text("Version 2 is in force, not 0")).to_be_visible()
        await page.get_by_role("button", name="Publish it").click()
        await expect(page.get_by_text("The new version of the policy is in force")).to_be_visible()

        await page.goto(f"{base}/routing/policy/2/edit")  # retired: only a copy can be changed
        await page.get_by_role("button", name="Save as a draft").click()
        await page.get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("The draft is deleted")).to_be_visible()
    items = (await admin.get("/routing/v1/policies")).json()["items"]
    assert [(one["version"], one["max_attempts"], one["max_rounds"]) for one in items] == [
        (2, 4, 3), (1, 3, 7),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_draft_and_a_changed_team_are_tried_on_past_leads(
    desk: Desk, browser: Browser, base: str, width: int, tmp_path: Path
) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9), ("cai", 2, 9))
    await desk.happen(*(mql(f"lead-{number}") for number in range(8)))
    await desk.run_out()
    assert await desk.expire(limit=2) == 2
    admin = await desk.client(Role.ADMIN)
    body = {"sla_minutes": 60, "accept_minutes": 240, "max_attempts": 3}
    rules = [{"id": "bens", "when": [], "rep_ids": ["ben"]}]
    await admin.post("/routing/v1/policies", json={**body, "rules": rules})
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        page.set_default_timeout(30_000)  # a simulation starts a process of its own
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/policy/1")
        await page.get_by_role("link", name="Try it").click()
        await page.get_by_text("With a changed team").click()
        rep = page.get_by_role("group", name="Changed rep 1")
        await rep.get_by_label("Rep").select_option("ben")
        await rep.get_by_label("Capacity").fill("few")
        await page.get_by_role("button", name="Try it").click()
        await expect(page.get_by_text("write a whole number").first).to_be_visible()
        await expect(rep.get_by_label("Capacity")).to_have_value("few")
        await rep.get_by_label("Capacity").fill("5")
        await page.get_by_label("Or from this day").fill("2026-02-02")
        await page.get_by_label("to this day").fill("2026-02-01")
        await page.get_by_role("button", name="Try it").click()
        await expect(page.get_by_text("has to come after the first").first).to_be_visible()
        await page.get_by_label("to this day").fill("2026-02-03")
        await page.get_by_role("button", name="Try it").click()
        await expect(page.get_by_text("No lead came in that time")).to_be_visible()
        await page.get_by_label("Or from this day").fill("")
        await page.get_by_label("to this day").fill("")
        await page.get_by_role("button", name="Try it").click()
        title = page.get_by_role("heading", name="of 8 leads would have gone to somebody else")
        await expect(title).to_be_visible()
        chart = page.get_by_role("table", name="Leads by the rep who had them first")
        await expect(chart.get_by_role("row", name="ben").get_by_text("2 → 8")).to_be_visible()
        await expect(chart.get_by_role("row", name="cai").get_by_text("4 → 0")).to_be_visible()
        why = page.get_by_role("table", name="Why nobody could take them at first")
        await expect(why.get_by_role("row", name="is full")).to_contain_text("3")
        await page.get_by_text("How this is worked out").click()
        await fits(page, width, tmp_path, "trial")
    assert (await admin.get("/routing/v1/policy")).json()["version"] == 0
