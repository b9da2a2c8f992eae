"""What each event does, in memory: a unit of work without a database."""

from datetime import timedelta

import pytest

from services.qualify.consumer import HANDLERS
from services.qualify.domain.lifecycle import MAX_KINDS, MAX_SIGNALS, OTHER
from services.qualify.handlers.definitions import create_definition, publish_definition
from services.qualify.store.unit import NoDefinitionPublished, Qualify
from shared.contracts.definition import DefinitionBody
from shared.contracts.envelope import Event
from shared.contracts.events import (
    DefinitionPublished,
    DefinitionRetired,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadScored,
    ProposalRefused,
)
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import Stage
from tests.shared.scorecard.documents import small as definition

from .conftest import NOW, activity, captured
from .test_consume import approved, outcome, rejected

DAY = timedelta(days=1)
VP = {"job_title": "VP Marketing"}
CLERK = {"job_title": "Clerk"}


@pytest.fixture
def unit() -> Qualify:
    """One transaction, in which the small definition was published."""
    unit = Qualify(NOW)
    made = create_definition(unit, DefinitionBody.model_validate(definition()))
    publish_definition(unit, made.version)
    unit.events.clear()
    return unit


def take(unit, *given):
    """Handle events in one transaction; returns what was emitted."""
    unit.events.clear()
    for data in given:
        HANDLERS[type(data)](Event.of(data, "capture", NOW), unit)
    return [event.data for event in unit.events]


def lead_of(unit, lead_id="x"):
    found = unit.leads.get(lead_id)
    assert found is not None
    return found


def test_a_capture_is_decided_with_all_that_it_was_decided_from(unit):
    (told,) = take(unit, captured("x", VP, NOW - DAY, attribution={"utm_source": "fair"}))
    assert isinstance(told, LeadQualified)
    lead, (decision,) = lead_of(unit), list(unit.decisions)
    assert (lead.stage, lead.stage_since, lead.cycle) == (Stage.MQL, NOW, 1)
    assert (decision.trigger, decision.moved, decision.decided_at) == ("captured", True, NOW)
    assert (decision.facts, decision.captured_at) == (VP, NOW - DAY)
    assert decision.attribution["utm_source"] == told.attribution.utm_source == "fair"
    assert [one.because for one in told.contributions] == ['job_title "VP Marketing" contains "vp"']


def test_nothing_is_decided_before_a_definition_is_published():
    unit = Qualify(NOW)
    with pytest.raises(NoDefinitionPublished):
        take(unit, captured("x", VP))
    assert list(unit.leads) == list(unit.decisions) == []


def test_the_facts_are_those_that_were_read_last_whatever_the_clocks_say(unit):
    take(unit, captured("x", CLERK, NOW + DAY))
    late = Event.of(activity("x", "page_viewed", VP, NOW - DAY), "capture", NOW - 99 * DAY)
    HANDLERS[type(late.data)](late, unit)
    assert lead_of(unit).facts == VP
    assert lead_of(unit).stage is Stage.MQL


def test_the_first_touch_explains_where_a_lead_came_from(unit):
    first = {"utm_source": "fair", "utm_medium": None}
    later = {"utm_source": "mail", "utm_medium": "link", "referrer": None}
    take(unit, captured("x", CLERK, attribution=first))
    take(unit, activity("x", "page_viewed", CLERK, NOW + DAY, attribution=later))
    lead = lead_of(unit)
    assert dict(lead.attribution) == {"utm_source": "fair", "utm_medium": "link"}
    assert lead.captured_at == NOW


def test_a_capture_that_is_heard_of_late_is_the_first_touch(unit):
    later = {"utm_source": "mail", "utm_medium": "link"}
    take(unit, activity("x", "webinar_attended", CLERK, NOW - DAY, attribution=later))
    take(unit, captured("x", VP, NOW - 3 * DAY, attribution={"utm_source": "fair"}))
    lead = lead_of(unit)
    assert dict(lead.attribution) == {"utm_source": "fair", "utm_medium": "link"}
    assert lead.captured_at == NOW - 3 * DAY
    assert {kind: one.count for kind, one in lead.activities.items()} == {
        "webinar_attended": 1,
        "form_submitted": 1,
    }


