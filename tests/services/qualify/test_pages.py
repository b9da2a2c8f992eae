"""The pages, as a browser without JavaScript sees them."""

import re
from html import unescape

import httpx
import pytest
import pytest_asyncio

from shared.access import Role
from shared.access.sessions import COOKIE
from shared.contracts.events import DefinitionPublished

from .conftest import VP, activity, captured, definition

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NEW = "/qualify/definitions/new"


class Browser:
    """Keeps a session and sends forms as they stand on the page."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def open(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers={"Accept": "text/html"})

    async def send(self, page: httpx.Response, action: str, **changes: str) -> httpx.Response:
        fields = {**fields_of(page.text, action), **changes}
        return await self.client.post(
            action, data=fields, headers={"Accept": "text/html"}, follow_redirects=True
        )


def _focused(page: httpx.Response) -> list[str]:
    return re.findall(r'<input id="([^"]*)"[^>]* autofocus', page.text)


def fields_of(html: str, action: str) -> dict[str, str]:
    """The fields of the form that is sent to ``action``."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', html, re.DOTALL)
    assert form is not None, action
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        assert name is not None
        assert value is not None
        fields[name[1]] = unescape(value[1])
    for name, body in re.findall(r'<select[^>]*name="([^"]*)".*?>(.*?)</select>', form[0], re.S):
        chosen = re.search(r'value="([^"]*)" selected', body)
        fields[name] = chosen[1] if chosen else ""
    return fields


@pytest_asyncio.fixture
async def browse(qualify, access):
    """A browser logged in with a role."""
    opened = []

    async def log_in(role: Role) -> Browser:
        principal = await access.authenticate(f"Bearer {qualify.keys[role]}")
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(qualify.service.app),
            base_url="http://qualify",
            cookies={COOKIE: access.sessions.begin(principal.key_id)},
        )
        opened.append(client)
        return Browser(client)

    yield log_in
    for client in opened:
        await client.aclose()


