"""Accounts: which one a lead belongs to, and who gets it then."""

from dataclasses import replace
from typing import Any

import pytest

from services.routing.domain.accounts import Account, Accounts, Domain, plain_domain, plain_name
from services.routing.domain.reps import Status
from services.routing.handlers import answers
from services.routing.handlers.accounts import Wanted, put_accounts
from shared.access import Role
from shared.contracts.vocabulary import RejectReason
from tests.services.routing.desk import Desk, mql
from tests.services.routing.test_handlers import NOON, happen, owner, rep, unit_of
from tests.services.routing.test_reps import OFFICE

ACME = Account("acme", "Acme Robotics GmbH", "ana", "ben", NOON, NOON)
FIRST = Account("first", "Company 1 Holding", None, None, NOON, NOON)
KNOWN = Accounts.of([ACME, FIRST], [Domain("acme.example", "acme")])


@pytest.mark.parametrize(
    ("facts", "account", "reason"),
    [
        ({"company_domain": "acme.example"}, "acme", "by its domain acme.example"),
        ({"company_domain": "mail.eu.acme.example"}, "acme", "by its domain acme.example"),
        ({"company_domain": "notacme.example", "company": "Other"}, None, ""),
        ({"company": "ACME Robotics"}, "acme", "100 % like Acme Robotics GmbH"),
        ({"company": "Acme Robotic"}, "acme", "% like Acme Robotics GmbH"),
        ({"company": "robotics acme, inc."}, "acme", "100 % like"),
        ({"company": "Acme"}, None, ""),
        ({"company": "Company 2 Holding"}, None, ""),
        ({"company": "Company 1 Holding Ltd."}, "first", "100 % like"),
        ({"company": "GmbH"}, None, ""),
        ({"company": 7, "company_domain": None}, None, ""),
        ({}, None, ""),
    ],
)
def test_a_lead_is_matched_by_domain_else_by_a_name_that_is_nearly_the_same(
    facts: dict[str, Any], account: str | None, reason: str
) -> None:
    match = KNOWN.match(facts)
    assert (match.account.account_id if match else None) == account
    assert match is None or reason in match.reason


def test_names_and_domains_as_people_write_them() -> None:
    assert plain_name("The Société Générale, S.A.") == "societe generale"
    assert plain_name("GmbH & Co. KG") == "gmbh co kg"
    assert plain_domain(" https://www.Acme.example/de ") == "acme.example"
    assert plain_domain("sales@acme.example") == "acme.example"
    assert plain_domain("acme") is None
    assert plain_domain("a b.example") is None


def test_the_owner_comes_first_then_the_stand_in_then_the_rules() -> None:
    unit = unit_of(rep("ana", 2, calibration=90.0), rep("ben", 2, calibration=90.0), rep("chloe"))
    put_accounts(unit, [Wanted("Acme", ["acme.example"], "ana", "ben")])
    leads = [mql(company_domain="acme.example") for _ in range(6)]
    happen(unit, *leads)
    got = [owner(unit, lead.lead_id).rep_id for lead in leads]
    assert got == ["ana", "ana", "ben", "ben", "chloe", "chloe"]
    reasons = [one.reason for one in unit.decisions]
    assert reasons[0] == "looks after Acme, whose lead it is: by its domain acme.example"
    assert reasons[2].startswith("stands in for whoever looks after Acme")
    kept = unit.leads.get(leads[0].lead_id)
    assert kept is not None
    assert (kept.account_id, kept.account_reason) == ("acme", "by its domain acme.example")


@pytest.mark.parametrize(
    "away", [{"status": Status.PAUSED}, {"hours": {"sun": [("09:00", "10:00")]}}]
)
def test_an_owner_who_is_away_has_a_stand_in(away: dict[str, Any]) -> None:
    unit = unit_of(rep("chloe"), rep("ben", calibration=90.0), rep("ana", hours=OFFICE))
    unit.reps.put(replace(rep("ana", hours=OFFICE), **away))
    put_accounts(unit, [Wanted("Acme", ["acme.example"], "ana", "ben")])
    lead = mql(company_domain="acme.example")
    happen(unit, lead)
    assert owner(unit, lead.lead_id).rep_id == "ben"


