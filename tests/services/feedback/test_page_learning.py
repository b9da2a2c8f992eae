"""The settings of learning in a real browser, and where it stands, without JavaScript."""

import pytest
from playwright.async_api import expect

from services.feedback.domain.learning import Choices
from services.feedback.domain.samples import Label
from services.feedback.store import queries
from tests.services.feedback.visits import Visit, proposed

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_what_is_wanted_is_kept(visit: Visit) -> None:
    await proposed(
        visit.feedback,
        warnings=["Too good: fields.budget looks like the answer itself."],
    )
    page = visit.page
    await visit.log_in()
    text = await visit.go("/feedback/learning")
    assert "A proposal waits for your decision" in text
    assert "Reps, compared on like leads" in text
    assert "2 % of the leads below the threshold reach a rep" in text
    assert "Looks in a year 1" in text
    assert await visit.fits()

    await page.get_by_label("sales accepts and that is an SQL").check()
    await page.get_by_label("as many MQLs as the reps can take").check()
    await page.get_by_label("Leads per rep and week").fill("many")
    await page.get_by_label("Country").select_option("never")
    await page.get_by_label("Employees").select_option("more")
    await page.get_by_label("budget", exact=True).select_option("trusted")
    await page.get_by_label("Others never to use").fill("fields.Age, cuontry")
    await page.get_by_label("large").check()
    await page.get_by_text("Limits", exact=True).click()
    await page.get_by_label("Gain that is worth your time").fill("200")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("how many leads a rep can take")
    await expect(page.locator("#margin-error")).to_contain_text("a number from 0 to 49")
    await expect(page.get_by_label("Country")).to_have_value("never")
    assert await visit.feedback.ask(queries.choices) == Choices()

    await page.get_by_label("Leads per rep and week").fill("12,5")
    await page.get_by_label("Gain that is worth your time").fill("3")
    await page.get_by_role("button", name="Save").click()
    wrong = "No lead has a fact 'cuontry'; did you mean country?"
    await expect(page.locator("#never_others-error")).to_contain_text(wrong)
    assert await visit.feedback.ask(queries.choices) == Choices()

    await page.get_by_label("Others never to use").fill("fields.Age, fields.gender")
    await page.get_by_role("button", name="Save").click()
    assert "The next look at the answers follows it" in await visit.text()
    kept = await visit.feedback.ask(queries.choices)
    assert kept.label is Label.SQL
    assert kept.target == {"per_rep_week": 12.5}
    assert kept.never == ("country", "fields.Age", "fields.gender")
    assert (kept.fixed, kept.trusted) == (("large",), ("fields.budget",))
    assert kept.limits == {"margin": 0.03}
    assert kept.signs == {"employees": "more"}
    assert "None of the newest leads has fields.Age; " in await visit.go("/feedback/learning")
    await expect(page.get_by_label("Leads per rep and week")).to_have_value("12.5")
    await expect(page.get_by_label("large")).to_be_checked()


async def test_two_at_once(visit: Visit) -> None:
    await visit.log_in()
    await visit.go("/feedback/learning")
    second = await visit.page.context.new_page()
    await second.goto(f"{visit.url}/feedback/learning")
    await visit.page.get_by_label("is won").check()
    await visit.page.get_by_role("button", name="Save").click()
    assert "Saved" in await visit.text()
    await second.get_by_role("button", name="Save").click()
    assert "Somebody else has changed these settings" in await second.inner_text("main")
    assert (await visit.feedback.ask(queries.choices)).label is Label.WON


async def test_look_now(visit: Visit) -> None:
    await proposed(visit.feedback)
    await visit.log_in()
    await visit.go("/feedback/learning")
    await visit.page.get_by_role("button", name="Look now").click()
    assert "It looks at the answers" in await visit.text()
    assert (await visit.feedback.ask(queries.schedule)).asked_at is not None
