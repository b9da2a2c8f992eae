"""Nothing gets lost in a name: synonyms, odd names, values nobody can read, late declarations."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.capture.domain.synonyms import Synonyms, fold, split_name
from services.capture.store.synonym_table import known_synonyms
from shared.access import Role
from shared.contracts.events import ActivityRecorded, ContactUpdated, LeadCaptured
from tests.services.capture.conftest import LEADS, Capture
from tests.shared.toy.waiting import until

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FIELDS, SYNONYMS = "/capture/v1/fields", "/capture/v1/synonyms"


async def lead_of(capture: Capture, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    found = (await capture.client.get(f"{LEADS}/{answer.json()['lead_id']}")).json()
    assert isinstance(found, dict)
    return found


async def read_anew(capture: Capture) -> None:
    """Let what waits to be read anew be read."""
    capture.clock.advance(timedelta(seconds=4))
    timer: Any = next(p for p in capture.service.parts if p.name == "capture.reread")
    timer.soon()

    async def done() -> bool:
        document = (await capture.client.get(FIELDS)).json()
        return document["being_read_anew"] == []

    await until(done, seconds=10)


# What a VP Sales of a 200-head firm left in forms of other tools.
FOREIGN: dict[str, Any] = {
    "hubspot": {
        "firstname": "Ada", "lastname": "Byron", "email": "ada@engines.example",
        "company": "Engines", "jobtitle": "VP Sales", "numemployees": "200", "country": "Germany",
        "0-2/domain": "engines.example", "lead_source": "newsletter",
    },
    "names with capitals, spaces and marks": {
        "First-Name": "Ada", "LAST NAME": "Byron", "E-Mail": "ada@engines.example",
        "Company Name": "Engines", "Job Title:": "VP Sales", "Company_Size": 200,
        "Country/Region": "DE", "Web-Site": "engines.example", "utm-source": "newsletter",
    },
    "facebook": {
        "field_data": [
            {"name": "full_name", "values": ["Ada Byron"]},
            {"name": "work_email", "values": ["ada@engines.example"]},
            {"name": "company_name", "values": ["Engines"]},
            {"name": "job_title", "values": ["VP Sales"]},
            {"name": "number_of_employees", "values": ["200"]},
            {"name": "country", "values": ["DE"]},
            {"name": "website", "values": ["engines.example"]},
            {"name": "utm_source", "values": ["newsletter"]},
        ]
    },
    "nested": {
        "contact": {"firstName": "Ada", "lastName": "Byron", "email": "ada@engines.example",
                    "title": "VP Sales"},
        "company": {"name": "Engines", "size": 200, "country": "DE", "domain": "engines.example"},
        "campaign source": "newsletter",
    },
    "properties": {
        "properties": {
            "firstname": {"value": "Ada"}, "lastname": {"value": "Byron"},
            "email": {"value": "ada@engines.example"}, "company": {"value": "Engines"},
            "jobtitle": {"value": "VP Sales"}, "numemployees": {"value": "200"},
            "country": {"value": "Germany"}, "website": {"value": "engines.example"},
            "utm_source": {"value": "newsletter"},
        }
    },
    "german": {
        "Vorname": "Ada", "Nachname": "Byron", "E-Mail-Adresse": "ada@engines.example",
        "Firma": "Engines", "Position im Unternehmen": "VP Sales", "Unternehmensgröße": "200",
        "Land": "Deutschland", "Webseite": "engines.example", "Quelle": "newsletter",
    },
    "spanish": {
        "Nombre": "Ada", "Apellidos": "Byron", "Correo electrónico": "ada@engines.example",
        "Empresa": "Engines", "Cargo": "VP Sales", "Número de empleados": "200",
        "País": "Germany", "Sitio web": "engines.example", "Origen": "newsletter",
    },
    "french": {
        "Prénom": "Ada", "Nom de famille": "Byron", "Courriel": "ada@engines.example",
        "Société": "Engines", "Fonction": "VP Sales", "Nombre d’employés": "200",
        "Pays": "DE", "Site web": "engines.example", "utm_source": "newsletter",
    },
    "portuguese": {
        "Primeiro nome": "Ada", "Sobrenome": "Byron", "E-mail corporativo": "ada@engines.example",
        "Empresa": "Engines", "Função": "VP Sales", "Número de funcionários": "200",
        "País": "DE", "Site": "engines.example", "Origem": "newsletter",
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FOREIGN.values(), ids=FOREIGN)
@SQLITE
async def test_a_form_of_another_tool_loses_nothing(capture: Capture, form: Any) -> None:
    lead = await lead_of(capture, await capture.post(form))
    facts = lead["facts"]
    assert facts["job_title"] == "VP Sales"
    assert (facts["company"], facts["employees"], facts["country"]) == ("Engines", 200, "DE")
    contact = lead["contact"]
    assert (contact["first_name"], contact["last_name"]) == ("Ada", "Byron")
    assert contact["email"] == "ada@engines.example"
    assert contact["website"] == "https://engines.example"
    assert lead["attribution"]["utm_source"] == "newsletter"
    assert "fields" not in contact
    assert lead["unread"] == []


@SQLITE
async def test_html_forms_in_other_words_are_understood_too(capture: Capture) -> None:
    answer = await capture.client.post(
        LEADS,
        data={"contact[firstname]": "Ada", "your-email": "a@example.com", "What's new?": "much"},
    )
    contact = (await lead_of(capture, answer))["contact"]
    assert (contact["first_name"], contact["email"]) == ("Ada", "a@example.com")
    assert contact["fields"] == {"What s new": "much"}


@SQLITE
async def test_a_fields_own_name_wins_and_what_loses_is_kept(capture: Capture) -> None:
    form = {"email": "a@example.com", "jobtitle": "Clerk", "job_title": "CEO", "position": "Chair"}
    lead = await lead_of(capture, await capture.post(form))
    assert lead["facts"]["job_title"] == "CEO"
    assert lead["contact"]["fields"] == {"jobtitle": "Clerk", "position": "Chair"}


@SQLITE
async def test_a_declared_field_is_no_synonym(capture: Capture) -> None:
    await capture.client.put(FIELDS, json={"items": [{"name": "size", "kind": "fact"}]})
    form = {"E-Mail": "a@example.com", "size": "XL"}
    lead = await lead_of(capture, await capture.post(form))
    assert lead["facts"]["fields.size"] == "XL"
    assert "employees" not in lead["facts"]


@SQLITE
async def test_errors_stand_at_the_name_that_was_sent(capture: Capture) -> None:
    answer = await capture.post({"E-Mail": "nobody", "contact": {"mobile": "1"}})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/E-Mail"]
    answer = await capture.post({"email": "a@example.com", "contact": {"mobile": "ring me"}})
    assert [one["pointer"] for one in answer.json()["unread"]] == ["/contact/mobile"]


@SQLITE
async def test_what_can_not_be_read_is_flagged_in_the_answer_and_on_the_lead(
    capture: Capture,
) -> None:
    odd = {"country": "unknown", "employees": "a few", "company": "x" * 300, "size": "L"}
    answer = await capture.post({"email": "a@example.com", "first_name": "Ada", **odd})
    assert {one["pointer"] for one in answer.json()["unread"]} == {
        "/country", "/employees", "/company",
    }  # fmt: skip
    assert "unknown" not in answer.text
    lead = await lead_of(capture, answer)
    assert lead["contact"]["fields"] == odd
    assert lead["contact"]["first_name"] == "Ada"
    assert lead["unread"] == ["company", "country", "employees"]
    later = await capture.post({"email": "a@example.com", "country": "FR", "company": "X"})
    assert "unread" not in later.json()
    assert (await lead_of(capture, later))["unread"] == ["employees"]


@SQLITE
async def test_the_same_key_gets_the_same_flags(capture: Capture) -> None:
    form, key = {"email": "a@example.com", "country": "nowhere"}, {"Idempotency-Key": "k"}
    first, again = await capture.post(form, **key), await capture.post(form, **key)
    assert first.json()["unread"]
    assert again.text == first.text


@pytest.mark.parametrize(
    ("sent", "count"), [("10-50", 30), ("1,000+", 1000), ("50 to 100", 75), ("51 – 200", 125)]
)
@SQLITE
async def test_ranges_are_understood(capture: Capture, sent: str, count: int) -> None:
    lead = await lead_of(capture, await capture.post({"email": "a@b.example", "size": sent}))
    assert lead["facts"]["employees"] == count
    assert lead["unread"] == []


async def test_synonyms_are_added_by_the_api_and_win_over_the_table(capture: Capture) -> None:
    before = (await capture.client.get(SYNONYMS)).json()
    assert "jobtitle" in before["known"]["job_title"]
    added = [{"name": "Rang", "field": "job_title"}, {"name": "Title", "field": None}]
    put = await capture.client.put(SYNONYMS, json={"items": added})
    assert sorted(one["name"] for one in put.json()["items"]) == ["Rang", "Title"]
    form = {"email": "a@example.com", "rang": "CEO", "title": "Dr"}
    lead = await lead_of(capture, await capture.post(form))
    assert lead["facts"]["job_title"] == "CEO"
    assert lead["contact"]["fields"] == {"title": "Dr"}
    twice = [{"name": "a b", "field": "phone"}, {"name": "A-B", "field": "email"}]
    for wrong in (twice, [{"name": "e-mail", "field": "phone"}], [{"name": "?", "field": None}]):
        assert (await capture.client.put(SYNONYMS, json={"items": wrong})).status_code == 422
    rep = await capture.client.put(
        SYNONYMS, json={"items": []}, headers=capture.bearer(Role.SERVICE)
    )
    assert rep.status_code == 403


async def test_undeclared_fields_are_shown_with_examples_to_marketers_alone(
    capture: Capture,
) -> None:
    for number in range(8):
        form = {"email": f"{number}@example.com", "budget": number * 1000, "country": "nowhere"}
        await capture.post(form)
    headers = capture.bearer(Role.MARKETER)
    seen = (await capture.client.get(f"{FIELDS}/seen", headers=headers)).json()
    (budget,) = seen["items"]
    assert (budget["name"], budget["count"]) == ("budget", 8)
    assert budget["examples"] == ["7000", "6000", "5000", "4000", "3000"]
    assert [(one["name"], one["count"]) for one in seen["unread"]] == [("country", 8)]
    for role in (Role.SERVICE, Role.REP, Role.FORM):
        answer = await capture.client.get(f"{FIELDS}/seen", headers=capture.bearer(role))
        assert answer.status_code == 403


async def test_declaring_reads_what_came_before(capture: Capture) -> None:
    one = await capture.post({"email": "a@example.com", "budget": "5000", "note 1": "x"})
    other = await capture.post({"email": "b@example.com", "budget": "lots"})
    late = await capture.post({"email": "c@example.com", "budget": "1"})
    untouched = await capture.post({"email": "d@example.com", "note 1": "y"})
    declared = {"name": "budget", "type": "number", "kind": "fact"}
    answer = await capture.client.post(FIELDS, json=declared)
    assert answer.json()["being_read_anew"] == ["budget"]
    await capture.post({"email": "c@example.com", "budget": "2"})  # newer than what is read anew
    before = len(await capture.events())
    await read_anew(capture)
    lead = await lead_of(capture, one)
    assert lead["facts"]["fields.budget"] == 5000
    assert lead["contact"]["fields"] == {"note 1": "x"}
    assert (await lead_of(capture, late))["facts"]["fields.budget"] == 2
    assert "budget" not in (await lead_of(capture, late))["contact"].get("fields", {})
    odd = await lead_of(capture, other)
    assert (odd["contact"]["fields"], odd["unread"]) == ({"budget": "lots"}, ["fields.budget"])
    told = [event.data for event in (await capture.events())[before:]]
    facts = {d.lead_id: d for d in told if isinstance(d, ActivityRecorded)}
    assert set(facts) == {one.json()["lead_id"], late.json()["lead_id"]}
    recorded = facts[one.json()["lead_id"]]
    assert recorded.kind == "fields_read"
    assert recorded.facts["fields.budget"] == 5000
    contacts = [d for d in told if isinstance(d, ContactUpdated)]
    assert [d.fields for d in contacts if d.lead_id == one.json()["lead_id"]] == [{"note 1": "x"}]
    assert untouched.json()["lead_id"] not in {d.lead_id for d in told}  # type: ignore[union-attr]
    # What is declared no more, or personal now, leaves the facts.
    await capture.client.put(FIELDS, json={"items": []})
    await read_anew(capture)
    lead = await lead_of(capture, one)
    assert "fields.budget" not in lead["facts"]
    assert lead["contact"]["fields"] == {"note 1": "x", "budget": 5000}


async def test_a_new_synonym_reads_what_came_before(capture: Capture) -> None:
    answer = await capture.post({"email": "a@example.com", "Rang": "CEO", "Kopf-Zahl": "10-50"})
    wanted = [{"name": "rang", "field": "job_title"}, {"name": "kopfzahl", "field": "employees"}]
    await capture.client.put(SYNONYMS, json={"items": wanted})
    await read_anew(capture)
    lead = await lead_of(capture, answer)
    assert (lead["facts"]["job_title"], lead["facts"]["employees"]) == ("CEO", 30)
    assert lead["contact"]["job_title"] == "CEO"
    assert "fields" not in lead["contact"]


async def test_more_leads_than_a_batch_are_read_anew(
    capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.capture.store.unit.REREAD_CHUNK", 3)
    for number in range(8):
        await capture.post({"email": f"{number}@example.com", "budget": number})
    await capture.client.post(FIELDS, json={"name": "budget", "type": "number", "kind": "fact"})
    await read_anew(capture)
    told = [event.data for event in await capture.events()]
    anew = [d for d in told if isinstance(d, ActivityRecorded)]
    assert sorted(d.facts["fields.budget"] for d in anew) == list(range(8))  # type: ignore[type-var]
    assert len([d for d in told if isinstance(d, LeadCaptured)]) == 8


def test_no_two_fields_share_a_name_in_the_table() -> None:
    places: dict[str, str] = {}
    for field, names in known_synonyms().items():
        for name in (field, *names):
            assert places.setdefault(fold(name), field) == field, name
    assert len(places) > 250


def test_names_are_compared_without_case_spaces_and_marks() -> None:
    names = Synonyms({"job_title": ["Führungs-Rolle"]})
    for name in ("job title", "JobTitle", "FUHRUNGS rolle", "contact.job_title", "0-1/jobtitle"):
        assert names.of(name) == "job_title", name
    for name in ("", "partner.job_title", "job", "jobtitles"):
        assert names.of(name) is None, name


@pytest.mark.parametrize(
    ("whole", "parts"),
    [("Ada", ("Ada", None)), ("Ana María  López", ("Ana María", "López")), (" ", (None, None))],
)
def test_a_whole_name_is_parted_at_its_last_space(whole: str, parts: Any) -> None:
    assert split_name(whole) == parts


def test_the_documentation_shows_the_table_as_it_is() -> None:
    text = (Path(__file__).parents[3] / "docs" / "capture.md").read_text()
    for field, names in known_synonyms().items():
        assert f"| `{field}` | {', '.join(names)} |" in text, field
