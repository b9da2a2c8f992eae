"""A challenger scores every lead and moves none; it takes over with evidence, or a reason."""

from datetime import timedelta

import pytest

from services.qualify.domain.promotion import Comparison
from services.qualify.handlers.definitions import (
    Judged,
    challenge,
    create_definition,
    publish_definition,
    withdraw,
)
from services.qualify.store.queries import lead_history
from services.qualify.store.unit import Qualify
from shared.contracts.definition import DefinitionBody
from shared.contracts.events import (
    DefinitionChallenging,
    DefinitionPublished,
    DefinitionRetired,
    LeadQualified,
)
from shared.contracts.problems import Problem
from shared.scorecard.intervals import Interval, wilson
from tests.shared.scorecard.documents import small as definition

from .conftest import NOW, VP, activity, captured
from .test_api import URL, create
from .test_consume import approved
from .test_exploration import take

GOOD = Comparison(
    labelled=500,
    auc_before=0.6,
    auc_after=0.7,
    auc_difference=Interval(0.1, 0.05, 0.15),
    precision_before=wilson(60, 200),
    precision_after=wilson(90, 200),
    mqls_before=200,
    mqls_after=200,
)


async def test_a_challenger_scores_every_lead_and_moves_none(qualify):
    await create(qualify, threshold=50)
    told = await qualify.client.post(f"{URL}/2/challenge")
    assert (told.json()["status"], told.json()["challenging_since"]) == (
        "challenger",
        NOW.isoformat().replace("+00:00", "Z"),
    )
    (challenging,) = qualify.events()
    assert isinstance(challenging, DefinitionChallenging)
    assert challenging.definition.version == 2
    await qualify.take(captured("x", VP))
    (made,) = qualify.events()
    assert isinstance(made, LeadQualified)
    assert made.definition_version == 1
    assert (made.shadow.definition_version, made.shadow.score, made.shadow.decision) == (
        2,
        30,
        "NURTURE",
    )
    with qualify.db.connect() as conn:
        found = lead_history(conn, "x", 1)
    assert found is not None
    (decision,) = found.decisions
    assert (decision.shadow_version, decision.shadow_score, decision.shadow_verdict) == (
        2,
        30,
        "NURTURE",
    )
    await qualify.client.post(f"{URL}/2/withdraw")
    qualify.events()
    await qualify.take(activity("x", "page_viewed", VP))
    (after,) = qualify.events()
    assert after.shadow is None


async def test_there_is_one_challenger_and_the_former_retires(qualify):
    for _ in range(2):
        await create(qualify)
    for version in (2, 3, 3):
        answer = await qualify.client.post(f"{URL}/{version}/challenge")
        assert answer.status_code == 200
    events = qualify.events()
    assert [type(one) for one in events] == [
        DefinitionChallenging,
        DefinitionRetired,
        DefinitionChallenging,
    ]
    assert events[1].version == 2
    listed = (await qualify.client.get(URL, params={"status": "challenger"})).json()["items"]
    assert [one["version"] for one in listed] == [3]
    assert (await qualify.client.post(f"{URL}/1/challenge")).status_code == 409
    assert (await qualify.client.post(f"{URL}/2/withdraw")).status_code == 409
    assert (await qualify.client.put(f"{URL}/3", json=definition())).status_code == 409
    back = await qualify.client.post(f"{URL}/2/challenge")
    assert back.json()["status"] == "challenger"


async def test_without_evidence_it_takes_a_written_reason(qualify):
    await create(qualify)
    await qualify.client.post(f"{URL}/2/challenge")
    qualify.events()
    refused = await qualify.client.post(f"{URL}/2/publish", json={"reason": "I like it"})
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["title"] == "Not enough evidence"
    assert "`override`" in problem["detail"]
    assert problem["missing"]
    blank = await qualify.client.post(f"{URL}/2/publish", json={"override": "  "})
    assert blank.status_code == 409
    done = await qualify.client.post(f"{URL}/2/publish", json={"override": "The fair is today"})
    assert done.status_code == 200
    assert done.json()["published_reason"] == "The fair is today"
    assert [type(one) for one in qualify.events()] == [DefinitionRetired, DefinitionPublished]
    assert (await qualify.client.get(f"{URL}/1")).json()["status"] == "retired"


@pytest.fixture
def unit():
    """Version 1 is published, 2 challenges it, 3 is a draft."""
    unit = Qualify(NOW)
    body = DefinitionBody.model_validate(definition())
    for _ in range(3):
        create_definition(unit, body)
    publish_definition(unit, 1)
    challenge(unit, 2)
    unit.events.clear()
    return unit


def test_with_evidence_it_takes_over(unit):
    done = publish_definition(unit, 2, judged=Judged(1, GOOD), by="mona", reason="better")
    assert (done.status, done.published_by, done.published_reason) == (
        "published",
        "mona",
        "better",
    )
    assert unit.challenger() is None


def test_the_evidence_must_be_about_the_version_that_is_published(unit):
    publish_definition(unit, 3)
    with pytest.raises(Problem) as refused:
        publish_definition(unit, 2, judged=Judged(1, GOOD))
    assert (refused.value.status, refused.value.title) == (409, "Another version was published")


def test_withdrawing_it_is_no_way_round_the_evidence(unit):
    withdraw(unit, 2)
    with pytest.raises(Problem) as refused:
        publish_definition(unit, 2)
    assert (refused.value.status, refused.value.title) == (409, "Not enough evidence")
    assert publish_definition(unit, 2, override="the fair is next week").status == "published"
    publish_definition(unit, 1)
    assert publish_definition(unit, 2).status == "published", "it has scored before"


def test_what_was_published_again_keeps_who_published_it_before(unit):
    publish_definition(unit, 3, by="mona", reason="spring review")
    publish_definition(unit, 1, by="omar", reason="too few MQLs")
    back = publish_definition(unit, 3, by="ines", reason="after all")
    assert (back.published_by, back.published_reason) == ("ines", "after all")
    assert back.published_before == ({"at": NOW, "by": "mona", "reason": "spring review"},)


def test_publishing_a_draft_or_a_retired_version_needs_no_evidence(unit):
    publish_definition(unit, 3)
    later = publish_definition(unit, 1)
    assert later.status == "published"
    assert unit.challenger() is not None


def test_a_proposals_version_names_it_when_it_is_first_published_and_not_when_it_comes_back(unit):
    body = DefinitionBody.model_validate(definition())
    retired, challenging = take(unit, approved(given=body, publish_as="challenger", vp=40))
    assert (retired.version, challenging.proposal_id) == (2, "p1")
    publish_definition(unit, 4, override="go")
    publish_definition(unit, 1)
    publish_definition(unit, 4)
    told = [e.data for e in unit.events if isinstance(e.data, DefinitionPublished)]
    assert [(one.definition.version, one.proposal_id) for one in told] == [
        (4, "p1"),
        (1, None),
        (4, None),
    ]


def test_shadow_scores_are_of_the_moment(unit):
    (first,) = take(unit, activity("x", "webinar_attended", VP, NOW - timedelta(days=10)))
    assert first.shadow.score == first.score == 40
