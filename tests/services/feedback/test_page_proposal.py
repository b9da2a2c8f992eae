"""A proposal in a real browser: read, edited, answered and followed, without JavaScript."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from services.feedback.handlers import proposals
from services.feedback.store.unit import Feedback as Unit
from shared.contracts.definition import DefinitionDocument
from shared.contracts.events import (
    DefinitionChallenging,
    DefinitionPublished,
    DefinitionRetired,
    ProposalRefused,
)
from tests.services.feedback.lives import Life, event_of, found, published
from tests.services.feedback.visits import Visit, proposed

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_read_edited_and_approved_as_challenger(visit: Visit) -> None:
    proposal = await proposed(visit.feedback)
    page, href = visit.page, f"/feedback/proposals/{proposal['proposal_id']}"
    await visit.log_in()
    text = await visit.go(href)
    for part in ("Accepted, of its MQLs", "MQLs a week", "By week", "Reps, compared", "Company "):
        assert part in text
    notes = proposal["evidence"]["notes"]
    assert notes
    assert all(note in text for note in notes)
    assert await visit.fits()

    await page.get_by_role("link", name="Edit or try it").click()
    field = page.get_by_label("Threshold")
    threshold = int(await field.input_value())
    await field.fill("fifty")
    await page.get_by_role("button", name="Save the points").click()
    await expect(page.get_by_role("alert")).to_contain_text("write a whole number")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_value("fifty")
    assert await visit.fits()
    await field.fill(str(threshold + 3))
    await page.get_by_role("button", name="Save the points").click()
    text = await visit.text()
    assert "The proposal has the document that you wrote" in text
    assert "The figures are those of the document before that" in text

    await page.get_by_role("link", name="Try it as a challenger").click()
    assert "scores every lead beside version 1" in await visit.text()
    assert await visit.fits()
    await page.get_by_label("Why").fill("sales agrees")
    await page.get_by_role("button", name="Approve as challenger").click()
    assert "The version is being made" in await visit.text()
    await expect(page.get_by_role("link", name="Publish it")).to_have_count(0)
    (approved,) = [e for e in await visit.feedback.sent("definition.proposed") if "publish_as" in e]
    assert approved["publish_as"] == "challenger"
    assert approved["note"] == "sales agrees"
    assert approved["definition"]["threshold"] == threshold + 3

    at = visit.feedback.clock.now()
    document = DefinitionDocument.model_validate({**approved["definition"], "version": 2})
    began = DefinitionChallenging(
        definition=document, proposal_id=proposal["proposal_id"], challenging_since=at
    )
    await visit.feedback.read([event_of(began, at)])
    assert "challenger as version 2" in await visit.go(href)
    compare = page.get_by_role("link", name="Compare the two")
    await expect(compare).to_have_attribute("href", "/qualify/definitions/2/challenger")
    await visit.feedback.read([event_of(DefinitionRetired(version=2, retired_at=at), at)])
    assert "tried and dropped as version 2" in await visit.go("/feedback/proposals")


async def test_the_document_as_text(visit: Visit) -> None:
    proposal = await proposed(visit.feedback)
    await visit.log_in()
    await visit.go(f"/feedback/proposals/{proposal['proposal_id']}/edit")
    text = visit.page.get_by_label("Document as YAML")
    written = await text.input_value()
    for wrong, said in (
        (written.replace("threshold:", "threshold: ["), "Line"),
        (written.replace("field: industry", "field: email"), "personal"),
        ("threshold: 10", "Criteria: "),
    ):
        await text.fill(wrong)
        await visit.page.get_by_role("button", name="Save the document").click()
        await expect(visit.page.locator("#document-error")).to_contain_text(said)
        await expect(text).to_have_value(wrong)
    await text.fill(written.replace("name: Starter", "name: Mine"))
    await visit.page.get_by_role("button", name="Save the document").click()
    assert "Saved" in await visit.text()
    (edited,) = await visit.feedback.proposals()
    assert edited["definition"]["name"] == "Mine"
    assert edited["definition"]["criteria"] == proposal["definition"]["criteria"]


async def test_dismissed_for_a_reason(visit: Visit) -> None:
    await visit.feedback.read([published()])
    await visit.feedback.look(found())
    await visit.log_in()
    await visit.go("/feedback/proposals")
    await visit.page.get_by_role("link", name="3 Nov 2026").click()
    second = await visit.page.context.new_page()
    await second.goto(f"{visit.page.url}/approve?as=published")
    await visit.page.get_by_role("link", name="Dismiss").click()
    assert "225 answered leads instead of 150" in await visit.text()
    await visit.page.get_by_role("button", name="Dismiss").click()
    await expect(visit.page.locator("#reason-error")).to_contain_text("Say why")
    await visit.page.get_by_label("Why not?").fill("we know better")
    await visit.page.get_by_role("button", name="Dismiss").click()
    assert "we know better" in await visit.text()
    await second.get_by_role("button", name="Approve and publish").click()
    assert "Nothing was changed" in await second.inner_text("main")
    (proposal,) = await visit.feedback.proposals()
    assert (proposal["status"], proposal["note"]) == ("dismissed", "we know better")


async def test_nobody_approves_what_somebody_edited_meanwhile(visit: Visit) -> None:
    await visit.feedback.read([published()])
    await visit.feedback.look(found())
    (proposal,) = await visit.feedback.proposals()
    await visit.log_in()
    await visit.go(f"/feedback/proposals/{proposal['proposal_id']}/approve?as=published")
    body = {**proposal["definition"], "threshold": 25}

    def edit(unit: Unit) -> None:
        proposals.edit(unit, proposal["proposal_id"], body, "else")

    await visit.feedback.transactions.run(edit)
    await visit.page.get_by_role("button", name="Approve and publish").click()
    assert "Nothing was changed" in await visit.text()
    (proposal,) = await visit.feedback.proposals()
    assert proposal["status"] == "open"


async def test_a_refusal_says_what_to_do(visit: Visit) -> None:
    await visit.feedback.read([published()])
    await visit.feedback.look(found())
    (proposal,) = await visit.feedback.proposals()
    one = proposal["proposal_id"]
    await visit.feedback.transactions.run(lambda unit: proposals.approve(unit, one, "k", ""))
    at = visit.feedback.clock.now()
    reason = "No lead can reach the threshold of 20."
    refusal = ProposalRefused(proposal_id=one, reason=reason, refused_at=at)
    await visit.feedback.read([event_of(refusal, at)])
    await visit.log_in()
    text = await visit.go(f"/feedback/proposals/{one}")
    assert reason in text
    assert "open again" in text
    await visit.page.get_by_role("link", name="edit the document").click()
    assert "Edit the proposal" in await visit.text()


async def test_predicted_against_happened(visit: Visit) -> None:
    proposal = await proposed(visit.feedback)
    one, at = proposal["proposal_id"], visit.feedback.clock.now()
    await visit.feedback.transactions.run(lambda unit: proposals.approve(unit, one, "k", ""))
    document = DefinitionDocument.model_validate(
        {**proposal["definition"], "version": 2, "status": "published"}
    )
    news = DefinitionPublished(definition=document, proposal_id=one, published_at=at)
    await visit.feedback.read([event_of(news, at)])
    await visit.log_in()
    assert "Too early" in await visit.go(f"/feedback/proposals/{one}")
    lives = [
        Life(version=2, at=at + timedelta(minutes=number)).captured().qualified().assigned()
        for number in range(60)
    ]
    for number, life in enumerate(lives):
        life.accepted() if number < 3 else life.rejected()
    await visit.feedback.read([event for life in lives for event in life.events])
    text = await visit.go(f"/feedback/proposals/{one}")
    assert "It does not do what was predicted" in text
    assert "of 60 answered leads were good" in text
    back = visit.page.get_by_role("link", name="Go back to version 1")
    await expect(back).to_have_attribute("href", "/qualify/definitions/1/publish")
    assert await visit.fits()
    assert "Read it" in await visit.go("/feedback/")


async def test_a_form_from_elsewhere_is_refused(visit: Visit) -> None:
    await visit.feedback.read([published()])
    await visit.feedback.look(found())
    (proposal,) = await visit.feedback.proposals()
    await visit.log_in()
    async with await visit.client() as client:
        for action in ("approve", "dismiss", "edit"):
            path = f"/feedback/proposals/{proposal['proposal_id']}/{action}"
            answer = await client.post(path, data={"reason": "x", "part": "points"})
            assert answer.status_code == 403
    (proposal,) = await visit.feedback.proposals()
    assert proposal["status"] == "open"


async def test_an_unknown_proposal_is_not_found(visit: Visit) -> None:
    await visit.log_in()
    for action in ("", "/edit", "/approve", "/dismiss"):
        answer = await visit.page.goto(f"{visit.url}/feedback/proposals/nothing{action}")
        assert answer is not None
        assert answer.status == 404