def test_an_activity_counts_once_and_its_newest_moment_stays(unit):
    early, late = (activity("x", "page_viewed", CLERK, NOW + n * DAY) for n in (1, 2))
    assert len(take(unit, late, early, late, early)) == 2
    seen = lead_of(unit).activities["page_viewed"]
    assert (seen.count, seen.last_at) == (2, NOW + 2 * DAY)


def test_the_newest_signals_are_remembered(unit):
    visits = [activity("x", "page_viewed", CLERK) for _ in range(MAX_SIGNALS + 1)]
    take(unit, *visits)
    assert lead_of(unit).signals == tuple(one.activity_id for one in visits[1:])
    assert take(unit, visits[1]) == []
    assert len(take(unit, visits[0])) == 1


def test_kinds_beyond_the_limit_are_counted_together(unit):
    take(unit, *(activity("x", f"kind{n}", CLERK) for n in range(MAX_KINDS + 5)))
    take(unit, activity("x", "kind0", CLERK))
    counts = {kind: one.count for kind, one in lead_of(unit).activities.items()}
    assert len(counts) == MAX_KINDS + 1
    assert (counts["kind0"], counts[OTHER]) == (2, 5)


def test_a_disqualifier_ends_it(unit):
    (told,) = take(unit, captured("x", {**VP, "company": "rival"}))
    assert isinstance(told, LeadDisqualified)
    assert (told.reason, told.score) == ("rival", 30)
    (told,) = take(unit, activity("x", "webinar_attended", VP))
    assert isinstance(told, LeadScored)


def test_a_case_that_a_rep_turned_down_needs_a_better_score(unit):
    first, back = take(unit, captured("x", VP), rejected("x", "NOT_A_BUYER"))
    assert (type(first), type(back)) == (LeadQualified, LeadNurtured)
    lead = lead_of(unit)
    assert (lead.declined_version, lead.declined_score) == (1, 30)
    same, better = take(
        unit, activity("x", "page_viewed", VP), activity("x", "webinar_attended", VP)
    )
    assert (type(same), type(better)) == (LeadScored, LeadQualified)
    assert better.cycle == 2


def test_rejections_of_the_unknown_and_procedural_ones_change_nothing(unit):
    take(unit, captured("x", VP))
    before = lead_of(unit)
    assert take(unit, rejected("unknown", "SPAM"), rejected("x", "NO_CAPACITY")) == []
    assert take(unit, rejected("x", "SPAM", cycle=2)) == []
    assert lead_of(unit) == before


def test_an_outcome_moves_a_lead_that_was_handed_over_and_tells_nobody(unit):
    take(unit, captured("x", VP), captured("other", CLERK))
    assert take(unit, outcome("x", "SQL", NOW - DAY), outcome("other", "SQL")) == []
    assert (lead_of(unit).stage, lead_of(unit).stage_since) == (Stage.SQL, NOW - DAY)
    assert lead_of(unit, "other").stage is Stage.NURTURE
    assert take(unit, outcome("unknown", "SQL")) == []
    assert unit.leads.get("unknown") is None


def test_an_approved_proposal_scores_from_the_next_event_on(unit):
    body = DefinitionBody.model_validate(definition())
    first = approved(given=body, vp=40)
    retired, published, told = take(unit, first, first, captured("x", VP))
    assert isinstance(retired, DefinitionRetired)
    assert isinstance(published, DefinitionPublished)
    assert (told.definition_version, told.score) == (2, 40)
    assert [(one.version, one.status) for one in unit.definitions] == [
        (1, "retired"),
        (2, "published"),
    ]
    (refused,) = take(unit, approved("p2", base=1, given=body, vp=45))
    assert isinstance(refused, ProposalRefused)


def test_a_key_makes_one_version_and_another_document_needs_another_key(unit):
    body = DefinitionBody.model_validate(definition())
    made = create_definition(unit, body, "key")
    assert create_definition(unit, body, "key") == made
    with pytest.raises(Problem) as refused:
        create_definition(unit, body.model_copy(update={"threshold": 1}), "key")
    assert refused.value.status == 422


def test_publishing_asks_whether_it_is_still_the_one_that_was_seen(unit):
    body = DefinitionBody.model_validate(definition())
    for _ in range(2):
        create_definition(unit, body)
    publish_definition(unit, 2, instead_of=1)
    with pytest.raises(Problem) as refused:
        publish_definition(unit, 3, instead_of=1)
    assert refused.value.status == 409
    with pytest.raises(Problem) as refused:
        publish_definition(unit, 99)
    assert refused.value.status == 404
