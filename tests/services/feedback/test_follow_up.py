"""What was predicted of a proposal, and what happened."""

from dataclasses import replace
from datetime import timedelta

from services.feedback.domain.follow_up import FollowUp
from services.feedback.domain.samples import Group
from shared.contracts.vocabulary import RejectReason
from tests.services.feedback.lives import (
    START,
    Feedback,
    answer_life,
    found,
    published,
)


def effect(good: int, bad: int, *, in_force: bool = True, before: float | None = 0.5) -> FollowUp:
    counts = {Group.GOOD: good, Group.BAD: bad, Group.WAITING: 7}
    return FollowUp(2, 1, START, in_force, counts, before, 0.7, 15.0)


def test_it_says_when_it_is_too_early() -> None:
    document = effect(3, 20).document(START + timedelta(days=3))
    assert (document["too_early"], document["missing"], document["suggestion"]) == (True, 7, None)
    assert document["happened"]["mqls_per_week"] is None
    assert document["text"].startswith("Too early: 23 leads of version 2 have an answer; 7 more")


def test_the_weeks_of_a_version_end_when_another_takes_its_place() -> None:
    two_weeks = START + timedelta(weeks=2)
    gone = replace(effect(20, 30, in_force=False), until=two_weeks)
    document = gone.document(START + timedelta(weeks=20))
    assert document["until"] == two_weeks
    assert document["happened"]["mqls_per_week"] == round(57 / 2, 1)


def test_it_suggests_to_go_back_only_when_clearly_worse_than_before() -> None:
    now = START + timedelta(weeks=4)
    worse = effect(10, 40).document(now)
    assert worse["suggestion"] == {"action": "rollback", "version": 1}
    assert worse["happened"]["count"] == 10
    assert worse["happened"]["mqls_per_week"] == round(57 / 4, 1)
    assert worse["text"].endswith("below the 50 % of before: publish version 1 again.")
    assert effect(20, 30).document(now)["suggestion"] is None  # may be chance
    assert effect(10, 40, in_force=False).document(now)["suggestion"] is None
    assert effect(10, 40, before=None).document(now)["suggestion"] is None


async def test_a_published_proposal_is_followed(feedback: Feedback) -> None:
    await feedback.read([published()])
    await feedback.look(found())
    (proposal,) = await feedback.proposals()
    await feedback.read([published(2, {"size": 40}, proposal["proposal_id"])])
    since = START + timedelta(hours=3)
    lives = [
        answer_life(answer, ("size",), version=2, at=since)
        for answer, count in (("accepted", 5), (RejectReason.OUTSIDE_ICP, 30), ("SPAM", 9))
        for _ in range(count)
    ]
    before = [answer_life("accepted", ("size",), version=1) for _ in range(20)]
    await feedback.read([event for life in [*lives, *before] for event in life.events])
    (proposal,) = await feedback.proposals()
    followed = proposal["follow_up"]
    assert followed["predicted"] == {"rate": 0.7, "mqls_per_week": 15.0}
    assert (followed["happened"]["mqls"], followed["happened"]["answered"]) == (44, 35)
    assert followed["suggestion"] == {"action": "rollback", "version": 1}
    await feedback.read([published(3)])
    (proposal,) = await feedback.proposals()
    assert (proposal["follow_up"]["in_force"], proposal["follow_up"]["suggestion"]) == (False, None)
    assert proposal["follow_up"]["until"] is not None
