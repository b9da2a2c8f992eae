"""The overview in a real browser, without JavaScript, on a phone."""

from datetime import timedelta
from pathlib import Path

import pytest

from shared.access import Role
from shared.contracts.vocabulary import RejectReason
from tests.services.feedback.lives import Life, answers, found, published
from tests.services.feedback.test_slices import lives
from tests.services.feedback.visits import Visit, proposed

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_the_proposal_is_told_in_a_card(visit: Visit) -> None:
    proposal = await proposed(
        visit.feedback, warnings=["Too good: fields.x looks like the answer itself."]
    )
    await visit.log_in()
    text = await visit.go("/feedback/")
    assert "A better definition than version 1" in text
    assert "would be accepted instead of" in text
    assert "new Criterion industry" in text
    assert "Too good to be true fields.x looks like" in text
    assert await visit.fits()
    await visit.page.get_by_role("link", name="Read it and decide").click()
    assert visit.page.url.endswith(f"/feedback/proposals/{proposal['proposal_id']}")


async def test_what_is_missing_is_said(visit: Visit) -> None:
    await visit.log_in(Role.ADMIN)
    text = await visit.go("/feedback/")
    assert "No definition is published" in text
    assert "No leads yet" in text
    await visit.feedback.read([published(), *answers((9, 1), (12, 1))])
    assert "77 more answered leads until the first look" in await visit.go("/feedback/")
    why = "Better by 0.004 AUC on unseen leads, but that may be chance."
    await visit.feedback.look(found(23, suggestion=None, missing=why))
    text = await visit.go("/feedback/")
    assert why in text
    assert "Next look" in text
    assert "Nothing to propose now" in text


async def test_hints_in_short_and_in_full(visit: Visit) -> None:
    lives = []
    for country, wrong in (("AT", 12), ("DE", 0)):
        for number in range(30):
            facts = {"country": country, "company": f"{country} Works {number}"}
            life = Life(facts=facts).captured().qualified().assigned("ana")
            if number < wrong:
                life.rejected(RejectReason.WRONG_TERRITORY)
            else:
                life.accepted()
            lives.append(life)
    await visit.feedback.read([published(), *(event for one in lives for event in one.events)])
    await visit.log_in()
    assert "Wrong territory, country AT: 12 of 30 leads" in await visit.go("/feedback/")
    text = await visit.go("/feedback/hints")
    assert "40 % of the leads with country AT were turned down" in text
    assert await visit.fits()
    await visit.page.get_by_text("Examples (5)").click()
    examples = visit.page.get_by_role("link", name="AT Works")
    assert await examples.count() == 5
    assert "Wrong territory" in await visit.text()


async def test_the_weeks_fit_a_phone(visit: Visit) -> None:
    await visit.log_in()
    await visit.feedback.read([published(), *answers((9, 1), (12, 1))])
    await visit.go("/feedback/")
    weeks = visit.page.get_by_role("region", name="Leads by the week they became an MQL")
    assert await weeks.evaluate("box => box.scrollWidth <= box.clientWidth")


@pytest.mark.parametrize("path", ["", "proposals", "learning", "hints"])
async def test_who_sees_it(visit: Visit, path: str) -> None:
    await visit.page.goto(f"{visit.url}/feedback/{path}")
    assert f"/login?next=/feedback/{path}" in visit.page.url
    await visit.log_in(Role.REP, "anna")
    answer = await visit.page.goto(f"{visit.url}/feedback/{path}")
    assert answer is not None
    assert answer.status == 403


async def test_figures_of_a_part_of_the_leads(visit: Visit, tmp_path: Path) -> None:
    for life in lives():
        await visit.feedback.read(life.events)
    visit.feedback.clock.advance(timedelta(days=13))
    await visit.log_in()
    text = await visit.go("/feedback/")
    assert "Source side by side" in text
    assert "1 of 3" in text
    form = visit.page.get_by_role("form", name="Whose figures")
    await form.get_by_text("Figures of all leads").click()
    await form.get_by_label("From").fill("2026-11-02")
    await form.get_by_label("To, with this day").fill("2026-11-08")
    await form.get_by_label("Source").select_option("search")
    await form.get_by_label("Side by side").select_option("Rep")
    await form.get_by_role("button", name="Show", exact=True).click()
    await visit.page.wait_for_url("**source=search**")
    text = await visit.text()
    assert "Figures of a part of the leads" in text
    table = visit.page.locator("#beside .table-stacking")
    assert await table.locator("tbody th").all_inner_texts() == ["ana", "ben"]
    assert await form.get_by_label("To, with this day").input_value() == "2026-11-08"
    link = visit.page.locator("#beside").get_by_role("link", name="Download as CSV")
    async with await visit.client() as client:
        told = await client.get(await link.get_attribute("href") or "")
    assert told.text.splitlines()[1].startswith("ana,1,")
    assert await visit.fits()
    await visit.page.screenshot(path=tmp_path / "phone.png", full_page=True)
    await visit.page.set_viewport_size({"width": 1280, "height": 800})
    await visit.page.screenshot(path=tmp_path / "desk.png", full_page=True)
    assert "From: Input should" in await visit.go("/feedback/?from=soon")
