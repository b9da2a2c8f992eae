"""POST /capture/v1/leads and what becomes of it, on both databases."""

import asyncio
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest

from services.capture.intake.reception import MAX_BODY
from shared.access import Role
from shared.contracts.events import ActivityRecorded, ContactUpdated, LeadCaptured
from tests.services.capture.conftest import LEADS, Capture, Start

ADA: dict[str, Any] = {
    "email": "Ada@Example.com",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "Analytical Engines",
    "job_title": "Head of Computing",
    "phone": "020 7946 0018",
    "country": "United Kingdom",
    "employees": 120,
    "industry": "Software",
    "website": "engines.example.com/about?me=ada",
    "message": "Please call me.",
    "form_id": "demo",
    "page_url": "https://example.com/pricing?email=ada@example.com",
    "utm_source": "newsletter",
    "consent": {"purpose": "marketing", "granted": True, "text": "Yes", "basis": "consent"},
    "fields": {"budget": "5000"},
}
FORM = {key: value for key, value in ADA.items() if key not in ("consent", "fields")} | {
    "consent.purpose": "marketing",
    "consent.granted": "true",
    "consent[text]": "Yes",
    "consent.basis": "consent",
    "fields.budget": "5000",
}


async def test_a_new_lead_is_captured_with_its_facts_and_its_contact(capture: Capture) -> None:
    answer = await capture.post(ADA)
    assert answer.status_code == 202
    assert answer.json().keys() == {"lead_id", "submission_id", "status"}
    assert answer.json()["status"] == "captured"
    captured, contact = [event.data for event in await capture.events()]
    assert isinstance(captured, LeadCaptured)
    assert captured.lead_id == answer.json()["lead_id"]
    assert captured.facts == {
        "company": "Analytical Engines",
        "job_title": "Head of Computing",
        "country": "GB",
        "employees": 120,
        "industry": "Software",
        "form_id": "demo",
        "email_type": "business",
        "company_domain": "example.com",
        "channel": "email",
        "has_phone": True,
        "has_website": True,
        "has_message": True,
        "touches": 1,
    }
    assert captured.attribution.page_url == "https://example.com/pricing"
    assert captured.attribution.utm_source == "newsletter"
    assert [flag.model_dump() for flag in captured.consent] == [
        {"purpose": "marketing", "granted": True, "basis": "consent"}
    ]
    assert isinstance(contact, ContactUpdated)
    assert (contact.email, contact.phone) == ("ada@example.com", "+442079460018")
    assert contact.fields == {"budget": "5000"}


async def test_the_three_encodings_of_a_lead_are_the_same_lead(capture: Capture) -> None:
    multipart = {name: (None, str(value)) for name, value in FORM.items()}
    answers = [
        await capture.client.post(LEADS, json=ADA),
        await capture.client.post(
            LEADS,
            content=urlencode(FORM),
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
        ),
        await capture.client.post(LEADS, files=multipart),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["lead_id"] for answer in answers}) == 1
    assert [answer.json()["status"] for answer in answers] == ["captured", "touched", "touched"]
    events = [event.data for event in await capture.events()]
    # Nothing new is known after the first, so who the lead is need not be told again.
    assert [type(e) for e in events] == [
        LeadCaptured,
        ContactUpdated,
        ActivityRecorded,
        ActivityRecorded,
    ]
    assert {e.facts["employees"] for e in events if not isinstance(e, ContactUpdated)} == {120}


