"""Input that is empty, equal, broken or far too much."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import orjson
import pytest

from services.feedback.learning.data import Sample, Settings, Target
from services.feedback.learning.finding import Nothing, Proposal
from services.feedback.learning.learn import learn
from services.feedback.learning.looks import Looks
from shared.scorecard.definition import compile_definition
from tests.services.feedback.learning.worlds import START, STARTER, World, samples


def nothing(leads: list[Sample], settings: Settings | None = None) -> Nothing:
    found = learn(leads, STARTER, settings or Settings(), Looks())
    assert isinstance(found, Nothing)
    orjson.dumps(found.document())
    return found


def test_nothing_to_learn_from() -> None:
    assert nothing([]).reason == "no_answers"
    unanswered = [replace(one, label=None) for one in samples(World(300), 1)]
    found = nothing(unanswered)
    assert (found.reason, found.missing_answers) == ("no_answers", 100)
    found = nothing(samples(World(63), 1))
    assert (found.reason, found.missing_answers) == ("few_answers", 37)
    assert found.text == "37 more answered leads needed."


def test_all_labels_equal() -> None:
    for label in (0, 1):
        found = nothing([replace(one, label=label) for one in samples(World(300), 1)])
        assert found.reason == "equal_answers"
        assert not found.looked
    rare = [replace(one, label=int(i < 3)) for i, one in enumerate(samples(World(300), 1))]
    assert nothing(rare).text == "Only 3 accepted leads; 12 more of them are needed."


def test_too_early_costs_no_look() -> None:
    assert nothing(samples(World(63), 1)).looks == Looks()


def test_all_at_one_moment() -> None:
    """An import, say: the order of time is that of the ids then, and a week is a week."""
    leads = [replace(one, at=START, answered_at=START) for one in samples(World(600), 1)]
    found = learn(leads, STARTER, Settings(), Looks())
    assert isinstance(found, Proposal)
    assert found.evidence["weeks_long"] == 1


def test_weeks_without_a_lead() -> None:
    leads = [
        replace(one, at=one.at + timedelta(days=200), answered_at=one.at + timedelta(days=201))
        if index > 500
        else one
        for index, one in enumerate(samples(World(1000), 1))
    ]
    assert isinstance(learn(leads, STARTER, Settings(), Looks()), Proposal)


def strange(random: Random, lead: Sample) -> Sample:
    """With every kind of value, in every field that has room for it."""
    values: list[Any] = [
        float("nan"), float("inf"), -(10**40), "", "  ", "12", True, ["a", "b"], [], ["12"], 3,
        "nul\0", "ﬁ", "X" * 5000, None,
    ]  # fmt: skip
    facts = {
        **lead.facts,
        "fields.mixed": random.choice(values),
        "fields.list": random.sample(["red", "green", "blue", "Grün"], random.randint(0, 3)),
        "fields.id": f"id-{lead.lead_id}",
        "fields.nan": float("nan"),
        "x" * 300: 1,
        "email": "somebody@example.com",
        "fields.": "no name",
        " fields.blank": 1,
    }
    return replace(lead, facts=facts, weight=random.choice([1.0, float("nan"), 0.0, -1.0, 1e9]))


def test_strange_values() -> None:
    random = Random(3)
    leads = [strange(random, one) for one in samples(World(900), 2)]
    found = learn(leads, STARTER, Settings(), Looks())
    orjson.dumps(found.document())
    assert isinstance(found, Proposal)
    made = compile_definition(1, found.definition)
    assert not {"email", "x" * 300} & set(made.fields)


@pytest.mark.parametrize("label", ["list", "number", "category"])
def test_every_kind_of_driver_is_found(label: str) -> None:
    random = Random(5)
    leads = []
    for lead in samples(World(800, strength=0.0), 3):
        given: Any = {
            "list": random.sample(["red", "green", "blue", "grey"], 2),
            "number": random.randint(0, 1000) / 7,
            "category": f"code {random.randint(0, 6)}",
        }[label]
        good = {
            "list": lambda v: "red" in v,
            "number": lambda v: v > 60,
            "category": lambda v: v in ("code 1", "code 5"),
        }[label](given)
        chance = 0.7 if good else 0.2
        facts = {**lead.facts, "fields.driver": given}
        leads.append(replace(lead, facts=facts, label=int(random.random() < chance)))
    found = learn(leads, STARTER, Settings(), Looks())
    assert isinstance(found, Proposal)
    assert "fields.driver" in compile_definition(1, found.definition).fields


def test_ten_thousand_categories() -> None:
    random = Random(6)
    leads = [
        replace(one, facts={**one.facts, "fields.code": f"c{random.randint(0, 10_000)}"})
        for one in samples(World(1500), 4)
    ]
    found = learn(leads, STARTER, Settings(), Looks())
    assert isinstance(found, Proposal)
    assert "fields.code" not in compile_definition(1, found.definition).fields


def test_settings_from_json() -> None:
    made = Settings.of({"label": "won", "target": {"acceptance": 0.3}, "never": ["country"]})
    assert made == Settings("won", Target(acceptance=0.3), never=frozenset({"country"}))
    for wrong in (
        {"unknown": 1},
        {"target": {"acceptance": 2}},
        {"signs": {"employees": "up"}},
        {"max_criteria": 0},
        {"alpha": 0},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            Settings.of(wrong)
