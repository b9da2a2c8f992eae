"""Custom fields: declared as facts or personal, or seen undeclared."""

import asyncio
from typing import Any

import pytest

from shared.access import Role
from tests.services.capture.conftest import Capture, Start
from tests.shared.toy.waiting import until

FIELDS = "/capture/v1/fields"
DECLARED: list[dict[str, Any]] = [
    {"name": "budget", "label": "Budget", "type": "number", "kind": "fact"},
    {"name": "plan", "label": "Plan", "type": "choice", "options": ["S", "L"], "kind": "fact"},
    {"name": "trial", "type": "boolean", "kind": "fact"},
    {"name": "birthday", "type": "text", "kind": "personal"},
]


async def test_declared_facts_travel_and_the_rest_stays_with_the_contact(capture: Capture) -> None:
    put = await capture.client.put(FIELDS, json={"items": DECLARED})
    assert put.status_code == 200
    assert [item["label"] for item in put.json()["items"]] == [
        "Budget",
        "Plan",
        "trial",
        "birthday",
    ]
    values = {"budget": "5000", "plan": "L", "trial": "yes", "birthday": "1 May", "other": "x"}
    assert (await capture.post({"email": "a@example.com", "fields": values})).status_code == 202
    captured, contact = [event.data for event in await capture.events()]
    facts = {k: v for k, v in captured.facts.items() if k.startswith("fields.")}
    assert facts == {"fields.budget": 5000, "fields.plan": "L", "fields.trial": True}
    assert contact.fields == {"birthday": "1 May", "other": "x"}


async def test_undeclared_fields_are_listed_as_seen_until_declared(capture: Capture) -> None:
    await capture.post({"email": "a@example.com", "shoe_size": 43, "fields": {"colour": "red"}})
    await capture.post({"email": "b@example.com", "fields": {"colour": "blue"}})
    seen = (await capture.client.get(FIELDS)).json()["seen"]
    assert [field["name"] for field in seen] == ["colour", "shoe_size"]
    declared = [{"name": "colour", "type": "text", "kind": "fact"}]
    put = await capture.client.put(FIELDS, json={"items": declared})
    assert [field["name"] for field in put.json()["seen"]] == ["shoe_size"]
    await capture.post({"email": "c@example.com", "fields": {"colour": "green"}})
    assert (await capture.events())[-2].data.facts["fields.colour"] == "green"


@pytest.mark.parametrize(
    "values", [{"budget": "lots"}, {"plan": "M"}, {"trial": "perhaps"}, {"budget": ["1"]}]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_value_that_is_not_of_its_type_is_no_fact_but_kept(
    capture: Capture, values: dict[str, Any]
) -> None:
    await capture.client.put(FIELDS, json={"items": DECLARED})
    answer = await capture.post({"email": "a@example.com", "fields": values})
    assert answer.status_code == 202
    captured, contact = [event.data for event in await capture.events()]
    assert not [name for name in captured.facts if name.startswith("fields.")]
    assert contact.fields == values


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        ({"name": "email"}, "/items/0/name"),
        ({"name": ""}, "/items/0/name"),
        ({"name": "x", "type": "colour"}, "/items/0/type"),
        ({"name": "x", "type": "choice"}, "/items/0/options"),
        ({"name": "x", "options": ["a"]}, "/items/0/options"),
        ({"name": "x", "kind": "secret"}, "/items/0/kind"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_declarations_that_make_no_sense_are_refused(
    capture: Capture, item: dict[str, Any], pointer: str
) -> None:
    answer = await capture.client.put(FIELDS, json={"items": [item]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_form_key_declares_nothing(capture: Capture) -> None:
    put = await capture.client.put(FIELDS, json={"items": []}, headers=capture.bearer(Role.FORM))
    assert put.status_code == 403


async def test_of_two_declarations_at_once_one_stands(capture: Capture) -> None:
    """The whole of one of them: neither fails, and they are not mixed."""
    one, other = DECLARED, [{**item, "label": "other"} for item in DECLARED]
    for _ in range(5):
        answers = await asyncio.gather(
            *(capture.client.put(FIELDS, json={"items": items}) for items in (one, other) * 3)
        )
        assert {answer.status_code for answer in answers} == {200}
        left = (await capture.client.get(FIELDS)).json()["items"]
        assert len(left) == len(DECLARED)
        assert len({item["label"] == "other" for item in left}) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_another_process_hears_of_a_declaration_within_seconds(
    start: Start, database_url: str
) -> None:
    one, other = await start(database_url), await start(database_url)
    assert (await other.post({"email": "a@example.com"})).status_code == 202  # it knows of none
    await one.client.put(FIELDS, json={"items": DECLARED})

    async def heard() -> bool:
        await other.post({"email": "a@example.com", "fields": {"budget": "5"}})
        told = [event.data for event in await other.events()]
        return any("fields.budget" in getattr(data, "facts", {}) for data in told)

    await until(heard, seconds=10)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_where_nobody_else_declares_fields_nobody_looks_for_them(capture: Capture) -> None:
    assert "capture.fields" not in {part.name for part in capture.service.parts}
    await capture.client.put(FIELDS, json={"items": DECLARED})
    answer = await capture.post({"email": "a@example.com", "fields": {"budget": "5"}})
    assert answer.status_code == 202
    assert (await capture.events())[0].data.facts["fields.budget"] == 5