async def test_a_file_field_left_empty_is_nothing_and_a_file_is_refused(capture: Capture) -> None:
    lead = {"email": (None, "ada@example.com")}
    left_empty = (
        b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\nada@example.com\r\n'
        b'--x\r\nContent-Disposition: form-data; name="cv"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await capture.client.post(LEADS, content=left_empty, headers=headers)
    assert answer.status_code == 202, answer.text
    answer = await capture.client.post(LEADS, files={**lead, "cv": ("cv.txt", b"I did it all.")})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "A lead takes no files."


async def test_a_repeat_touches_the_lead_and_newer_values_win(capture: Capture) -> None:
    first = await capture.post({"email": "ada@example.com", "company": "Old", "industry": "Steam"})
    second = await capture.post({"email": " ADA@EXAMPLE.COM ", "company": "New", "phone": ""})
    assert second.json()["lead_id"] == first.json()["lead_id"]
    assert second.json()["submission_id"] != first.json()["submission_id"]
    activity = (await capture.events())[2].data
    assert isinstance(activity, ActivityRecorded)
    assert activity.kind == "form_submitted"
    assert activity.activity_id == second.json()["submission_id"]
    assert activity.facts["company"] == "New"
    assert activity.facts["industry"] == "Steam"
    assert activity.facts["touches"] == 2
    contact = (await capture.events())[3].data
    assert isinstance(contact, ContactUpdated)
    assert contact.company == "New"


async def test_without_an_email_the_phone_is_who_the_lead_is(capture: Capture) -> None:
    first = await capture.post({"phone": "+49 30 1234567"})
    second = await capture.post({"phone": "0049 (30) 123 45 67", "first_name": "Ada"})
    assert first.json()["lead_id"] == second.json()["lead_id"]
    assert (await capture.events())[0].data.facts["email_type"] == "none"


async def test_many_at_once_from_two_processes_make_one_lead_each(
    start: Start, database_url: str
) -> None:
    one = await start(database_url)
    # A second process on one SQLite file is not a supported set-up: there, one instance takes all.
    two = await start(database_url) if database_url.startswith("postgresql") else one
    answers = await asyncio.gather(
        *(
            (one, two)[n % 2].post({"email": f"person{n % 20}@example.com", "message": f"{n}"})
            for n in range(200)
        )
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["lead_id"] for answer in answers}) == 20
    assert len({answer.json()["submission_id"] for answer in answers}) == 200
    statuses = Counter(answer.json()["status"] for answer in answers)
    assert statuses == {"captured": 20, "touched": 180}
    events = [event.data for event in await one.events()]
    touches: dict[str, list[int]] = {}
    for data in events:
        if isinstance(data, LeadCaptured | ActivityRecorded):
            touches.setdefault(data.lead_id, []).append(data.facts["touches"])  # type: ignore[arg-type]
    # In the order of the outbox each lead counts up: nobody overwrote anybody.
    assert list(touches.values()) == [list(range(1, 11))] * 20
    listed = (await one.client.get(LEADS, params={"limit": 500})).json()["items"]
    assert len(listed) == 20


async def test_an_idempotency_key_answers_the_same_again(capture: Capture) -> None:
    key = {"Idempotency-Key": "order-1"}
    first = await capture.post(ADA, **key)
    again = await capture.post(ADA, **key)
    assert again.json() == first.json()
    assert len(await capture.events()) == 2
    other = await capture.post({**ADA, "company": "Another"}, **key)
    assert other.status_code == 422
    assert other.json()["title"] == "Idempotency key used before"
    somebody_elses = await capture.post(ADA, **key, **capture.bearer(Role.FORM))
    assert somebody_elses.json()["status"] == "touched"


