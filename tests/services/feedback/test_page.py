"""The overview in a real browser, without JavaScript, on a phone."""

import pytest

from shared.access import Role
from shared.contracts.vocabulary import RejectReason
from tests.services.feedback.lives import Life, answers, found, published
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