def test_who_gets_it_by_account_may_be_outside_the_rule_and_is_not_asked_twice() -> None:
    rules = [{"id": "chloes", "when": [], "rep_ids": ["chloe"]}]
    unit = unit_of(replace(rep("ana"), weight=0), rep("chloe"), rules=rules)
    put_accounts(unit, [Wanted("Acme", ["acme.example"], "ana")])
    lead = mql(company_domain="acme.example")
    happen(unit, lead)
    first = owner(unit, lead.lead_id)
    assert first.rep_id == "ana"
    answers.reject(unit, answers.Answer(first.assignment_id), RejectReason.WRONG_TERRITORY)
    assert owner(unit, lead.lead_id).rep_id == "chloe"


async def test_accounts_by_api_and_by_table(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    made = await admin.post(
        "/routing/v1/accounts",
        json={"name": "Acme GmbH", "domains": ["www.acme.example"], "owner_id": "ana"},
    )
    assert made.status_code == 201
    assert made.json() == {
        "account_id": "acme-gmbh",
        "name": "Acme GmbH",
        "domains": ["acme.example"],
        "owner_id": "ana",
        "stand_in_id": None,
    }
    table = (
        "\ufeffname;domains;owner_id\r\n"
        "Globex;globex.example globex.test;ben\r\n"
        "\"=cmd|' /C calc'!A0\";;\r\n"
    )
    sent = await admin.put("/routing/v1/accounts.csv", content=table.encode())
    assert sent.json() == {"accounts": 2}
    lead = mql(company_domain="globex.test")
    await desk.happen(lead)
    assert (await desk.history(lead.lead_id))[0].rep_id == "ben"
    back = await admin.get("/routing/v1/accounts.csv")
    assert "globex,Globex,globex.example globex.test,ben," in back.text
    assert "'=cmd" in back.text
    assert (await admin.put("/routing/v1/accounts.csv", content=back.content)).is_success
    assert (await admin.get("/routing/v1/accounts.csv")).text == back.text
    moved = await admin.patch("/routing/v1/accounts/globex", json={"owner_id": "ana"})
    assert moved.json()["domains"] == ["globex.example", "globex.test"]
    other = mql(company_domain="globex.test")
    await desk.happen(other)
    assert (await desk.history(other.lead_id))[0].rep_id == "ana"
    first = (await admin.get("/routing/v1/accounts?limit=1")).json()
    rest = (await admin.get(f"/routing/v1/accounts?cursor={first['next_cursor']}")).json()
    assert len(first["items"]) + len(rest["items"]) == 3
    rep_client = await desk.client(Role.REP, "ana")
    assert (await rep_client.post("/routing/v1/accounts", json={"name": "x"})).status_code == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "A", "domains": ["no domain"]}, "/domains/0"),
        ({"name": "A", "domains": ["acme.example"]}, "/domains"),
        ({"name": "A", "owner_id": "ghost"}, "/owner_id"),
        ({"name": "A", "owner_id": "ana", "stand_in_id": "ana"}, "/stand_in_id"),
        ({"name": ""}, "/name"),
    ],
)
async def test_what_can_not_be_is_refused_and_changes_nothing(
    desk: Desk, body: dict[str, Any], pointer: str
) -> None:
    admin = await desk.client(Role.ADMIN)
    await desk.add_reps(("ana", 1, 9))
    await admin.post("/routing/v1/accounts", json={"name": "Acme", "domains": ["acme.example"]})
    refused = await admin.post("/routing/v1/accounts", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer
    assert len((await admin.get("/routing/v1/accounts")).json()["items"]) == 1
    for table, status in (
        (b"title\nx\n", 422),
        (b"name,domains\nNew,new.example\n,x\n", 422),
        (b'name\n"open\n', 400),
        ("name\nCaf\u00e9\n".encode("latin-1"), 400),
    ):
        assert (await admin.put("/routing/v1/accounts.csv", content=table)).status_code == status
    assert len((await admin.get("/routing/v1/accounts")).json()["items"]) == 1
