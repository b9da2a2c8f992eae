"""The editor, as a browser without JavaScript sees it."""

import re
from typing import Any

import pytest

from shared.access import Role
from shared.scorecard.documents import read_document
from tests.shared.scorecard.documents import small as definition

from .browser import fields_of, focused
from .test_backtests import BASE, given_leads, publish

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NEW = "/qualify/definitions/new"
LEVELS = {
    "id": "size",
    "group": "fit",
    "label": "Size",
    "field": "employees",
    "levels": [
        {"operator": "is_missing", "points": -5},
        {"operator": "between", "value": [50, 499], "points": 12, "label": "middle"},
    ],
    "otherwise": 3,
}
EVERY_FORM: dict[str, Any] = definition(
    criteria=[
        {"id": "plain", "group": "fit", "field": "industry", "operator": "in",
         "value": ["Food, Drink", "NO", "007", "1e5", 7], "points": 30},
        LEVELS,
        {"id": "mails", "group": "engagement", "activity": "email_clicked", "count": 2,
         "window_days": 30, "half_life_days": 14, "points": 5, "cap": 20},
        {"id": "core", "group": "fit", "points": 10, "when": {"all": [
            {"field": "country", "operator": "in", "value": ["NO", "AT"]},
            {"not": {"field": "employees", "operator": "less_than", "value": 50}}]}},
    ],
    disqualifiers=[{"id": "odd", "when": {"field": "touches", "operator": "equals", "value": 13}}],
    grades=[],
    grade_matrix={
        "fit": [{"grade": "A", "min_points": 20}, {"grade": "B", "min_points": 0}],
        "engagement": [{"grade": "1", "min_points": 5}, {"grade": "2", "min_points": 0}],
    },
    exploration_rate=0.025,
)  # fmt: skip


def _rows(html: str) -> int:
    return len(re.findall(r'id="criteria-\d+-form"|name="criteria-\d+-form"', html))


async def _stored(qualify, version: int) -> dict[str, Any]:
    found = (await qualify.client.get(f"/qualify/v1/definitions/{version}")).json()
    given = ("name", "threshold", "criteria", "disqualifiers", "grades", "grade_matrix")
    return {key: found.get(key) for key in (*given, "cool_off_days", "exploration_rate")}


async def test_every_form_of_a_criterion_survives_the_form_and_the_text(qualify, browse):
    made = await qualify.client.post("/qualify/v1/definitions", json=EVERY_FORM)
    assert made.status_code == 201, made.text
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(f"{NEW}?copy=2")
    assert "\N{MINUS SIGN}5 to +12" in page.text, "a row with levels says what they span"
    assert "Version 3 is written" in (await marketer.send(page, NEW, do="save")).text
    text = await marketer.send(page, NEW, do="text")
    typed = fields_of(text.text, NEW)["text"]
    assert read_document(typed.encode(), "yaml")["criteria"][1] == LEVELS
    back = await marketer.send(text, NEW, do="form")
    assert fields_of(back.text, NEW) == {**fields_of(page.text, NEW), "mode": "form"}
    assert "Version 4 is written" in (await marketer.send(text, NEW, do="save")).text
    first, second, third = [await _stored(qualify, version) for version in (2, 3, 4)]
    assert first == second == third


async def test_rows_are_added_and_removed_without_losing_what_was_typed(qualify, browse):
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    count = _rows(page.text)
    page = await marketer.send(page, NEW, do="add:criteria:field", **{"criteria-1-points": "77"})
    assert _rows(page.text) == count + 1
    assert fields_of(page.text, NEW)["criteria-1-points"] == "77"
    assert focused(page) == [f"criteria-{count}-field"]
    page = await marketer.send(page, NEW, do="remove:criteria-0")
    assert _rows(page.text) == count
    assert fields_of(page.text, NEW)["criteria-0-points"] == "77"
    last = f"criteria-{count - 1}"
    typed = {f"{last}-field": "employees", f"{last}-operator": "between"}
    typed |= {f"{last}-value": "10 to 20", f"{last}-points": "3"}
    saved = await marketer.send(page, NEW, **typed)
    assert "Version 2 is written" in saved.text
    made = (await _stored(qualify, 2))["criteria"][-1]
    assert (made["id"], made["value"], made["points"]) == ("employees", [10, 20], 3)


async def test_a_condition_turns_into_levels_and_levels_move(qualify, browse):
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    assert fields_of(page.text, NEW)["criteria-3-field"] == "employees"
    page = await marketer.send(page, NEW, do="turn:criteria-3:levels")
    page = await marketer.send(page, NEW, do="add:criteria-3-levels")
    assert focused(page) == ["criteria-3-levels-1-value"]
    page = await marketer.send(
        page,
        NEW,
        do="up:criteria-3-levels-1",
        **{
            "criteria-3-levels-1-operator": "at_least",
            "criteria-3-levels-1-value": "5000",
            "criteria-3-levels-1-points": "40",
        },
    )
    assert "Version 2 is written" in (await marketer.send(page, NEW, do="save")).text
    made = (await _stored(qualify, 2))["criteria"][3]
    assert [(one["value"], one["points"]) for one in made["levels"]] == [(5000, 40), (50, 15)]
    page = await marketer.send(await marketer.open(NEW), NEW, do="turn:criteria-0:when")
    assert "matches_word" in fields_of(page.text, NEW)["criteria-0-when"]


