"""What a score and an outcome make of a lead, and what differs between versions."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.qualify.domain.lifecycle import Lead, after_outcome, after_score, heard
from shared.contracts.vocabulary import FIELDS_READ, OUTCOME_STAGES, TRANSITIONS, Stage
from shared.scorecard.definition import compile_definition
from shared.scorecard.facts import unknown_fields
from shared.scorecard.scoring import Inputs, evaluate
from tests.shared.scorecard.documents import small as definition

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@given(
    st.sampled_from(Stage),
    st.sampled_from(["MQL", "NURTURE", "DISQUALIFIED"]),
    st.floats(0, 60),
    st.integers(0, 60),
)
def test_a_score_moves_a_lead_only_along_the_transitions(stage, verdict, cool_off, days):
    lead = Lead("x", NOW, stage=stage, stage_since=NOW, cycle=1)
    compiled = compile_definition(1, definition(cool_off_days=cool_off))
    score = evaluate(compiled, Inputs({}), NOW)
    score = type(score)(1, 30, 30, None, verdict, "", ())
    later = NOW + timedelta(days=days)
    after = after_score(lead, score, later, later, compiled.cool_off_days)
    assert after.stage is stage or after.stage in TRANSITIONS[stage]
    assert after.cycle == (2 if after.stage is Stage.MQL and stage is not Stage.MQL else 1)
    if stage is Stage.RECYCLED:
        assert (after.stage is Stage.MQL) is (verdict == "MQL" and days >= cool_off)


@given(st.lists(st.sampled_from(sorted(OUTCOME_STAGES)), max_size=8))
def test_outcomes_in_any_order_never_lead_back(stages):
    lead = Lead("x", NOW, stage=Stage.MQL, cycle=1)
    seen = []
    for stage in stages:
        after = after_outcome(lead, Stage(stage), NOW)
        if after.stage is not lead.stage:
            seen.append(after.stage)
        lead = after
    assert len(seen) == len(set(seen))
    assert lead.cycle == 1


def test_fields_that_nobody_has_are_pointed_out():
    document = definition()
    document["criteria"][0]["field"] = "jobtitle"
    assert unknown_fields(compile_definition(1, document)) == ["jobtitle"]
    assert unknown_fields(compile_definition(1, definition())) == []


def test_facts_that_are_read_anew_count_and_are_no_activity():
    lead = Lead("x", NOW, facts={"company": "Acme"})
    after = heard(lead, "1", FIELDS_READ, NOW, {"company": "Acme", "fields.budget": 5}, {})
    assert after is not None
    assert after.facts["fields.budget"] == 5
    assert after.activities == lead.activities == {}
    assert heard(after, "1", FIELDS_READ, NOW, {}, {}) is None
