"""The board in a real browser, on a wide screen and on a phone, without a script."""

import pytest
from playwright.async_api import Browser, expect

from shared.access import Role
from tests.services.routing.desk import Desk, mql, person
from tests.services.routing.test_inbox import base, browser, page_of

__all__ = ["base", "browser"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def team(desk: Desk) -> None:
    """Maria's team: ana is full, ben has no capacity; two leads nobody can take."""
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/reps", json={"rep_id": "maria", "name": "Maria", "weight": 0})
    body = {"name": "DACH", "manager_id": "maria"}
    team_id = (await admin.post("/routing/v1/teams", json=body)).json()["team_id"]
    await desk.add_reps(("ana", 1, 2), ("ben", 1, 0))
    for rep_id in ("ana", "ben"):
        await admin.patch(f"/routing/v1/reps/{rep_id}", json={"team_id": team_id})
    leads = [mql() for _ in range(4)]
    names = ("Jane", "Omar", "Lucía", "Wei")
    people = (person(lead.lead_id, name) for lead, name in zip(leads, names, strict=True))
    await desk.happen(*leads, *people)


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_manager_sees_why_and_moves_what_nobody_has(
    desk: Desk, browser: Browser, base: str, width: int
) -> None:
    await team(desk)
    async with page_of(desk, browser, base, Role.MANAGER, "maria", script=False) as page:
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{base}/routing/board")
        nobody = page.get_by_role("form", name="Leads that nobody has")
        await expect(nobody.get_by_role("listitem")).to_have_count(2)
        await expect(
            nobody.get_by_text("Every rep who may have this lead is full").first
        ).to_be_visible()
        await expect(page.get_by_role("row", name="ana")).to_contain_text("2 of 2")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        await page.get_by_role("button", name="Move").first.click()
        await expect(page.get_by_text("Tick the leads that are to move first.")).to_be_visible()
        for box in await nobody.get_by_role("checkbox").all():
            await box.check()
        await nobody.get_by_label("Give the ticked ones").select_option("ben")
        await nobody.get_by_role("button", name="Move").click()
        await expect(page.get_by_text("2 leads moved.")).to_be_visible()
        await expect(page.get_by_text("Every lead has somebody")).to_be_visible()
        await expect(page.get_by_role("row", name="ben")).to_contain_text("2 of 0")


async def test_a_rep_is_not_let_in(desk: Desk, browser: Browser, base: str) -> None:
    await team(desk)
    async with page_of(desk, browser, base, Role.REP, "ana") as page:
        answer = await page.goto(f"{base}/routing/board")
        assert answer is not None
        assert answer.status == 403