async def test_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(qualify, browse):
    await qualify.client.post("/qualify/v1/definitions", json=EVERY_FORM)
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(f"{NEW}?copy=2")
    typed = {"criteria-0-points": "lots", "threshold": "", "criteria-1-levels-1-points": "x"}
    answer = await marketer.send(page, NEW, **typed)
    assert answer.status_code == 422
    assert 'href="#criteria-0-points">Criterion 1, points: write a whole number' in answer.text
    assert 'href="#threshold">Threshold: ' in answer.text
    assert "Criterion 2, level 2, points: write a whole number" in answer.text
    assert {key: fields_of(answer.text, NEW)[key] for key in typed} == typed
    typed = {
        "criteria-0-field": "industri",
        "criteria-1-levels-1-value": "many",
        "criteria-2-id": "core",
        "criteria-3-when": "all:\n- {field: country, operator: nearly}",
        "threshold": "9999",
    }
    answer = await marketer.send(page, NEW, **typed)
    for words in (
        "did you mean industry?",
        "Criterion 2, level 2, value: between takes a list of two numbers",
        "core is used twice",
        "Criterion 4, conditions: at all 1 operator: unknown operator",
    ):
        assert words in answer.text.replace("&#39;", "'"), words
    assert {key: fields_of(answer.text, NEW)[key] for key in typed} == typed
    answer = await marketer.send(page, NEW, **{"criteria-3-when": "all: [x", "threshold": "9999"})
    assert "Criterion 4, conditions: line " in answer.text
    assert "nobody can reach it" in answer.text
    assert len((await qualify.client.get("/qualify/v1/definitions")).json()["items"]) == 2


async def test_mistakes_in_the_text_name_their_place(browse):
    marketer = await browse(Role.MARKETER)
    page = await marketer.send(await marketer.open(NEW), NEW, do="text")
    row = "{id: a, group: fit, field: job_titel, operator: eq, value: x, points: 9}"
    bad = f"threshold: 5\ncriteria:\n- {row}"
    answer = await marketer.send(page, NEW, do="form", text=bad)
    assert answer.status_code == 422
    assert "/criteria/0/field: no lead has a fact" in answer.text
    assert fields_of(answer.text, NEW)["text"] == bad
    answer = await marketer.send(page, NEW, text="criteria: [")
    assert "not valid YAML" in answer.text


async def test_an_alias_of_an_operator_survives_the_editor(qualify, browse):
    document = definition()
    document["criteria"][1]["operator"] = ">="
    document["disqualifiers"][0].update(operator="exists", value=False)
    await qualify.client.post("/qualify/v1/definitions", json=document)
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(f"{NEW}?copy=2")
    assert "Version 3 is written" in (await marketer.send(page, NEW)).text
    made = await _stored(qualify, 3)
    assert made["criteria"][1]["operator"] == "at_least"
    assert made["disqualifiers"][0]["operator"] == "is_missing"


async def test_a_draft_is_changed_and_a_clash_keeps_what_was_typed(qualify, browse):
    marketer, edit = await browse(Role.MARKETER), "/qualify/definitions/2/edit"
    await marketer.send(await marketer.open(NEW), NEW, **{"criteria-0-points": "40"})
    page = await marketer.open(edit)
    other = await marketer.open(edit)
    changed = await marketer.send(other, edit, **{"criteria-0-points": "41"})
    assert "The draft is changed" in changed.text
    answer = await marketer.send(page, edit, **{"criteria-0-points": "42"})
    assert answer.status_code == 409
    assert "Somebody else changed this draft 23 Nov 2026, 09:30 UTC" in answer.text
    assert fields_of(answer.text, edit)["criteria-0-points"] == "42"
    assert (await _stored(qualify, 2))["criteria"][0]["points"] == 41
    await marketer.send(answer, edit)
    assert (await _stored(qualify, 2))["criteria"][0]["points"] == 42
    page = await marketer.open(edit)
    await qualify.client.post("/qualify/v1/definitions/2/publish", json={})
    answer = await marketer.send(page, edit, **{"criteria-0-points": "43"})
    assert "Version 2 is no draft any more" in answer.text
    saved = await marketer.send(answer, NEW)
    assert "Version 3 is written" in saved.text
    assert (await _stored(qualify, 3))["criteria"][0]["points"] == 43


async def test_nothing_is_written_without_the_token(browse, qualify):
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    assert (await marketer.send(page, NEW, csrf_token="wrong")).status_code == 403
    assert len((await qualify.client.get("/qualify/v1/definitions")).json()["items"]) == 1


async def test_what_is_typed_is_tried_on_past_leads(qualify, browse):
    await publish(qualify, BASE)
    await given_leads(qualify)
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    tried = await marketer.send(
        page, NEW, do="try", **{"criteria-1-points": "25", "try-segment": "country"}
    )
    assert tried.status_code == 200
    assert fields_of(tried.text, NEW)["criteria-1-points"] == "25"
    for words in ("Precision", "Recall", "Over thresholds", "By week", "By segment", "come in"):
        assert words in tried.text, words
    assert re.search(r'href="/qualify/leads/lead-\d+"', tried.text)
    assert len((await qualify.client.get("/qualify/v1/definitions")).json()["items"]) == 2
    part = await marketer.send(page, NEW, do="try", part="trial", threshold="x")
    assert "<html" not in part.text
    assert 'href="#threshold"' in part.text