async def test_an_idempotency_key_holds_under_concurrency(start: Start, database_url: str) -> None:
    one = await start(database_url)
    two = await start(database_url) if database_url.startswith("postgresql") else one
    two.client.headers["Authorization"] = one.client.headers["Authorization"]
    answers = await asyncio.gather(
        *(
            (one, two)[n % 2].post(
                {"email": f"p{n % 5}@example.com"}, **{"Idempotency-Key": f"k{n % 5}"}
            )
            for n in range(50)
        )
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 5
    assert len(await one.events()) == 10


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "caf\u00e9"])
async def test_an_unusable_idempotency_key_is_refused(capture: Capture, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await capture.client.post(LEADS, json=ADA, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400


JSON = "application/json"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "pointer"),
    [
        (JSON, b"{", 400, None),
        (JSON, b"", 400, None),
        (JSON, b'{"email":"\xff@example.com"}', 400, None),
        (JSON, b'{"email":"a@example.com","x":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, None),
        (JSON, b"[]", 422, ""),
        (JSON, b'"lead"', 422, ""),
        (JSON, b"{}", 422, "/email"),
        (JSON, b'{"email":5}', 422, "/email"),
        (JSON, b'{"email":["a@example.com"]}', 422, "/email"),
        (JSON, b'{"email":"nobody"}', 422, "/email"),
        (JSON, b'{"email":"a@b@c.com"}', 422, "/email"),
        (JSON, b'{"email":"a@example.com","first_name":"A\\u0000"}', 422, "/first_name"),
        (JSON, b'{"email":"a@example.com","fields":{"x":"A\\u0000"}}', 422, "/fields/x"),
        (JSON, b'{"email":"a@example.com","fields":{"x":{"y":1}}}', 422, "/fields/x"),
        (JSON, b'{"email":"a@example.com","fields":{"":1}}', 422, "/fields"),
        (JSON, b'{"email":"a@example.com","fields":[1]}', 422, "/fields"),
        (JSON, b'{"email":"a@example.com","fields":{"x":1e999}}', 422, "/fields/x"),
        (JSON, b'{"email":"a@example.com","company":"' + b"x" * 5001 + b'"}', 422, "/company"),
        (JSON, b'{"email":"a@example.com","employees":[1]}', 422, "/employees"),
        (JSON, b'{"phone":"030 1234567"}', 422, "/phone"),
        (JSON, b'{"phone":"+49 1"}', 422, "/phone"),
        (JSON, b'{"phone":"ring me"}', 422, "/phone"),
        (JSON, b'{"email":"a@example.com","consent":{"purpose":"x"}}', 422, "/consent/granted"),
        (JSON, b'{"email":"a@example.com","consent":7}', 422, "/consent"),
        (JSON, b'{"email":"a@example.com","form_id":"../x"}', 422, "/form_id"),
        ("application/xml", b"<lead/>", 415, None),
        ("", b"{}", 415, None),
        ("application/json; charset=utf-16", "{}".encode("utf-16"), 415, None),
        ("application/x-www-form-urlencoded", b"email=%ff%40example.com", 400, None),
        ("application/x-www-form-urlencoded", b"email=a@b.co&email=b@b.co", 422, "/email"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 300), 400, None),
        ("multipart/form-data", b"--x", 400, None),
        ("multipart/form-data; boundary=x", b"no part at all", 400, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_bad_submissions_name_the_field_and_are_kept(
    capture: Capture, content_type: str, body: bytes, status: int, pointer: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await capture.client.post(LEADS, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    if pointer is not None:
        assert pointer in {error["pointer"] for error in problem["errors"]}
    (kept,) = await capture.bad()
    assert kept["status"] == status
    assert kept["body"] == body.decode("utf-8", "replace")
    assert problem["detail"] in kept["reason"]
    assert await capture.events() == []


async def test_every_wrong_field_is_named_at_once_without_its_value(capture: Capture) -> None:
    answer = await capture.post(
        {"email": "secret-name", "form_id": "../secret", "fields": {"x": {"y": "secret"}}}
    )
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/email",
        "/form_id",
        "/fields/x",
    }
    assert "secret" not in answer.text


async def test_an_optional_value_that_can_not_be_read_is_kept_and_refuses_nobody(
    capture: Capture,
) -> None:
    budget = {"name": "budget", "type": "number", "kind": "fact"}
    await capture.client.put("/capture/v1/fields", json={"items": [budget]})
    typed = {
        "country": "unknown",
        "employees": "plenty",
        "phone": "ring me",
        "website": "none yet",
    }
    form = {"email": "a@example.com", "company": "Acme", **typed, "fields": {"budget": "a lot"}}
    answer = await capture.post(form)
    assert answer.status_code == 202
    captured, contact = [event.data for event in await capture.events()]
    assert isinstance(captured, LeadCaptured)
    assert captured.facts["company"] == "Acme"
    assert not {*typed, "fields.budget"} & captured.facts.keys()
    assert isinstance(contact, ContactUpdated)
    assert contact.fields == {**typed, "budget": "a lot"}
    # A value that can be read takes its place, and what was unreadable stays beside it.
    await capture.post({"email": "a@example.com", "country": "France", "employees": "50-200"})
    later = [event.data for event in await capture.events()][2]
    assert isinstance(later, ActivityRecorded)
    assert (later.facts["country"], later.facts["employees"]) == ("FR", 125)


@pytest.mark.parametrize("employees", [True, -1, 10**400, 1.5, "9" * 150, ""])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_number_of_people_is_too_odd_to_be_taken(capture: Capture, employees: Any) -> None:
    assert (await capture.post({"email": "a@b.co", "employees": employees})).status_code == 202
    assert "employees" not in (await capture.events())[0].data.facts  # type: ignore[attr-defined]


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_64_kb_is_refused_and_its_beginning_kept(
    capture: Capture, chunked: bool
) -> None:
    body = b'{"email":"' + b"a" * (MAX_BODY + 10)

    async def chunks() -> Any:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    answer = await capture.client.post(
        LEADS,
        content=chunks() if chunked else body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    (kept,) = await capture.bad()
    assert 60_000 < len(kept["body"]) <= MAX_BODY


async def test_only_those_who_may_post_leads(capture: Capture) -> None:
    assert (await capture.post(ADA, Authorization="Bearer nonsense")).status_code == 401
    assert (await capture.post(ADA, **capture.bearer(Role.REP))).status_code == 403
    for role in (Role.FORM, Role.SERVICE, Role.MARKETER, Role.ADMIN):
        assert (await capture.post(ADA, **capture.bearer(role))).status_code == 202
    form = capture.bearer(Role.FORM)
    for path in (LEADS, "/capture/v1/fields", "/capture/v1/bad-submissions"):
        assert (await capture.client.get(path, headers=form)).status_code == 403
    assert await capture.bad() == []


async def test_a_lead_is_read_with_its_touches_and_listed_without_its_person(
    capture: Capture,
) -> None:
    lead_id = (await capture.post(ADA)).json()["lead_id"]
    await capture.post({"email": "ada@example.com", "utm_source": "search"})
    lead = (await capture.client.get(f"{LEADS}/{lead_id}")).json()
    assert lead["contact"]["email"] == "ada@example.com"
    assert lead["facts"]["touches"] == 2
    assert lead["attribution"]["utm_source"] == "newsletter"
    assert [touch["attribution"].get("utm_source") for touch in lead["touches"]] == [
        "search",
        "newsletter",
    ]
    assert lead["consent"][0]["text"] == "Yes"
    first = (await capture.client.get(LEADS, params={"limit": 1})).json()
    assert first["items"] == [{"lead_id": lead_id, "captured_at": "2026-11-23T09:30:00Z"}]
    rest = await capture.client.get(LEADS, params={"cursor": first["next_cursor"]})
    assert rest.json() == {"items": [], "next_cursor": None}
    for unknown in ("00000000-0000-0000-0000-000000000000", "nobody", "%00"):
        assert (await capture.client.get(f"{LEADS}/{unknown}")).status_code == 404
    assert (await capture.client.get(LEADS, params={"cursor": "AAAA"})).status_code == 400


async def test_the_interface_is_documented(capture: Capture) -> None:
    document = (await capture.client.get("/capture/openapi.json")).json()
    post = document["paths"][LEADS]["post"]
    assert set(post["requestBody"]["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }
    assert "email" in document["components"]["schemas"]["Lead"]["properties"]


async def test_a_lead_is_found_by_its_address(capture: Capture) -> None:
    first = (await capture.post(ADA)).json()["lead_id"]
    await capture.post({"email": "bob@example.com"})

    async def found(**params: str) -> Any:
        return await capture.client.get(LEADS, params=params, headers=capture.bearer(Role.MARKETER))

    one = await found(email=" ADA@example.com")
    assert [lead["lead_id"] for lead in one.json()["items"]] == [first]
    assert (await found(email="eve@example.com")).json()["items"] == []
    assert (await found(email="ada")).status_code == 422
    misspelt = await found(emial="ada@example.com")
    assert misspelt.status_code == 400
    assert "Did you mean email?" in misspelt.json()["detail"]


async def test_a_rep_sees_what_a_lead_did_and_not_who_it_is(capture: Capture) -> None:
    lead_id = (await capture.post(ADA)).json()["lead_id"]
    rep = capture.bearer(Role.REP)
    assert (await capture.client.get(f"{LEADS}/{lead_id}", headers=rep)).status_code == 403
    told = await capture.client.get(f"{LEADS}/{lead_id}/touches", headers=rep)
    assert told.status_code == 200
    assert told.json()["touch_count"] == 1
    assert told.json()["attribution"]["utm_source"] == "newsletter"
    (consent,) = told.json()["consent"]
    assert (consent["purpose"], consent["granted"]) == ("marketing", True)
    for secret in ("ada", "Lovelace", "7946", "call me", "Yes", "5000", "Analytical"):
        assert secret not in told.text, secret
