"""A document in the forms of a proposal, and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.web.editing import checked, editing_of, place_words, with_points, with_text
from shared.contracts.definition import DefinitionBody

DOCUMENT: dict[str, Any] = DefinitionBody.model_validate(
    {
        "name": "Every form",
        "threshold": 20,
        "criteria": [
            {
                "id": "plain",
                "group": "fit",
                "field": "country",
                "operator": "in",
                "value": ["NO", "DE"],
                "points": 25,
            },
            {
                "id": "tree",
                "group": "fit",
                "when": {"not": {"field": "employees", "operator": "lt", "value": 50}},
                "points": -5,
            },
            {
                "id": "size",
                "group": "fit",
                "field": "employees",
                "levels": [
                    {"operator": "is_missing", "points": -3},
                    {"operator": "less_than", "value": 50, "points": 0},
                ],
                "otherwise": 12,
            },
            {
                "id": "mails",
                "group": "engagement",
                "activity": "email_clicked",
                "points": 5,
                "cap": 20,
            },
        ],
        "disqualifiers": [{"id": "closed", "field": "industry", "operator": "eq", "value": "X"}],
        "grades": [{"grade": "A", "min_score": 30}],
    }
).model_dump(mode="json")
POINTS = st.integers(-1000, 1000)


@given(st.integers(-50, 30), st.lists(POINTS, min_size=6, max_size=6))
def test_points_are_where_they_were_typed(threshold: int, points: list[int]) -> None:
    form = editing_of(DOCUMENT, "")
    typed = {row.name: str(number) for row, number in zip(form.rows, points, strict=True)}
    changed = with_points(form, DOCUMENT, {"threshold": str(threshold), **typed})
    assert changed is not None
    plain, tree, size, mails = changed["criteria"]
    read = [plain["points"], tree["points"], *(one["points"] for one in size["levels"])]
    assert [*read, size["otherwise"], mails["points"]] == points
    assert changed.pop("threshold") == threshold
    typed = {row.name: "0" for row in form.rows}
    assert with_points(form, {**changed, "threshold": 0}, {"threshold": "0", **typed}) == (
        with_points(form, DOCUMENT, {"threshold": "0", **typed})
    )


def test_what_was_not_touched_is_as_it_was() -> None:
    form = editing_of(DOCUMENT, "")
    typed = {row.name: row.points for row in form.rows}
    assert with_points(form, DOCUMENT, {"threshold": "20", **typed}) == DOCUMENT
    read = with_text(form, {"document": form.text.replace("\n", "\r\n")})
    body = checked(form, read)
    assert body is not None
    assert body.model_dump(mode="json") == DOCUMENT


@pytest.mark.parametrize("typed", ["", "many", "1.5", "1e3", "１２", "9999999"])
def test_what_is_no_whole_number_is_said_at_its_place(typed: str) -> None:
    form = editing_of(DOCUMENT, "")
    row = form.rows[2]
    assert with_points(form, DOCUMENT, {"threshold": "20", row.name: typed}) is None
    assert row.error == "write a whole number"
    assert row.points == typed
    assert form.errors == [("points-criteria-2-levels-0-points", form.errors[0][1])]


def test_a_mistake_of_meaning_is_said_at_its_place() -> None:
    form = editing_of(DOCUMENT, "")
    typed = {row.name: "2000" if row.pointer == "/criteria/0/points" else "1" for row in form.rows}
    changed = with_points(form, DOCUMENT, {"threshold": "1", **typed})
    assert changed is not None
    assert checked(form, changed) is None
    assert form.rows[0].error is not None
    assert "1000" in form.rows[0].error


def test_a_cap_that_the_points_are_beyond_is_said_with_them() -> None:
    form = editing_of(DOCUMENT, "")
    typed = {row.name: row.points for row in form.rows} | {form.rows[-1].name: "-5"}
    changed = with_points(form, DOCUMENT, {"threshold": "20", **typed})
    assert changed is not None
    assert checked(form, changed) is None
    assert form.rows[-1].error is not None
    assert form.rows[-1].error.startswith("Criterion mails, cap: ")


def test_places_in_words() -> None:
    assert place_words(DOCUMENT, "/criteria/2/levels/1/points") == "Criterion size, levels 2 points"
    assert place_words(DOCUMENT, "/disqualifiers/7") == "Disqualifier 8"
    assert place_words(DOCUMENT, "/cool_off_days") == "Cool off days"
