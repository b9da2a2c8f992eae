"""Drafts are written, checked, changed and thrown away over HTTP; what changes is told in words."""

import asyncio

import pytest

from services.qualify.domain.versions import Version
from shared.access import Role
from shared.scorecard.documents import read_document
from tests.shared.scorecard.documents import small as definition

from .conftest import NOW
from .test_api import URL, create

YAML = {"Content-Type": "application/yaml"}
TEXT = """\
name: As text
threshold: 5
criteria:
  - {id: north, group: fit, field: country, operator: in, value: [NO, SE], points: 5}
"""


async def test_a_definition_may_be_written_and_read_as_yaml(qualify):
    made = await qualify.client.post(URL, content=TEXT, headers=YAML)
    assert made.status_code == 201, made.text
    assert made.json()["criteria"][0]["value"] == ["NO", "SE"]
    for query, headers in (({"format": "yaml"}, {}), ({}, {"Accept": "application/yaml"})):
        read = await qualify.client.get(f"{URL}/2", params=query, headers=headers)
        assert read.headers["content-type"].startswith("application/yaml")
        assert list(read_document(read.content, "yaml"))[:4] == [
            "version",
            "status",
            "name",
            "note",
        ]
    again = await qualify.client.put(f"{URL}/2", content=read.content, headers=YAML)
    assert (again.status_code, again.json()["updated_at"]) == (200, None)
    other = await qualify.client.post(URL, content=TEXT, headers={"Content-Type": "text/csv"})
    assert other.status_code == 415
    broken = await qualify.client.post(URL, content="a: [\n", headers=YAML)
    assert (broken.status_code, "line 2" in broken.json()["detail"]) == (400, True)


async def test_what_was_read_may_be_sent_back(qualify):
    for version in (1, (await create(qualify))["version"]):
        read = (await qualify.client.get(f"{URL}/{version}")).json()
        sent = await qualify.client.post(URL, json=read)
        assert sent.status_code == 201, sent.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_checking_stores_nothing(qualify):
    good = await qualify.client.post(f"{URL}/check", content=TEXT, headers=YAML)
    assert (good.json()["valid"], good.json()["errors"]) == (True, [])
    bad = await qualify.client.post(f"{URL}/check", json=definition(treshold=1))
    assert (bad.status_code, bad.json()["valid"]) == (200, False)
    assert bad.json()["errors"][0]["pointer"] == "/treshold"
    no_yaml = await qualify.client.post(f"{URL}/check", content="a: &a 1", headers=YAML)
    assert "anchors" in no_yaml.json()["errors"][0]["detail"]
    assert len((await qualify.client.get(URL)).json()["items"]) == 1
    schema = await qualify.client.get(f"{URL}/schema")
    assert schema.json()["title"] == "Lead definition"


async def test_a_draft_is_changed_by_whoever_has_seen_the_last_change(qualify):
    made = await qualify.client.post(URL, json=definition())
    seen = made.headers["ETag"]
    assert (await qualify.client.get(f"{URL}/2")).headers["ETag"] == seen
    first = await qualify.client.put(
        f"{URL}/2", json=definition(threshold=20), headers={"If-Match": seen}
    )
    assert (first.status_code, first.json()["threshold"]) == (200, 20)
    assert first.json()["updated_at"] is not None
    late = await qualify.client.put(
        f"{URL}/2", json=definition(threshold=10), headers={"If-Match": seen}
    )
    assert late.status_code == 412
    for answer in (
        await qualify.client.delete(f"{URL}/2", headers={"If-Match": seen}),
        await qualify.client.post(f"{URL}/2/publish", headers={"If-Match": seen}),
    ):
        assert answer.status_code == 412
    assert (await qualify.client.get(f"{URL}/2")).json()["threshold"] == 20
    bad = await qualify.client.put(f"{URL}/2", json=definition(threshold=2000))
    assert bad.status_code == 422
    now = {"If-Match": first.headers["ETag"]}
    assert (await qualify.client.post(f"{URL}/2/publish", headers=now)).status_code == 200