async def test_pages_need_a_login_and_writing_needs_a_marketer(qualify, browse):
    headers = {"Accept": "text/html", "Authorization": ""}
    answer = await qualify.client.get("/qualify/", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/qualify/")
    rep = await browse(Role.REP)
    listed = await rep.open("/qualify/")
    assert listed.status_code == 200
    assert "Write a new version" not in listed.text
    assert (await rep.open(NEW)).status_code == 403
    assert (await rep.open("/qualify/definitions/1/publish")).status_code == 403
    assert (await rep.open("/qualify/leads/x")).status_code == 403


async def test_a_version_is_copied_changed_saved_and_published(qualify, browse):
    marketer = await browse(Role.MARKETER)
    editor = await marketer.open(NEW)
    saved = await marketer.send(editor, NEW, **{"criteria-0-points": "40", "note": "Better <b>"})
    assert "Version 2 is written" in saved.text
    assert "Better &lt;b&gt;" in saved.text
    assert "Criterion senior_title: points" in saved.text
    asked = await marketer.open("/qualify/definitions/2/publish")
    assert "Publish version 2?" in asked.text
    done = await marketer.send(asked, "/qualify/definitions/2/publish")
    assert "Version 2 is published" in done.text
    published = [one for one in qualify.events() if isinstance(one, DefinitionPublished)]
    assert published[0].definition.version == 2
    first, second = [
        (await qualify.client.get(f"/qualify/v1/definitions/{n}")).json() for n in (1, 2)
    ]
    assert second["criteria"][0] == {**first["criteria"][0], "points": 40}
    assert second["criteria"][1:] == first["criteria"][1:]
    assert (second["grades"], second["disqualifiers"]) == (first["grades"], first["disqualifiers"])


async def test_rows_are_added_and_removed_without_losing_what_was_typed(qualify, browse):
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    count = len(re.findall('class="rule rule-criterion"', page.text))
    page = await marketer.send(page, NEW, do="add:criteria", **{"criteria-1-points": "77"})
    assert len(re.findall('class="rule rule-criterion"', page.text)) == count + 1
    assert fields_of(page.text, NEW)["criteria-1-points"] == "77"
    assert _focused(page) == [f"criteria-{count}-id"]
    page = await marketer.send(page, NEW, do="remove:criteria:0")
    assert len(re.findall('class="rule rule-criterion"', page.text)) == count
    assert fields_of(page.text, NEW)["criteria-0-points"] == "77"
    assert _focused(page) == ["criteria-0-id"]
    typed = {
        f"criteria-{count - 1}-{name}": value
        for name, value in {
            "field": "employees",
            "operator": "between",
            "value": "10 to 20",
            "points": "3",
        }.items()
    }
    saved = await marketer.send(page, NEW, **typed)
    assert "Version 2 is written" in saved.text
    made = (await qualify.client.get("/qualify/v1/definitions/2")).json()
    last = made["criteria"][-1]
    assert (last["id"], last["value"], last["points"]) == ("employees", [10, 20], 3)


async def test_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(qualify, browse):
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    typed = {"criteria-0-points": "lots", "threshold": "", "criteria-3-value": "many"}
    answer = await marketer.send(page, NEW, **typed)
    assert answer.status_code == 422
    assert 'href="#criteria-0-points">Criterion 1, points: write a whole number' in answer.text
    assert 'href="#threshold">Threshold: write a whole number' in answer.text
    answer = await marketer.send(page, NEW, **{"criteria-0-id": "Two words"})
    assert 'href="#criteria-0-id">Criterion 1, name: use small letters' in answer.text
    answer = await marketer.send(page, NEW, **typed)
    assert {key: fields_of(answer.text, NEW)[key] for key in typed} == typed
    typed = {"threshold": "9999", "criteria-3-value": "many", "criteria-1-id": "learner"}
    answer = await marketer.send(page, NEW, **typed)
    assert "nobody can reach it" in answer.text
    assert "at_least takes a number" in answer.text
    assert "learner is used twice" in answer.text
    assert len((await qualify.client.get("/qualify/v1/definitions")).json()["items"]) == 1


async def test_an_alias_of_an_operator_survives_the_editor(qualify, browse):
    document = definition()
    document["criteria"][1]["operator"] = ">="
    document["disqualifiers"][0].update(operator="exists", value=False)
    await qualify.client.post("/qualify/v1/definitions", json=document)
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(f"{NEW}?copy=2")
    assert "Version 3 is written" in (await marketer.send(page, NEW)).text
    made = (await qualify.client.get("/qualify/v1/definitions/3")).json()
    assert made["criteria"][1]["operator"] == "at_least"
    assert made["disqualifiers"][0]["operator"] == "is_missing"


async def test_nothing_is_written_without_the_token(browse, qualify):
    marketer = await browse(Role.MARKETER)
    page = await marketer.open(NEW)
    assert (await marketer.send(page, NEW, csrf_token="wrong")).status_code == 403
    assert len((await qualify.client.get("/qualify/v1/definitions")).json()["items"]) == 1


async def test_publishing_asks_again_when_another_version_came_first(qualify, browse):
    marketer = await browse(Role.MARKETER)
    for points in ("30", "35"):
        await marketer.send(await marketer.open(NEW), NEW, **{"criteria-0-points": points})
    asked = await marketer.open("/qualify/definitions/3/publish")
    await qualify.client.post("/qualify/v1/definitions/2/publish")
    answer = await marketer.send(asked, "/qualify/definitions/3/publish")
    assert answer.status_code == 409
    assert "Another version was published meanwhile" in answer.text
    assert "from version 2" in answer.text
    done = await marketer.send(answer, "/qualify/definitions/3/publish")
    assert "Version 3 is published" in done.text


async def test_a_lead_is_explained(qualify, browse):
    await qualify.take(
        captured("lead-1", {**VP, "company": "<Acme>"}), activity("lead-1", "page_viewed", VP)
    )
    marketer = await browse(Role.MARKETER)
    found = await marketer.open("/qualify/leads?lead_id=lead-1")
    assert found.headers["location"] == "/qualify/leads/lead-1"
    page = await marketer.open("/qualify/leads/lead-1")
    assert page.status_code == 200
    for words in (
        "employees 120 is at least 50",
        "What did not",
        "page viewed",
        "threshold reached",
        "country is not known",
    ):
        assert words in page.text
    assert "<Acme>" not in page.text
    assert (await marketer.open("/qualify/leads/nobody")).status_code == 404
    assert (await marketer.open("/qualify/definitions/99")).status_code == 404


async def test_many_versions_are_listed_page_by_page(qualify, browse):
    made = (await qualify.client.get("/qualify/v1/definitions/1")).json()
    for _ in range(24):
        await qualify.client.post("/qualify/v1/definitions", json=made)
    marketer = await browse(Role.MARKETER)
    first = await marketer.open("/qualify/")
    assert "Version 25" in first.text
    older = re.search(r'href="(/qualify/\?cursor=[^"]*)"', first.text)
    assert older is not None
    assert "Version 5</a>" in (await marketer.open(unescape(older[1]))).text
