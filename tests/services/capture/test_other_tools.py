"""Forms and webhooks of other tools, as those send them: HubSpot, Salesforce, Typeform, Meta."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from services.capture.domain.source import allowed_address, is_host
from services.capture.domain.webhook import BadMapping, compiled
from shared.access import Role
from tests.services.capture.conftest import LEADS, Capture
from tests.services.capture.payloads import (
    HUBSPOT,
    HUBSPOT_INTEREST,
    META,
    META_FETCHED,
    SALESFORCE,
    TYPEFORM,
)

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SOURCES, HOOKS = "/capture/v1/sources", "/capture/v1/hooks"
PORTAL, FORM = "62515", "78c2891f-ebdd-44c0-bd94-15c012bbbfbf"
OURS = f"/capture/v1/hubspot/{PORTAL}/{FORM}"
THEIRS = f"/capture/submissions/v3/integration/submit/{PORTAL}/{FORM}"
WEB_TO_LEAD = "/capture/v1/web-to-lead"
SECRET = "a-secret-of-theirs"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def source(capture: Capture, **document: Any) -> dict[str, Any]:
    """Set a tool up, as a marketer does."""
    answer = await capture.client.post(
        SOURCES, json={"name": "x", **document}, headers=capture.bearer(Role.MARKETER)
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def send(capture: Capture, path: str, **request: Any) -> httpx.Response:
    """Without a key of ours."""
    made = capture.client.build_request("POST", path, **request)
    made.headers.pop("authorization", None)
    return await capture.client.send(made)


async def leads(capture: Capture) -> list[dict[str, Any]]:
    items = (await capture.client.get(LEADS)).json()["items"]
    return [(await capture.client.get(f"{LEADS}/{one['lead_id']}")).json() for one in items]


def signed(body: bytes, encoding: str = "hex", secret: str = SECRET) -> str:
    mac = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return "sha256=" + (mac.hex() if encoding == "hex" else base64.b64encode(mac).decode())


# HubSpot


async def test_a_hubspot_form_goes_in_unmodified(capture: Capture) -> None:
    await source(capture, kind="hubspot", portal_id=PORTAL, purposes={"999": "marketing"})
    answer = await send(capture, THEIRS, json=HUBSPOT)
    assert answer.status_code == 200
    assert answer.json() == {"inlineMessage": "Thanks for submitting the form."}
    again = await send(capture, THEIRS, json=HUBSPOT)  # a double click
    assert again.json() == answer.json()
    (lead,) = await leads(capture)
    assert lead["touch_count"] == 1
    facts, contact = lead["facts"], lead["contact"]
    assert (facts["job_title"], facts["employees"], facts["country"]) == ("VP Sales", 200, "DE")
    assert facts["company"] == "Engines"
    assert facts["form_id"] == FORM
    assert (contact["first_name"], contact["last_name"]) == ("Ada", "Byron")
    assert contact["fields"] == {
        "favourite_engine": "difference",
        "page_name": "Book a demo",
        "hutk": HUBSPOT["context"]["hutk"],
    }
    assert lead["attribution"]["page_url"] == "https://www.engines.example/demo"
    assert lead["attribution"]["utm_source"] == "linkedin"
    consent = {one["purpose"]: one for one in lead["consent"]}
    assert consent["processing"]["granted"] is True
    assert consent["marketing"]["text"] == "Tell me what is new."
    assert (consent["subscription_777"]["granted"], consent["marketing"]["basis"]) == (
        False,
        "consent",
    )
    assert "203.0.113.9" not in json.dumps(lead)


@SQLITE
async def test_legitimate_interest_and_a_redirect(capture: Capture) -> None:
    there = "https://www.engines.example/thanks"
    await source(capture, kind="hubspot", portal_id=PORTAL, form_ids=[FORM], redirect_uri=there)
    answer = await send(capture, OURS, json=HUBSPOT_INTEREST)
    assert answer.json() == {"redirectUri": there}
    (lead,) = await leads(capture)
    (consent,) = lead["consent"]
    assert (consent["purpose"], consent["granted"]) == ("subscription_999", True)
    assert consent["basis"] == "legitimate_interest (LEAD)"
    other = OURS.replace(FORM, "another-form")
    assert (await send(capture, other, json=HUBSPOT_INTEREST)).status_code == 404


@SQLITE
async def test_without_a_source_a_key_is_needed(capture: Capture) -> None:
    refused = await send(capture, THEIRS, json=HUBSPOT)
    assert refused.status_code == 404
    assert refused.json()["status"] == "error"
    assert refused.json()["errors"][0]["errorType"] == "FORM_NOT_FOUND"
    (kept,) = await capture.bad()
    assert kept["source"] == "open:unknown"
    headers = capture.bearer(Role.FORM)
    assert (await capture.client.post(OURS, json=HUBSPOT, headers=headers)).status_code == 200
    headers = capture.bearer(Role.REP)
    assert (await capture.client.post(OURS, json=HUBSPOT, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        (b"{", "INVALID_REQUEST"),
        (b"[]", "INVALID_REQUEST"),
        (b'{"fields":{}}', "INVALID_REQUEST"),
        (b'{"fields":[{"value":"x"}]}', "INVALID_REQUEST"),
        (b'{"fields":[{"name":"email","value":"nobody"}]}', "INVALID_EMAIL"),
        (b'{"fields":[{"name":"firstname","value":"Ada"}]}', "REQUIRED_FIELD"),
        (b'{"fields":[],"context":7}', "INVALID_METADATA"),
        (b'{"fields":[],"legalConsentOptions":[1]}', "INVALID_LEGAL_OPTION_FORMAT"),
        (b'{"fields":[],"legalConsentOptions":{"consent":5}}', "INVALID_LEGAL_OPTION_FORMAT"),
        (b'{"fields":[{"name":"email","value":"\\ud800@x.de"}]}', "INVALID_REQUEST"),
    ],
)
@SQLITE
async def test_hubspots_errors_have_hubspots_shape(
    capture: Capture, body: bytes, error_type: str
) -> None:
    await source(capture, kind="hubspot", portal_id=PORTAL)
    answer = await send(capture, THEIRS, content=body)
    assert answer.status_code == 400, answer.text
    document = answer.json()
    assert document["status"] == "error"
    assert document["errors"][0]["errorType"] == error_type
    assert "nobody" not in answer.text
    (kept,) = await capture.bad()
    assert kept["body"] == body.decode()
    assert await leads(capture) == []


@SQLITE
async def test_pages_of_allowed_hosts_may_post_by_script(capture: Capture) -> None:
    await source(capture, kind="hubspot", portal_id=PORTAL, allowed_hosts=["*.engines.example"])
    for origin, status in (("https://www.engines.example", 204), ("https://evil.example", 403)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asked = await capture.client.options(THEIRS, headers=headers)
        assert asked.status_code == status
        answer = await send(capture, THEIRS, json=HUBSPOT, headers={"Origin": origin})
        assert answer.status_code == (200 if status == 204 else 403)
        assert answer.headers["Access-Control-Allow-Origin"] == origin


# Salesforce


async def web_to_lead(capture: Capture, **more: Any) -> dict[str, Any]:
    return await source(
        capture,
        **{
            "kind": "web_to_lead",
            "source_id": "salesforce",
            "oid": "00D5e0000019xyzEAA",
            "allowed_hosts": ["www.engines.example"],
            "mapping": {"00N5e00000AbCdE": "budget"},
            **more,
        },
    )


async def test_a_salesforce_form_goes_in_unmodified(capture: Capture) -> None:
    await web_to_lead(capture)
    answer = await send(capture, WEB_TO_LEAD + "?encoding=UTF-8", data=SALESFORCE, headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["Location"] == SALESFORCE["retURL"]
    (lead,) = await leads(capture)
    facts, contact = lead["facts"], lead["contact"]
    assert (facts["job_title"], facts["employees"], facts["country"]) == ("VP Sales", 200, "DE")
    assert (facts["company"], facts["form_id"]) == ("Engines", "salesforce")
    assert contact["message"] == "Two engines, please."
    assert contact["website"] == "https://www.engines.example"
    assert contact["fields"] == {
        "city": "Köln", "state": "NRW", "budget": "5000", "00N5e00000FgHiJ": "difference",
    }  # fmt: skip
    assert lead["attribution"]["utm_source"] == "Partner Referral"
    (consent,) = lead["consent"]
    assert (consent["purpose"], consent["granted"]) == ("email", False)
    assert "admin@" not in json.dumps(lead)


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/", "https://www.engines.example.evil.example/",
        "//www.engines.example",
        "javascript:alert(1)", "https://www.engines.example@evil.example/", "/local", "",
        "https://evil.example\\@www.engines.example", "https://www.engines.example:x/",
        "https://evil.example@www.engines.example/",
    ],
)  # fmt: skip
@SQLITE
async def test_a_browser_is_sent_to_allowed_hosts_alone(capture: Capture, where: str) -> None:
    await web_to_lead(capture)
    form = {**SALESFORCE, "retURL": where}
    answer = await send(capture, WEB_TO_LEAD, data=form, headers=BROWSER)
    assert answer.status_code == 200
    assert "Thank you" in answer.text
    assert "Location" not in answer.headers


@SQLITE
async def test_a_program_is_answered_in_json_and_errors_by_name(capture: Capture) -> None:
    await web_to_lead(capture)
    answer = await send(capture, WEB_TO_LEAD, data=SALESFORCE)
    assert answer.status_code == 202
    assert answer.json()["status"] == "captured"
    nobody = {**SALESFORCE, "email": "nobody", "oid": "00D5e0000019xyz"}
    refused = await send(capture, WEB_TO_LEAD, data=nobody)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/email"
    page = await send(capture, WEB_TO_LEAD, data=nobody, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"][:9]) == (422, "text/html")
    other = await send(capture, WEB_TO_LEAD, data={**SALESFORCE, "oid": "00D000000000000"})
    assert other.status_code == 404
    assert [one["source"] for one in await capture.bad()] == [
        "open:unknown", "open:salesforce", "open:salesforce",
    ]  # fmt: skip


@SQLITE
async def test_a_form_says_which_character_set_it_is_in(capture: Capture) -> None:
    await web_to_lead(capture)
    body = urlencode({**SALESFORCE, "city": "Köln"}, encoding="latin-1", quote_via=quote)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    path = WEB_TO_LEAD + "?encoding=ISO-8859-1"
    answer = await send(capture, path, content=body.encode(), headers=headers)
    assert answer.status_code == 202
    assert (await leads(capture))[0]["contact"]["fields"]["city"] == "Köln"
    for odd in ("utf-16", "punycode", "rot13", "idna", "no-such", "\0"):
        path = f"{WEB_TO_LEAD}?encoding={quote(odd)}"
        answer = await send(capture, path, content=body.encode(), headers=headers)
        assert answer.status_code == 415, odd


# Webhooks


async def test_typeform_as_typeform_signs(capture: Capture) -> None:
    made = await source(capture, kind="webhook", preset="typeform", secret=SECRET)
    assert made["posts_to"] == f"{HOOKS}/{made['source_id']}"
    body = json.dumps(TYPEFORM, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json",
        "Typeform-Signature": signed(body, "base64"),
    }
    answer = await send(capture, made["posts_to"], content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    (item,) = answer.json()["items"]
    assert item["status"] == "captured"
    again = await send(capture, made["posts_to"], content=body, headers=headers)
    assert again.json()["items"][0]["submission_id"] == item["submission_id"]
    (lead,) = await leads(capture)
    contact, facts = lead["contact"], lead["facts"]
    assert (contact["first_name"], contact["last_name"]) == ("Ada", "Byron")
    assert contact["email"] == "ada@engines.example"
    assert (facts["job_title"], facts["employees"], facts["form_id"]) == (
        "VP Sales", 125, "lT4Z3j",
    )  # fmt: skip
    assert lead["attribution"]["utm_campaign"] == "spring"
    assert contact["fields"] == {
        "Which engines interest you": ["difference", "analytical"],
        "score": 9,
    }
    assert lead["touch_count"] == 1


@pytest.mark.parametrize("broken", ["none", "hex", "other secret", "other body"])
@SQLITE
async def test_a_wrong_signature_is_refused_and_kept(capture: Capture, broken: str) -> None:
    made = await source(capture, kind="webhook", preset="typeform", secret=SECRET)
    body = json.dumps(TYPEFORM).encode()
    signature = {
        "none": "",
        "hex": signed(body),
        "other secret": signed(body, "base64", "another-one"),
        "other body": signed(body + b" ", "base64"),
    }[broken]
    headers = {"Typeform-Signature": signature} if signature else {}
    answer = await send(capture, made["posts_to"], content=body, headers=headers)
    assert answer.status_code == 401
    assert SECRET not in answer.text
    (kept,) = await capture.bad()
    assert (kept["status"], kept["source"]) == (401, f"open:{made['source_id']}")
    assert kept["body"] == body.decode()
    assert await leads(capture) == []


@SQLITE
async def test_meta_verifies_the_address_and_signs_what_it_sends(capture: Capture) -> None:
    made = await source(
        capture, kind="webhook", preset="meta", secret=SECRET, verify_token="a-token-of-ours"
    )
    assert "a-token-of-ours" not in json.dumps((await capture.client.get(SOURCES)).json())
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    right = {**asked, "hub.verify_token": "a-token-of-ours"}
    answer = await capture.client.get(made["posts_to"], params=right)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    wrong = {**asked, "hub.verify_token": "guessed"}
    assert (await capture.client.get(made["posts_to"], params=wrong)).status_code == 403

    body = json.dumps(META).encode()
    headers = {"X-Hub-Signature-256": signed(body)}
    answer = await send(capture, made["posts_to"], content=body, headers=headers)
    assert answer.status_code == 202  # sent again it would bring no more
    (item,) = answer.json()["items"]
    assert item["status"] == "set_aside"
    assert "email is needed" in item["reason"]
    (kept,) = await capture.bad()
    assert kept["source"] == f"source:{made['source_id']}"
    assert "2900000000000001" in kept["body"]

    body = json.dumps(META_FETCHED).encode()
    headers = {"X-Hub-Signature-256": signed(body)}
    answer = await send(capture, made["posts_to"], content=body, headers=headers)
    assert answer.json()["items"][0]["status"] == "captured"
    (lead,) = await leads(capture)
    assert (lead["contact"]["first_name"], lead["facts"]["company"]) == ("Ada", "Engines")
    assert lead["facts"]["channel"] == "paid_social"
    assert lead["contact"]["fields"]["which_engine"] == "difference"
    assert lead["contact"]["fields"]["leadgen_id"] == "2900000000000001"


async def test_any_webhook_is_mapped_by_jmespath(capture: Capture) -> None:
    made = await source(
        capture,
        kind="webhook",
        source_id="events",
        leads="data.people[]",
        idempotency="id",
        mapping={"email": "mail", "full_name": "join(' ', [given, family])", "budget": "money.eur"},
        verification={"type": "secret", "header": "Authorization-Token", "prefix": "Token "},
    )
    people = [
        {"id": n, "mail": f"{n}@example.com", "given": "Ada", "family": "B", "money": {"eur": n}}
        for n in range(3)
    ]
    people[1]["mail"] = "nobody"
    headers = {"Authorization-Token": f"Token {made['secret']}"}
    answer = await send(
        capture, made["posts_to"], json={"data": {"people": people}}, headers=headers
    )
    assert [one["status"] for one in answer.json()["items"]] == [
        "captured", "set_aside", "captured",
    ]  # fmt: skip
    found = {lead["contact"]["email"]: lead["contact"] for lead in await leads(capture)}
    assert found["2@example.com"]["fields"] == {"budget": 2}
    assert (found["0@example.com"]["first_name"], found["0@example.com"]["last_name"]) == (
        "Ada", "B",
    )  # fmt: skip
    (kept,) = await capture.bad()
    assert "e-mail" in kept["reason"]
    # The same id again is the same submission, whatever else has changed.
    people[0]["given"] = "Augusta"
    again = await send(
        capture, made["posts_to"], json={"data": {"people": people[:1]}}, headers=headers
    )
    assert again.json()["items"][0] == answer.json()["items"][0]


@SQLITE
async def test_a_mapping_that_finds_no_lead_sets_it_aside_with_the_reason(
    capture: Capture,
) -> None:
    made = await source(capture, kind="webhook", leads="people", mapping={"email": "join(a, b)"})
    headers = {"X-Webhook-Secret": made["secret"]}
    for body in ({"people": "none"}, {"people": [{"a": 1}]}, {}):
        answer = await send(capture, made["posts_to"], json=body, headers=headers)
        assert answer.status_code == 202
        assert answer.json()["items"][0]["status"] == "set_aside"
    assert {one["status"] for one in await capture.bad()} == {422}
    answer = await send(capture, made["posts_to"], content=b"{", headers=headers)
    assert answer.status_code == 400
    assert len(await capture.bad()) == 4


@SQLITE
async def test_a_webhook_without_a_mapping_is_taken_by_the_synonyms(capture: Capture) -> None:
    made = await source(capture, kind="webhook", name="Zapier")
    headers = {"X-Webhook-Secret": made["secret"]}
    body = {"Work Email": "ada@engines.example", "Job Title": "VP Sales"}
    answer = await send(capture, made["posts_to"], json=body, headers=headers)
    assert answer.json()["items"][0]["status"] == "captured"
    answer = await send(capture, made["posts_to"], data=body, headers=headers)
    assert answer.json()["items"][0]["status"] == "touched"
    (lead,) = await leads(capture)
    assert lead["facts"]["job_title"] == "VP Sales"
    assert lead["facts"]["form_id"] == made["source_id"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@SQLITE
async def test_hmacs_of_every_kind(capture: Capture, algorithm: str, encoding: str) -> None:
    how = {"type": "hmac", "header": "X-Sig", "algorithm": algorithm, "encoding": encoding}
    made = await source(capture, kind="webhook", secret=SECRET, verification=how)
    body = b'{"email":"a@example.com"}'
    mac = hmac.new(SECRET.encode(), body, algorithm).digest()
    sent = mac.hex() if encoding == "hex" else base64.b64encode(mac).decode()
    answer = await send(capture, made["posts_to"], content=body, headers={"X-Sig": sent})
    assert answer.status_code == 202
    for wrong in (sent[:-2], "", "\xc3\xa9", SECRET):
        headers: Any = {b"X-Sig": wrong.encode("latin-1")}
        answer = await send(capture, made["posts_to"], content=body, headers=headers)
        assert answer.status_code == 401


# Setting them up


async def test_sources_are_set_up_changed_and_removed(capture: Capture) -> None:
    made = await source(capture, kind="webhook", source_id="forms", secret=SECRET)
    assert made["secret"] == SECRET
    shown = (await capture.client.get(f"{SOURCES}/forms")).json()
    assert shown["has_secret"] is True
    assert "secret" not in shown
    assert SECRET not in json.dumps((await capture.client.get(SOURCES)).json())
    off = {"kind": "webhook", "name": "Forms", "active": False}
    changed = await capture.client.put(f"{SOURCES}/forms", json=off)
    assert (changed.status_code, changed.json()["name"]) == (200, "Forms")
    headers = {"X-Webhook-Secret": SECRET}
    hook = f"{HOOKS}/forms"
    lead = {"email": "a@example.com"}
    assert (await send(capture, hook, json=lead, headers=headers)).status_code == 404
    await capture.client.put(f"{SOURCES}/forms", json={**off, "active": True})
    assert (await send(capture, hook, json=lead, headers=headers)).status_code == 202
    twice = await capture.client.post(SOURCES, json={**off, "source_id": "forms"})
    assert twice.status_code == 409
    other = {"kind": "hubspot", "name": "x", "portal_id": "1"}
    assert (await capture.client.put(f"{SOURCES}/forms", json=other)).status_code == 422
    assert (await capture.client.delete(f"{SOURCES}/forms")).status_code == 204
    for call in (capture.client.get, capture.client.delete):
        assert (await call(f"{SOURCES}/forms")).status_code == 404
    assert (await send(capture, hook, json=lead, headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"kind": "fax"}, ""),
        ({"kind": "hubspot"}, "/hubspot/portal_id"),
        ({"kind": "web_to_lead", "oid": "short"}, "/web_to_lead/oid"),
        ({"kind": "webhook", "mapping": {"email": "a["}}, "/mapping/email"),
        ({"kind": "webhook", "idempotency": "a.|"}, "/idempotency"),
        ({"kind": "webhook", "secret": "short"}, "/webhook/secret"),
        ({"kind": "webhook", "preset": "meta", "verification": {"type": "secret"}},
         "/verification"),
        ({"kind": "webhook", "verify_token": "x" * 9}, "/verify_token"),
    ],
)  # fmt: skip
@SQLITE
async def test_what_can_not_work_is_refused(
    capture: Capture, document: dict[str, Any], pointer: str
) -> None:
    answer = await capture.client.post(SOURCES, json={"name": "x", **document})
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


@SQLITE
async def test_only_marketers_set_them_up(capture: Capture) -> None:
    for role in (Role.SERVICE, Role.REP, Role.FORM):
        headers = capture.bearer(role)
        assert (await capture.client.get(SOURCES, headers=headers)).status_code == 403
        body = {"kind": "webhook", "name": "x"}
        answer = await capture.client.post(SOURCES, json=body, headers=headers)
        assert answer.status_code == 403


def test_hosts_match_whole_and_by_a_star() -> None:
    assert is_host("A.example", ["a.example"])
    assert is_host("x.y.example", ["*.y.example"])
    assert not is_host("y.example", ["*.y.example"])
    assert not is_host("evily.example", ["*.y.example", "y.example"])
    assert allowed_address("https://a.example:8443/x?y=1#z", ["a.example"])
    assert allowed_address("ftp://a.example/", ["a.example"]) is None


def test_an_expression_that_is_none_is_told_without_a_trace() -> None:
    with pytest.raises(BadMapping, match="is no JMESPath"):
        compiled("a[")


@SQLITE
async def test_nothing_is_answered_as_taken_or_kept_that_is_not_committed(
    capture: Capture,
) -> None:
    await source(capture, kind="hubspot", portal_id=PORTAL)
    made = await source(capture, kind="webhook")
    headers = {"X-Webhook-Secret": made["secret"]}
    parts = {part.name: part for part in capture.service.parts}
    await parts["capture.bad-writer"].stop()
    no_lead = await send(capture, made["posts_to"], json={"a": 1}, headers=headers)
    assert no_lead.status_code == 503
    assert no_lead.headers["Retry-After"]
    await parts["capture.writer"].stop()
    lead = {"email": "a@example.com"}
    assert (await send(capture, made["posts_to"], json=lead, headers=headers)).status_code == 503
    answer = await send(capture, THEIRS, json=HUBSPOT)
    assert (answer.status_code, answer.json()["status"]) == (503, "error")
    assert await leads(capture) == []