async def test_only_drafts_change_or_go(qualify):
    await create(qualify)
    assert (await qualify.client.delete(f"{URL}/2")).status_code == 204
    assert (await qualify.client.get(f"{URL}/2")).status_code == 404
    for method, given in (("PUT", {"json": definition()}), ("DELETE", {})):
        answer = await qualify.client.request(method, f"{URL}/1", **given)
        assert (answer.status_code, answer.json()["status_of_version"]) == (409, "published")
        assert (await qualify.client.request(method, f"{URL}/9", **given)).status_code == 404
        rep = await qualify.client.request(
            method, f"{URL}/1", headers=qualify.bearer(Role.REP), **given
        )
        assert rep.status_code == 403
    assert (await qualify.client.get(f"{URL}/1")).json()["status"] == "published"


async def test_changing_a_draft_at_once_loses_nobodys_work(qualify):
    made = await qualify.client.post(URL, json=definition())
    seen = {"If-Match": made.headers["ETag"]}
    answers = await asyncio.gather(
        *(
            qualify.client.put(f"{URL}/2", json=definition(threshold=n), headers=seen)
            for n in range(20, 26)
        )
    )
    assert sorted(one.status_code for one in answers) == [200, *[412] * 5]


async def test_who_wrote_and_published_it_and_why_is_told(qualify):
    made = await create(qualify)
    assert made["created_by"] is not None
    published = await qualify.client.post(
        f"{URL}/2/publish", json={"reason": "Fairs went well", "instead_of": 1}
    )
    found = published.json()
    assert found["published_by"] == made["created_by"]
    assert found["published_reason"] == "Fairs went well"
    mistyped = await qualify.client.post(f"{URL}/1/publish", json={"resaon": "x"})
    assert mistyped.status_code == 422


async def test_two_who_publish_at_once_make_one_conflict(qualify):
    for _ in range(2):
        await create(qualify)
    answers = await asyncio.gather(
        *(
            qualify.client.post(f"{URL}/{version}/publish", json={"instead_of": 1})
            for version in (2, 3)
        )
    )
    assert sorted(one.status_code for one in answers) == [200, 409]
    late = next(one for one in answers if one.status_code == 409)
    early = next(one for one in answers if one.status_code == 200)
    assert late.json()["version"] == early.json()["version"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_changes_are_told_in_sentences(qualify):
    first = definition(exploration_rate=0)
    await qualify.client.post(URL, json=first)
    second = definition(threshold=25, exploration_rate=0.1)
    second["criteria"][0] = {
        "id": "vp",
        "group": "fit",
        "field": "employees",
        "levels": [{"operator": "at_least", "value": 50, "points": 30}],
    }
    del second["disqualifiers"][0]
    await qualify.client.post(URL, json=second)
    found = (await qualify.client.get(f"{URL}/3/diff", params={"against": "2"})).json()
    assert (found["version"], found["against"]) == (3, 2)
    said = [one["sentence"] for one in found["items"]]
    assert "Threshold: 25 instead of 30" in said
    assert "Exploration rate: 0.1 instead of 0.0" in said
    assert any(one.startswith("Disqualifier rival goes: ") for one in said)
    assert any("employees" in one for one in said)
    assert (await qualify.client.get(f"{URL}/3/diff")).json()["against"] == 1
    assert (await qualify.client.get(f"{URL}/3/diff", params={"against": "9"})).status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_too_much_is_refused(qualify):
    one = definition()["criteria"][0]

    async def send(criteria):
        answer = await qualify.client.post(URL, json=definition(criteria=criteria))
        return answer.status_code

    assert await send([{**one, "id": f"c{n}"} for n in range(1500)]) == 422
    assert await send([{**one, "id": f"c{n}"} for n in range(9000)]) == 413
    deep = {"field": "country", "operator": "exists"}
    for _ in range(40):
        deep = {"not": deep}
    assert await send([{"id": "deep", "group": "fit", "when": deep, "points": 30}]) in (400, 422)
    assert await send([{**one, "operator": "matches", "value": "(a{99}){99}"}]) == 422


def test_the_tag_is_that_of_the_document_however_its_keys_are_ordered():
    one = Version(2, "draft", {"a": 1, "b": [2]}, NOW)
    assert one.etag == Version(2, "challenger", {"b": [2], "a": 1}, NOW).etag
    assert one.etag != Version(2, "draft", {"a": 1, "b": [3]}, NOW).etag
