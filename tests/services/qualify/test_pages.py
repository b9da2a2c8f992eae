"""The pages, as a browser without JavaScript sees them."""

import re
from datetime import timedelta
from html import unescape

import pytest

from shared.access import Role
from shared.contracts.events import DefinitionPublished

from .conftest import STUDENT, VP, activity, captured
from .test_backtests import BASE, DRAFT, given_leads, publish

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NEW = "/qualify/definitions/new"


async def test_pages_need_a_login_and_writing_needs_a_marketer(qualify, browse):
    headers = {"Accept": "text/html", "Authorization": ""}
    answer = await qualify.client.get("/qualify/", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/qualify/")
    rep = await browse(Role.REP)
    listed = await rep.open("/qualify/")
    assert listed.status_code == 200
    assert "Write a new version" not in listed.text
    assert (await rep.open(NEW)).status_code == 403
    assert (await rep.open("/qualify/definitions/1/publish")).status_code == 403
    assert (await rep.open("/qualify/leads/x")).status_code == 403


async def test_a_version_is_copied_changed_saved_and_published(qualify, browse):
    marketer = await browse(Role.MARKETER)
    editor = await marketer.open(NEW)
    saved = await marketer.send(editor, NEW, **{"criteria-0-points": "40", "note": "Better <b>"})
    assert "Version 2 is written" in saved.text
    assert "Better &lt;b&gt;" in saved.text
    assert "Criterion senior_title: points" in saved.text
    asked = await marketer.open("/qualify/definitions/2/publish")
    assert "Publish version 2?" in asked.text
    done = await marketer.send(asked, "/qualify/definitions/2/publish")
    assert "Version 2 is published" in done.text
    published = [one for one in qualify.events() if isinstance(one, DefinitionPublished)]
    assert published[0].definition.version == 2
    first, second = [
        (await qualify.client.get(f"/qualify/v1/definitions/{n}")).json() for n in (1, 2)
    ]
    assert second["criteria"][0] == {**first["criteria"][0], "points": 40}
    assert second["criteria"][1:] == first["criteria"][1:]
    assert (second["grades"], second["disqualifiers"]) == (first["grades"], first["disqualifiers"])


async def test_publishing_asks_again_when_another_version_came_first(qualify, browse):
    marketer = await browse(Role.MARKETER)
    for points in ("30", "35"):
        await marketer.send(await marketer.open(NEW), NEW, **{"criteria-0-points": points})
    asked = await marketer.open("/qualify/definitions/3/publish")
    await qualify.client.post("/qualify/v1/definitions/2/publish")
    answer = await marketer.send(asked, "/qualify/definitions/3/publish")
    assert answer.status_code == 409
    assert "Another version was published meanwhile" in answer.text
    assert "from version 2" in answer.text
    done = await marketer.send(answer, "/qualify/definitions/3/publish")
    assert "Version 3 is published" in done.text


async def test_a_lead_is_explained(qualify, browse):
    await qualify.take(
        captured("lead-1", {**VP, "company": "<Acme>"}), activity("lead-1", "page_viewed", VP)
    )
    marketer = await browse(Role.MARKETER)
    found = await marketer.open("/qualify/leads?lead_id=lead-1")
    assert found.url.path == "/qualify/leads/lead-1"
    page = await marketer.open("/qualify/leads/lead-1")
    assert page.status_code == 200
    for words in (
        "employees 120 is at least 50",
        "What did not",
        "page viewed",
        "threshold reached",
        "country is not known",
    ):
        assert words in page.text
    assert "<Acme>" not in page.text
    assert (await marketer.open("/qualify/leads/nobody")).status_code == 404
    assert (await marketer.open("/qualify/definitions/99")).status_code == 404


async def test_many_versions_are_listed_page_by_page(qualify, browse):
    made = (await qualify.client.get("/qualify/v1/definitions/1")).json()
    for _ in range(24):
        await qualify.client.post("/qualify/v1/definitions", json=made)
    marketer = await browse(Role.MARKETER)
    first = await marketer.open("/qualify/")
    assert "Version 25" in first.text
    older = re.search(r'href="(/qualify/\?cursor=[^"]*)"', first.text)
    assert older is not None
    assert "Version 5</a>" in (await marketer.open(unescape(older[1]))).text


async def test_what_would_have_qualified_a_lead_is_told(qualify, browse):
    await qualify.take(captured("lead-1", STUDENT))
    marketer = await browse(Role.MARKETER)
    page = await marketer.open("/qualify/leads/lead-1")
    assert "50 make an MQL: it is nurtured until it does more" in page.text
    assert "What would have made it an MQL" in page.text
    assert "webinar_attended once" in page.text


async def test_an_explored_lead_and_a_shadow_score_are_marked(qualify, browse):
    everybody = {**BASE, "exploration_rate": 0.5}
    await publish(qualify, everybody)
    made = await qualify.client.post("/qualify/v1/definitions", json=DRAFT)
    await qualify.client.post(f"/qualify/v1/definitions/{made.json()['version']}/challenge")
    await qualify.take(*(captured(f"lead-{n}", STUDENT) for n in range(20)))
    marketer = await browse(Role.MARKETER)
    pages = [(await marketer.open(f"/qualify/leads/lead-{n}")).text for n in range(20)]
    explored = [page for page in pages if "Shown to a rep although below the threshold" in page]
    assert 0 < len(explored) < 20
    assert "one of the sample of 50\u202f% that is explored" in explored[0]
    assert all("The challenger says" in page for page in pages)


async def test_a_version_says_who_wrote_and_published_it_and_why(qualify, browse):
    marketer = await browse(Role.MARKETER)
    await marketer.send(await marketer.open(NEW), NEW, **{"criteria-0-points": "40"})
    asked = await marketer.open("/qualify/definitions/2/publish")
    await marketer.send(asked, "/qualify/definitions/2/publish", reason="Sales <asked> for it")
    page = await marketer.open("/qualify/definitions/2")
    said = re.sub(r"<[^>]*>", "", page.text)
    assert re.search(r"Written 23 Nov 2026, 09:30 UTC by marketer \S+\.", said)
    assert "“Sales &lt;asked&gt; for it”" in said
    assert "threshold: 50" in page.text, "the definition stands there as text too"


async def test_a_draft_is_deleted(qualify, browse):
    marketer = await browse(Role.MARKETER)
    page = await marketer.send(await marketer.open(NEW), NEW)
    gone = await marketer.send(page, "/qualify/definitions/2/delete")
    assert "The draft of version 2 is gone" in gone.text
    assert (await marketer.open("/qualify/definitions/2")).status_code == 404


async def test_publishing_says_first_how_many_leads_would_move_and_then_follows_them(
    qualify, browse
):
    await publish(qualify, BASE)
    await given_leads(qualify, 60)
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    await marketer.send(page, NEW, threshold="10", exploration_rate="0")
    asked = await marketer.open("/qualify/definitions/3/publish")
    told = (await qualify.client.get("/qualify/v1/definitions/3/impact")).json()
    assert told["to_mql"] > 0
    said = re.sub(r"<[^>]*>", "", asked.text)
    assert f"Of {told['leads']} open leads it would move {told['to_mql']} to MQL" in said
    done = await marketer.send(asked, "/qualify/definitions/3/publish")
    assert f"0 of {told['leads']} open leads scored" in done.text
    run = re.search(r'href="(/qualify/rescores/[^"]*)"', done.text)
    assert run is not None
    following = await marketer.open(run[1])
    assert following.headers["refresh"] == "2"
    assert "This page looks again by itself" in following.text


async def test_a_challenger_is_compared_and_needs_evidence_or_a_reason(qualify, browse):
    await publish(qualify, BASE)
    marketer = await browse(Role.MARKETER)
    await qualify.client.post("/qualify/v1/definitions", json=DRAFT)
    qualify.clock.advance(-timedelta(days=40))
    draft = await marketer.open("/qualify/definitions/3")
    begun = await marketer.send(draft, "/qualify/definitions/3/challenge")
    assert "Version 3 challenges the published one" in begun.text
    await given_leads(qualify)
    listed = await marketer.open("/qualify/")
    assert "Version 3 challenges it" in listed.text
    page = await marketer.open("/qualify/definitions/3/challenger?label=accepted")
    for words in ("with an answer that counts", "Precision", "AUC", "Is it proven?", "not yet"):
        assert words.lower() in page.text.lower(), words
    publishing = "/qualify/definitions/3/publish"
    asked = await marketer.open(publishing)
    refused = await marketer.send(asked, publishing, reason="Now")
    assert refused.status_code == 409
    assert "Not published: evidence is missing" in refused.text
    assert ">\nNow</textarea>" in refused.text
    done = await marketer.send(refused, publishing, override="The board decided")
    assert "Version 3 is published" in done.text
    assert "The board decided" in done.text


async def test_a_challenge_ends(qualify, browse):
    marketer = await browse(Role.MARKETER)
    page = await marketer.send(await marketer.open(NEW), NEW)
    page = await marketer.send(page, "/qualify/definitions/2/challenge")
    ended = await marketer.send(page, "/qualify/definitions/2/withdraw")
    assert "The challenge has ended" in ended.text
    assert "Version 2 challenges it" not in (await marketer.open("/qualify/")).text
