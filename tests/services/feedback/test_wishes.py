"""Which names marketing's wishes may hold, and what of them goes against a proposal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain.learning import Choices
from services.feedback.domain.wishes import faults, not_seen
from tests.services.feedback.lives import definition_of

BASE = definition_of({"size": 30, "title": 20})
PROPOSED = definition_of({"size": 30, "country": 20})


def wrong(documents: list[dict[str, Any]], before: Choices | None = None, **wanted: Any) -> Any:
    return dict(faults(Choices(**wanted), before or Choices(), documents))


@pytest.mark.parametrize(
    ("wanted", "pointer", "hint"),
    [
        ({"never": ("country", "employes")}, "/locks/facts/1", "did you mean employees?"),
        ({"never": ("field.age",)}, "/locks/facts/0", "did you mean fields.age?"),
        ({"trusted": ("budget",)}, "/trusted/0", "did you mean fields.budget?"),
        ({"trusted": ("fields.",)}, "/trusted/0", "write fields.<name> for a custom one"),
        ({"trusted": ("email",)}, "/trusted/0", "there is email_type"),
        ({"signs": {"cuntry": "more"}}, "/signs/cuntry", "did you mean country?"),
        ({"fixed": ("size", "titel")}, "/locks/criteria/1", "did you mean title?"),
        ({"fixed": ("budget",)}, "/locks/criteria/0", "there are country, size, title"),
    ],
)
def test_a_misspelt_name_is_told_with_what_was_meant(
    wanted: dict[str, Any], pointer: str, hint: str
) -> None:
    found = wrong([BASE, PROPOSED], **wanted)
    assert list(found) == [pointer]
    assert hint in found[pointer]


def test_all_mistakes_are_told_at_once() -> None:
    found = wrong([BASE], never=("cuntry",), trusted=("employes",), fixed=("titel",))
    assert list(found) == ["/locks/facts/0", "/trusted/0", "/locks/criteria/0"]


def test_what_may_be_named() -> None:
    facts = ("country", "utm_source", "fields.budget", "activity.email_opened", "email")
    assert not wrong([BASE, PROPOSED], never=facts, fixed=("size", "country"))
    assert not wrong([BASE], signs={"size": "more", "employees": "less"})


def test_without_a_definition_no_criterion_is_refused_and_facts_are() -> None:
    assert not wrong([], fixed=("anything",))
    assert list(wrong([], fixed=("a\x00",), never=("employes",))) == [
        "/locks/facts/0",
        "/locks/criteria/0",
    ]


def test_what_was_kept_before_may_stay() -> None:
    before = Choices(never=("employes",), fixed=("gone",))
    assert not wrong([BASE], before, never=("employes",), fixed=("gone", "size"))


@given(st.text(min_size=1, max_size=30))
def test_no_answer_repeats_what_cannot_be_printed(name: str) -> None:
    found = wrong([BASE], never=(name,), fixed=(name,), trusted=(f"fields.{name}",))
    assert all(detail.isprintable() for detail in found.values())
    if not name.isprintable():
        assert len(found) == 3


def test_only_what_may_come_yet_is_not_seen() -> None:
    choices = Choices(
        never=("fields.a", "fields.b", "country"),
        trusted=("activity.call", "activity.mail.days_ago"),
        signs={"fields.x/y": "more"},
    )
    told = not_seen(choices, ["fields.a", "activity.mail"])
    assert [one["pointer"] for one in told] == [
        "/locks/facts/1",
        "/trusted/0",
        "/signs/fields.x~1y",
    ]
