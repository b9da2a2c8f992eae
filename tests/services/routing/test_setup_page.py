"""The page on which an admin looks after reps and teams, in a real browser without a script."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from shared.access import Role
from tests.services.routing.desk import Desk
from tests.services.routing.test_inbox import base, browser, page_of

__all__ = ["base", "browser"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def rep_of(desk: Desk, rep_id: str) -> dict[str, Any]:
    admin = await desk.client(Role.ADMIN)
    reps = (await admin.get("/routing/v1/reps")).json()["items"]
    return next(one for one in reps if one["rep_id"] == rep_id)


@pytest.mark.parametrize("width", [390, 1280])
async def test_hours_leave_and_a_team(desk: Desk, browser: Browser, base: str, width: int) -> None:
    await desk.add_reps(("ana", 1, 9), ("maria", 0, 0))
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/")
        team = page.get_by_role("form", name="A new team")
        await team.get_by_label("Team").fill("Iberia")
        await team.get_by_label("Manager").select_option("maria")
        await team.get_by_role("button", name="Add this team").click()
        await expect(page.get_by_role("form", name="Iberia")).to_be_visible()

        card = page.get_by_role("article", name="ana")
        await card.get_by_text("Change", exact=True).click()
        form = page.get_by_role("form", name="Change ana")
        await form.get_by_label("Team").select_option("iberia")
        await form.get_by_text("Hours, leave and limits").click()
        await form.get_by_label("Working hours").fill("weekdays nine to five")
        await form.get_by_role("button", name="Save").click()
        problem = page.get_by_role("form", name="Change ana")
        await expect(problem.get_by_text("like mon-fri 9-12 13-17:30").first).to_be_visible()
        await expect(problem.get_by_label("Working hours")).to_have_value("weekdays nine to five")
        assert (await rep_of(desk, "ana"))["team_id"] is None
        await problem.get_by_label("Working hours").fill("mon-thu 9-12 13-17\nfri 9-12")
        await problem.get_by_label("Leave").fill("2026-12-24 2027-01-02 Christmas")
        await problem.get_by_label("Languages").fill("pt, en")
        await problem.get_by_label("Open leads at most").fill("40")
        await problem.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    ana = await rep_of(desk, "ana")
    assert ana["team_id"] == "iberia"
    assert ana["hours"]["thu"] == [["09:00", "12:00"], ["13:00", "17:00"]]
    assert ana["hours"]["fri"] == [["09:00", "12:00"]]
    assert "sat" not in ana["hours"]
    assert ana["leave"] == [{"first": "2026-12-24", "last": "2027-01-02", "note": "Christmas"}]
    assert (ana["languages"], ana["open_limit"]) == (["pt", "en"], 40)


async def test_a_team_with_reps_is_not_removed(desk: Desk, browser: Browser, base: str) -> None:
    await desk.add_reps(("ana", 1, 9))
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/teams", json={"name": "Iberia"})
    await admin.patch("/routing/v1/reps/ana", json={"team_id": "iberia"})
    async with page_of(desk, browser, base, Role.ADMIN, script=False) as page:
        await page.goto(f"{base}/routing/")
        await page.get_by_role("form", name="Iberia").get_by_role("button", name="Remove").click()
        await expect(page.get_by_text("Move them to another team first: ana")).to_be_visible()
        await admin.patch("/routing/v1/reps/ana", json={"status": "gone", "team_id": None})
        await page.goto(f"{base}/routing/")
        await expect(
            page.get_by_role("article", name="ana").get_by_text("gone", exact=True)
        ).to_be_visible()
        await page.get_by_role("form", name="Iberia").get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("form", name="Iberia")).to_have_count(0)
