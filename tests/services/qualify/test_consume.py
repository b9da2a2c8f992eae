"""What comes in on the topics: decisions, stages, events, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from services.qualify.domain.decision import replayed
from services.qualify.seed import STARTER
from services.qualify.store.queries import find_version, lead_history
from services.qualify.store.tables import definitions
from services.qualify.store.unit import NoDefinitionPublished
from shared.bus.api import TopicPartition
from shared.contracts.events import (
    DefinitionChallenging,
    DefinitionPublished,
    DefinitionRetired,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadRejected,
    LeadScored,
    OutcomeRecorded,
    ProposalApproved,
    ProposalRefused,
)
from shared.contracts.ids import new_id
from shared.contracts.vocabulary import REASON_CLASS, RejectReason
from shared.runtime.parts import describe
from shared.scorecard.definition import compile_definition

from .conftest import NOW, STUDENT, VP, activity, captured

DAY = timedelta(days=1)


def rejected(lead_id, reason, cycle=1):
    reason = RejectReason(reason)
    return LeadRejected(
        lead_id=lead_id,
        assignment_id=new_id(),
        rep_id="ada",
        attempt=1,
        cycle=cycle,
        definition_version=1,
        assigned_at=NOW,
        due_at=NOW,
        answered_at=NOW,
        reason=reason,
        reason_class=REASON_CLASS[reason],
    )


def outcome(lead_id, stage, at=NOW, **more):
    given = {"outcome_id": new_id(), "occurred_at": at, **more}
    return OutcomeRecorded(lead_id=lead_id, stage=stage, **given)


async def test_a_vp_becomes_an_mql_and_a_student_is_nurtured(qualify):
    await qualify.take(captured("vp", VP), captured("student", STUDENT))
    first, second = qualify.events()
    assert isinstance(first, LeadQualified)
    assert (first.lead_id, first.cycle, first.definition_version) == ("vp", 1, 1)
    assert first.score == sum(one.points for one in first.contributions) >= first.threshold
    assert first.facts == VP
    assert isinstance(second, LeadNurtured)
    assert second.reason == "below_threshold"
    found = await qualify.score("vp")
    assert found["stage"] == found["decision"] == "MQL"
    assert found["score"] == sum(one["points"] for one in found["contributions"])
    assert {one["criterion_id"]: one["because"] for one in found["contributions"]}[
        "mid_size"
    ] == "employees 120 is at least 50"


async def test_without_a_published_definition_leads_wait_and_none_is_lost(qualify):
    with qualify.db.begin() as conn:
        conn.execute(update(definitions).values(status="retired"))
    await qualify.consumer._load([TopicPartition("lead.captured", 0)])
    waiting = qualify.messages(captured("x", VP))
    with pytest.raises(NoDefinitionPublished) as raised:
        await qualify.consumer.process(waiting)
    assert describe(raised.value).startswith("no definition is published")
    assert qualify.events() == []
    await qualify.client.post("/qualify/v1/definitions/1/publish")
    await qualify.consumer.process(waiting)
    assert (await qualify.score("x"))["stage"] == "MQL"


async def test_batches_at_once_about_the_same_leads_lose_nothing(qualify):
    def batch(partition, events):
        return [replace(one, partition=partition) for one in qualify.messages(*events)]

    names = [f"l{n}" for n in range(20)]
    batches = [
        batch(1, [captured(name, STUDENT) for name in names]),
        batch(2, [activity(name, "webinar_attended", VP) for name in reversed(names)]),
        batch(3, [activity(name, "page_viewed", VP) for name in names]),
    ]
    await qualify.consumer._load([TopicPartition("lead.captured", n) for n in (1, 2, 3)])
    await asyncio.gather(*(qualify.consumer.process(one) for one in batches))
    for name in names:
        found = await qualify.score(name)
        assert {kind: one["count"] for kind, one in found["activities"].items()} == {
            "form_submitted": 1,
            "webinar_attended": 1,
            "page_viewed": 1,
        }
        assert len(found["history"]) == 3


async def test_a_disqualifier_ends_it_for_good(qualify):
    await qualify.take(captured("x", {**VP, "industry": "gambling"}))
    (event,) = qualify.events()
    assert isinstance(event, LeadDisqualified)
    assert event.reason == "closed_industry"
    await qualify.take(activity("x", "form_submitted", VP))
    (event,) = qualify.events()
    assert isinstance(event, LeadScored)
    assert (await qualify.score("x"))["stage"] == "DISQUALIFIED"


async def test_the_same_submission_or_activity_in_two_events_counts_once(qualify):
    first, visit = captured("x", STUDENT), activity("x", "page_viewed", STUDENT)
    await qualify.take(first, first, visit, visit)
    assert len(qualify.events()) == 2
    await qualify.take(first, visit)
    assert qualify.events() == []
    found = await qualify.score("x")
    assert {kind: one["count"] for kind, one in found["activities"].items()} == {
        "form_submitted": 1,
        "page_viewed": 1,
    }


async def test_an_activity_of_an_unknown_lead_makes_it_known(qualify):
    await qualify.take(activity("x", "webinar_attended", VP, NOW - DAY))
    (event,) = qualify.events()
    assert isinstance(event, LeadQualified)
    await qualify.take(captured("x", STUDENT, NOW - 3 * DAY, attribution={"utm_source": "fair"}))
    (event,) = qualify.events()
    assert isinstance(event, LeadScored)
    assert event.captured_at == NOW - 3 * DAY
    assert event.attribution.utm_source == "fair"
    assert (await qualify.score("x"))["stage"] == "MQL"


async def test_a_nurtured_lead_becomes_an_mql_on_a_new_signal(qualify):
    await qualify.take(captured("x", {**STUDENT, "job_title": "Manager"}))
    await qualify.take(activity("x", "page_viewed", STUDENT))
    await qualify.take(activity("x", "form_submitted", VP))
    kinds = [type(event) for event in qualify.events()]
    assert kinds == [LeadNurtured, LeadScored, LeadQualified]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("reason", list(RejectReason))
async def test_a_rejection_moves_the_lead_by_the_class_of_its_reason(qualify, reason):
    await qualify.take(captured("x", VP))
    qualify.events()
    await qualify.take(rejected("x", reason))
    kinds = [type(event) for event in qualify.events()]
    if REASON_CLASS[reason] == "procedural":
        assert kinds == []
    elif REASON_CLASS[reason] == "definitional" or reason == "INCOMPLETE":
        assert kinds == [LeadNurtured]
    else:
        assert kinds == [LeadDisqualified]


async def test_a_rejection_counts_once_and_only_for_its_own_cycle(qualify):
    await qualify.take(captured("x", VP), rejected("x", "OUTSIDE_ICP"))
    qualify.events()
    await qualify.take(rejected("x", "OUTSIDE_ICP"))
    assert qualify.events() == []
    await qualify.take(activity("x", "form_submitted", VP))
    (event,) = qualify.events()
    assert isinstance(event, LeadQualified)
    assert event.cycle == 2
    await qualify.take(rejected("x", "SPAM", cycle=1), rejected("unknown", "SPAM"))
    assert qualify.events() == []
    assert (await qualify.score("x"))["stage"] == "MQL"


async def test_a_case_that_was_turned_down_is_not_made_twice(qualify):
    await qualify.take(captured("x", VP), rejected("x", "NOT_A_BUYER"))
    await qualify.take(activity("x", "page_viewed", VP))
    kinds = [type(event) for event in qualify.events()]
    assert kinds == [LeadQualified, LeadNurtured, LeadScored]


async def test_incomplete_may_be_mended(qualify):
    await qualify.take(captured("x", VP), rejected("x", "INCOMPLETE"))
    await qualify.take(activity("x", "page_viewed", VP))
    kinds = [type(event) for event in qualify.events()]
    assert kinds == [LeadQualified, LeadNurtured, LeadQualified]


async def test_a_recycled_lead_rests_before_it_is_an_mql_again(qualify):
    await qualify.take(captured("x", VP), outcome("x", "RECYCLED", reason="BAD_TIMING"))
    qualify.events()
    qualify.clock.advance(10 * DAY)
    await qualify.take(activity("x", "email_clicked", VP, NOW + 10 * DAY))
    (event,) = qualify.events()
    assert isinstance(event, LeadScored)
    qualify.clock.advance(30 * DAY)
    await qualify.take(activity("x", "email_clicked", VP, NOW + DAY))  # heard late, no new signal
    (event,) = qualify.events()
    assert isinstance(event, LeadScored)
    await qualify.take(activity("x", "email_clicked", VP, NOW + 40 * DAY))
    (event,) = qualify.events()
    assert isinstance(event, LeadQualified)
    assert event.cycle == 2


async def test_outcomes_follow_each_other_and_a_repeat_changes_nothing(qualify):
    recycled = outcome("x", "RECYCLED")
    await qualify.take(captured("x", VP), outcome("x", "SQL"), recycled)
    assert (await qualify.score("x"))["stage"] == "RECYCLED"
    qualify.clock.advance(31 * DAY)
    await qualify.take(activity("x", "form_submitted", VP, NOW + 31 * DAY), recycled)
    assert (await qualify.score("x"))["stage"] == "MQL"
    await qualify.take(outcome("x", "WON"), outcome("x", "LOST"), outcome("x", "RECYCLED"))
    assert (await qualify.score("x"))["stage"] == "WON"
    await qualify.take(outcome("unknown", "WON"))
    assert len(qualify.events()) == 2


async def test_outcomes_of_a_lead_that_was_never_handed_over_are_left_out(qualify):
    await qualify.take(captured("x", STUDENT), outcome("x", "DISQUALIFIED"))
    assert (await qualify.score("x"))["stage"] == "NURTURE"


def approved(proposal_id="p1", base=1, *, publish_as="published", given=STARTER, **points):
    """A proposal that gives some of the criteria other points."""
    criteria = [
        one.model_copy(update={"points": points.get(one.id, one.points)}) for one in given.criteria
    ]
    return ProposalApproved(
        proposal_id=proposal_id,
        base_version=base,
        definition=given.model_copy(update={"criteria": criteria}),
        publish_as=publish_as,
        note="why",
        approved_by="mona",
        approved_at=NOW,
    )


async def test_an_approved_proposal_becomes_the_published_version_once(qualify):
    await qualify.take(approved(senior_title=40), approved(senior_title=40))
    retired, published = qualify.events()
    assert isinstance(retired, DefinitionRetired)
    assert retired.version == 1
    assert isinstance(published, DefinitionPublished)
    assert published.proposal_id == "p1"
    assert (published.definition.version, published.definition.status) == (2, "published")
    points = {one.id: one.points for one in published.definition.criteria}
    assert points["senior_title"] == 40
    assert points["mid_size"] == 15
    await qualify.take(captured("x", VP))
    (event,) = qualify.events()
    assert event.definition_version == 2
    made = (await qualify.client.get("/qualify/v1/definitions/2")).json()
    assert (made["published_by"], made["proposal_id"], made["note"]) == ("mona", "p1", "why")


async def test_an_approved_proposal_may_become_the_challenger(qualify):
    await qualify.take(approved(publish_as="challenger", senior_title=40))
    (told,) = qualify.events()
    assert isinstance(told, DefinitionChallenging)
    assert (told.proposal_id, told.definition.version) == ("p1", 2)
    assert told.definition.status == "challenger"


async def test_a_proposal_for_a_version_that_went_is_refused_with_the_reason(qualify):
    await qualify.take(approved("p1", senior_title=40))
    qualify.events()
    await qualify.take(approved("p2", base=1, senior_title=45))
    (told,) = qualify.events()
    assert isinstance(told, ProposalRefused)
    assert (told.proposal_id, "version 2 is published" in told.reason) == ("p2", True)
    listed = (await qualify.client.get("/qualify/v1/definitions")).json()["items"]
    assert [one["version"] for one in listed] == [2, 1]


async def test_a_proposal_that_makes_no_sense_is_refused_and_no_dead_letter(qualify):
    out_of_reach = STARTER.model_copy(update={"threshold": 5000})
    await qualify.take(approved("p1", given=out_of_reach), captured("x", VP))
    told, _ = qualify.events()
    assert isinstance(told, ProposalRefused)
    assert "/threshold: nobody can reach it" in told.reason
    letters = await qualify.client.get("/qualify/v1/dead-letters", headers=qualify.bearer("admin"))
    assert letters.json()["items"] == []
    await qualify.take(approved("p1"))  # approved again, mended
    assert [type(one) for one in qualify.events()] == [DefinitionRetired, DefinitionPublished]


async def test_a_batch_does_what_one_by_one_does(qualify):
    def story(name):
        return [
            captured(name, {**STUDENT, "job_title": "Manager"}),
            activity(name, "page_viewed", STUDENT),
            activity(name, "form_submitted", VP, NOW - 3 * DAY),
            rejected(name, "OUTSIDE_ICP"),
            activity(name, "webinar_attended", VP, NOW - DAY),
            outcome(name, "SQL"),
            outcome(name, "RECYCLED"),
        ]

    await qualify.take(*story("batch"))
    batch = qualify.events()
    for event in story("alone"):
        await qualify.take(event)
    alone = qualify.events()
    assert [type(event) for event in batch] == [type(event) for event in alone]
    assert [event.model_dump(exclude={"lead_id"}) for event in batch] == [
        event.model_dump(exclude={"lead_id"}) for event in alone
    ]
    assert len(batch) == 5
    first, second = await qualify.score("batch"), await qualify.score("alone")
    assert {**first, "lead_id": ""} == {**second, "lead_id": ""}


async def test_every_stored_decision_replays_to_the_same_answer(qualify):
    for day in range(4):
        await qualify.take(
            *(
                activity(f"l{n}", kind, VP if n % 2 else STUDENT, NOW + day * DAY)
                for n in range(4)
                for kind in ("webinar_attended", "email_clicked", "form_submitted")
            )
        )
        qualify.clock.advance(3 * DAY)
    with qualify.db.connect() as conn:
        version = find_version(conn, None)
        assert version is not None
        compiled = compile_definition(version.version, version.document)
        for n in range(4):
            found = lead_history(conn, f"l{n}", 100)
            assert found is not None
            assert len(found.decisions) == 12
            for decision in found.decisions:
                again = replayed(compiled, decision)
                assert (again.score, again.contributions, again.verdict, again.grade) == (
                    decision.score,
                    decision.contributions,
                    decision.verdict,
                    decision.grade,
                )
