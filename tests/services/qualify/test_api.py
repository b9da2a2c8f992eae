"""Definitions and scores over HTTP, on both databases."""

import asyncio

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from services.qualify.seed import STARTER
from services.qualify.store.tables import decisions, definitions
from shared.access import Role
from shared.contracts.events import DefinitionPublished, DefinitionRetired
from tests.shared.scorecard.documents import small as definition

from .conftest import VP, captured

URL = "/qualify/v1/definitions"


async def create(qualify, **changes):
    answer = await qualify.client.post(URL, json=definition(**changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_the_starter_definition_is_published(qualify):
    found = (await qualify.client.get(f"{URL}/published")).json()
    assert (found["version"], found["status"], found["threshold"]) == (1, "published", 50)
    assert len(found["criteria"]) == len(STARTER.criteria)
    qualify.service.seed()
    assert len((await qualify.client.get(URL)).json()["items"]) == 1


async def test_a_definition_is_written_read_and_published(qualify):
    made = await create(qualify)
    assert (made["version"], made["status"]) == (2, "draft")
    again = await create(qualify)
    assert again["version"] == 3
    read = (await qualify.client.get(f"{URL}/2")).json()
    assert {key: read[key] for key in definition()} == {
        **definition(),
        "criteria": [{"half_life_days": None, **one} for one in definition()["criteria"]],
    }
    published = await qualify.client.post(f"{URL}/2/publish")
    assert (published.status_code, published.json()["status"]) == (200, "published")
    assert (await qualify.client.post(f"{URL}/2/publish")).json() == published.json()
    retired, event = qualify.events()
    assert isinstance(retired, DefinitionRetired)
    assert retired.version == 1
    assert isinstance(event, DefinitionPublished)
    assert event.definition.version == 2
    assert event.definition.criteria[0].id == "vp"
    statuses = [one["status"] for one in (await qualify.client.get(URL)).json()["items"]]
    assert statuses == ["draft", "published", "retired"]


async def test_a_retired_version_may_be_published_again(qualify):
    await create(qualify)
    await qualify.client.post(f"{URL}/2/publish")
    back = await qualify.client.post(f"{URL}/1/publish")
    assert back.json()["status"] == "published"
    await qualify.take(captured("x", VP))
    assert (await qualify.score("x"))["definition_version"] == 1


async def test_the_list_is_read_page_by_page(qualify):
    for _ in range(4):
        await create(qualify)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await qualify.client.get(URL, params=query)).json()
        seen += [one["version"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [5, 4, 3, 2, 1]
    assert (await qualify.client.get(URL, params={"cursor": "!"})).status_code == 400


async def test_the_same_idempotency_key_makes_one_version(qualify):
    headers = {"Idempotency-Key": "abc"}
    first = await qualify.client.post(URL, json=definition(), headers=headers)
    second = await qualify.client.post(URL, json=definition(), headers=headers)
    other = await qualify.client.post(URL, json=definition(threshold=1), headers=headers)
    assert first.json() == second.json()
    assert other.status_code == 422


def changed(path, value):
    document = definition()
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("document", "pointer", "says"),
    [
        (changed(["criteria", 0, "operator"], "roughly"), "/criteria/0/operator", "at_least"),
        (changed(["criteria", 1, "value"], "many"), "/criteria/1/value", "number"),
        (changed(["criteria", 1, "id"], "vp"), "/criteria/1/id", "twice"),
        (changed(["disqualifiers", 0, "id"], "vp"), "/disqualifiers/0/id", "twice"),
        (changed(["disqualifiers", 0, "value"], None), "/disqualifiers/0/value", "is_missing"),
        (changed(["criteria", 0, "half_life_days"], 3), "/criteria/0/half_life_days", "fades"),
        (changed(["criteria", 0, "field"], "email"), "/criteria/0/field", "email_type"),
        (changed(["criteria", 0, "field"], "activity."), "/criteria/0/field", "kind"),
        (changed(["criteria", 0, "points"], 1.5), "/criteria/0/points", "integer"),
        (changed(["criteria", 0, "group"], "other"), "/criteria/0/group", "fit"),
        (changed(["criteria"], []), "/criteria", "at least 1"),
        (changed(["threshold"], 51), "/threshold", "50"),
        (changed(["grades", 1, "min_score"], 40), "/grades/1/min_score", "best grade first"),
        (changed(["grades", 1, "grade"], "A"), "/grades/1/grade", "twice"),
        (changed(["cool_off_days"], -1), "/cool_off_days", "0"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_mistake_is_named_with_its_place(qualify, document, pointer, says):
    answer = await qualify.client.post(URL, json=document)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    errors = {one["pointer"]: one["detail"] for one in answer.json()["errors"]}
    assert says in errors[pointer]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_mistake_is_named_at_once(qualify):
    document = changed(["criteria", 0, "operator"], "roughly")
    document["grades"][1]["min_score"] = 1000
    errors = (await qualify.client.post(URL, json=document)).json()["errors"]
    assert [one["pointer"] for one in errors] == ["/criteria/0/operator", "/grades/1/min_score"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["/99", "/0", "/x", "/99999999999999", "/-1"])
async def test_unknown_versions_are_404(qualify, path):
    assert (await qualify.client.get(URL + path)).status_code == 404
    assert (await qualify.client.post(f"{URL}{path}/publish")).status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_unknown_lead_has_no_score(qualify):
    answer = await qualify.client.get("/qualify/v1/leads/nobody/score")
    assert answer.status_code == 404


async def test_characters_that_no_database_keeps_are_refused(qualify):
    assert (await qualify.client.get("/qualify/v1/leads/a%00b/score")).status_code == 404
    assert (await qualify.client.get(f"{URL}/%00")).status_code == 404
    for place in (["name"], ["criteria", 0, "value"], ["criteria", 0, "field"]):
        answer = await qualify.client.post(URL, json=changed(place, "a\0b"))
        assert answer.status_code == 422, place
        assert answer.json()["errors"][0]["pointer"] == "/" + "/".join(map(str, place))
    body = b'{"name": "\\ud800", "threshold": 1, "criteria": []}'
    json = {"Content-Type": "application/json"}
    assert (await qualify.client.post(URL, content=body, headers=json)).status_code in (400, 422)
    assert (await qualify.client.post(URL, content=b"{", headers=json)).status_code == 400


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_may_do_what(qualify):
    async def code(method, path, role, **more):
        headers = qualify.bearer(role) if role else {"Authorization": ""}
        return (await qualify.client.request(method, path, headers=headers, **more)).status_code

    await qualify.take(captured("x", VP))
    for role in (Role.REP, Role.MARKETER, Role.ADMIN, Role.SERVICE):
        assert await code("GET", URL, role) == 200
        assert await code("GET", f"{URL}/1", role) == 200
        may_write = role in (Role.MARKETER, Role.ADMIN)
        assert await code("POST", URL, role, json=definition()) == (201 if may_write else 403)
        assert await code("POST", f"{URL}/1/publish", role) == (200 if may_write else 403)
        seen = await code("GET", "/qualify/v1/leads/x/score", role)
        assert seen == 200
    assert await code("GET", URL, Role.FORM) == 403
    assert await code("GET", URL, None) == 401


async def test_a_stored_document_or_decision_refuses_to_change(qualify):
    await qualify.take(captured("x", VP))
    for statement in (
        update(definitions).values(document={}),
        update(definitions).values(version=7),
        delete(definitions),
        update(decisions).values(score=0),
    ):
        with pytest.raises(DBAPIError), qualify.db.begin() as conn:
            conn.execute(statement)


async def test_the_database_itself_allows_one_published_version(qualify):
    await create(qualify)
    with pytest.raises(DBAPIError), qualify.db.begin() as conn:
        conn.execute(text("UPDATE definitions SET status = 'published'"))


async def test_publishing_at_once_leaves_exactly_one_published(qualify):
    for _ in range(6):
        await create(qualify)
    answers = await asyncio.gather(
        *(qualify.client.post(f"{URL}/{2 + n % 6}/publish") for n in range(12))
    )
    assert {answer.status_code for answer in answers} == {200}
    items = (await qualify.client.get(URL)).json()["items"]
    (current,) = [one["version"] for one in items if one["status"] == "published"]
    events = qualify.events()
    told = [one for one in events if isinstance(one, DefinitionPublished)]
    gone = [one for one in events if isinstance(one, DefinitionRetired)]
    assert told[-1].definition.version == current
    assert [one.version for one in gone] == [1, *(one.definition.version for one in told[:-1])]


async def test_creating_at_once_gives_every_version_its_own_number(qualify):
    made = await asyncio.gather(*(create(qualify) for _ in range(8)))
    assert sorted(one["version"] for one in made) == list(range(2, 10))
