"""The JSON API: answers, fencing, rights, and what is wrong with a request."""

import httpx
import pytest

from shared.access import Role
from tests.services.routing.desk import Desk, mql, person

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


async def one_lead(desk: Desk) -> tuple[httpx.AsyncClient, str, str]:
    """A rep's client, an assignment of theirs and its lead."""
    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(person(lead.lead_id), lead)
    (row,) = await desk.history(lead.lead_id)
    return await desk.client(Role.REP, "ana"), row.assignment_id, lead.lead_id


async def test_acknowledge_accept_and_repeats(desk: Desk) -> None:
    rep, assignment_id, lead_id = await one_lead(desk)
    base = f"/routing/v1/assignments/{assignment_id}"
    for _ in range(2):
        answer = await rep.post(f"{base}/acknowledge")
        assert answer.status_code == 200
        assert answer.json()["state"] == "ACKNOWLEDGED"
    for _ in range(2):
        answer = await rep.post(f"{base}/accept", json={"attempt": 1})
        assert answer.status_code == 200
        assert answer.json()["state"] == "ACCEPTED"
    late = await rep.post(f"{base}/reject", json={"reason": "SPAM"})
    assert late.status_code == 409
    assert late.headers["content-type"] == "application/problem+json"
    assert late.json()["state"] == "ACCEPTED"
    assert (await rep.post(f"{base}/acknowledge")).status_code == 409
    kinds = [type(event).__name__ for event in await desk.emitted(lead_id)]
    assert kinds == ["LeadAssigned", "LeadAcknowledged", "LeadAccepted"]


async def test_reject_needs_a_known_reason(desk: Desk) -> None:
    rep, assignment_id, lead_id = await one_lead(desk)
    base = f"/routing/v1/assignments/{assignment_id}"
    for body in (None, {}, {"reason": "MEH"}, {"reason": None}):
        refused = await rep.post(f"{base}/reject", json=body)
        assert refused.status_code == 422, refused.text
        assert "WRONG_TERRITORY" in refused.json()["allowed"]["procedural"]
        assert refused.json()["errors"][0]["pointer"] == "/reason"
    for _ in range(2):
        done = await rep.post(f"{base}/reject", json={"reason": "DUPLICATE", "note": "twice"})
        assert done.status_code == 200
        assert done.json()["state"] == "REJECTED"
    other = await rep.post(f"{base}/reject", json={"reason": "SPAM"})
    assert other.status_code == 409
    kinds = [type(event).__name__ for event in await desk.emitted(lead_id)]
    assert kinds == ["LeadAssigned", "LeadRejected"]


async def test_what_no_column_holds_is_the_callers_mistake(desk: Desk) -> None:
    rep, assignment_id, _ = await one_lead(desk)
    base = f"/routing/v1/assignments/{assignment_id}"
    huge = await rep.post(f"{base}/accept", json={"attempt": 2**70})
    assert huge.status_code == 422
    huge = await rep.post(f"{base}/accept", headers={"If-Match": f'"{2**70}"'})
    assert huge.status_code == 400
    assert (await rep.get("/routing/v1/assignments/%00")).status_code in (404, 422)
    assert (await rep.get("/routing/v1/leads/a%00b/decision")).status_code in (404, 422)
    body = {"reason": "SPAM", "note": "a\x00b"}
    noted = await rep.post(f"{base}/reject", json=body)
    assert noted.status_code in (200, 422), noted.text


async def test_the_attempt_fences(desk: Desk) -> None:
    rep, assignment_id, _ = await one_lead(desk)
    base = f"/routing/v1/assignments/{assignment_id}"
    wrong = await rep.post(f"{base}/accept", json={"attempt": 2})
    assert wrong.status_code == 409
    assert wrong.json()["attempt"] == 1
    assert (await rep.post(f"{base}/accept", headers={"If-Match": '"2"'})).status_code == 409
    assert (await rep.post(f"{base}/accept", headers={"If-Match": "x"})).status_code == 400
    assert (await rep.post(f"{base}/accept", headers={"If-Match": '"1"'})).status_code == 200


async def test_after_a_breach_the_late_rep_is_told_so(desk: Desk) -> None:
    rep, assignment_id, _ = await one_lead(desk)
    await desk.add_reps(("ben", 1, 9))
    await desk.run_out()
    await desk.expire()
    late = await rep.post(f"/routing/v1/assignments/{assignment_id}/accept")
    assert late.status_code == 409
    assert late.json()["state"] == "EXPIRED"
    assert len(await desk.open_rows()) == 1


async def test_a_rep_sees_and_answers_their_own_leads_only(desk: Desk) -> None:
    rep, assignment_id, lead_id = await one_lead(desk)
    stranger = await desk.client(Role.REP, "ben")
    base = f"/routing/v1/assignments/{assignment_id}"
    assert (await stranger.post(f"{base}/accept")).status_code == 403
    assert (await stranger.get(base)).status_code == 403
    assert (await stranger.get("/routing/v1/assignments?rep_id=ana")).status_code == 403
    assert (await stranger.get(f"/routing/v1/leads/{lead_id}/decision")).status_code == 403
    assert (await stranger.get("/routing/v1/assignments")).json()["items"] == []
    assert (await rep.get(base)).json()["contact"]["first_name"] == "Jane"
    assert (await rep.get(f"/routing/v1/leads/{lead_id}/decision")).json()["rep_id"] == "ana"
    assert [r["rep_id"] for r in (await rep.get("/routing/v1/reps")).json()["items"]] == ["ana"]
    assert (await rep.post("/routing/v1/assignments/nope/accept")).status_code == 404


async def test_roles(desk: Desk) -> None:
    _, assignment_id, lead_id = await one_lead(desk)
    base = f"/routing/v1/assignments/{assignment_id}"
    marketer = await desk.client(Role.MARKETER)
    service = await desk.client(Role.SERVICE)
    form = await desk.client(Role.FORM)
    assert (await marketer.post(f"{base}/accept")).status_code == 403
    assert (await marketer.put("/routing/v1/policy", json={})).status_code == 403
    assert (await form.get("/routing/v1/assignments")).status_code == 403
    for client in (marketer, service):
        found = (await client.get(base)).json()
        assert "contact" not in found
        assert (await client.get("/routing/v1/policy")).status_code == 200
        assert (await client.get(f"/routing/v1/leads/{lead_id}/decision")).status_code == 200
    nobody = httpx.AsyncClient(
        transport=httpx.ASGITransport(desk.service.app), base_url="http://routing.test"
    )
    assert (await nobody.get("/routing/v1/reps")).status_code == 401
    assert (await service.post(f"{base}/accept")).status_code == 200


async def test_lists_have_pages_and_filters(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    leads = [mql() for _ in range(5)]
    await desk.happen(*leads)
    admin = await desk.client(Role.ADMIN)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await admin.get(f"/routing/v1/assignments?limit=2&cursor={cursor}")).json()
        seen += [item["assignment_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    mine = (await admin.get("/routing/v1/assignments?rep_id=ana&state=ASSIGNED")).json()["items"]
    assert {item["rep_id"] for item in mine} == {"ana"}
    assert (await admin.get("/routing/v1/assignments?state=ACCEPTED")).json()["items"] == []
    one = await admin.get(f"/routing/v1/assignments?lead_id={leads[0].lead_id}")
    assert len(one.json()["items"]) == 1
    assert (await admin.get("/routing/v1/assignments?state=NOPE")).status_code == 422
    assert (await admin.get("/routing/v1/assignments?cursor=_w")).status_code == 400


async def test_reps_are_checked(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    made = await admin.post(
        "/routing/v1/reps", json={"name": "Ana", "time_zone": "Europe/Lisbon", "weight": 2}
    )
    assert made.status_code == 201
    rep_id = made.json()["rep_id"]
    assert rep_id == "rep-ana"
    assert made.json().items() >= {
        "name": "Ana", "email": None, "weight": 2, "capacity": 20,
        "status": "available", "active": True, "time_zone": "Europe/Lisbon",
    }.items()  # fmt: skip
    twice = await admin.post("/routing/v1/reps", json={"rep_id": rep_id, "name": "Ana"})
    assert twice.status_code == 409
    path = f"/routing/v1/reps/{rep_id}"
    for body, pointer in (
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"weight": -1}, "/weight"),
        ({"capacity": 1.5}, "/capacity"),
        ({"name": "  "}, "/name"),
        ({"email": "no"}, "/email"),
        ({"wieght": 3}, "/wieght"),
        ({"active": None}, "/active"),
    ):
        refused = await admin.patch(path, json=body)
        assert refused.status_code == 422, body
        assert refused.json()["errors"][0]["pointer"] == pointer
    changed = await admin.patch(path, json={"active": False, "email": "ana@x.example"})
    assert changed.json()["active"] is False
    assert changed.json()["name"] == "Ana"
    assert (await admin.patch("/routing/v1/reps/nope", json={"weight": 1})).status_code == 404


async def test_the_policy_is_numbered_and_checked(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    admin = await desk.client(Role.ADMIN)
    assert (await admin.get("/routing/v1/policy")).json()["version"] == 0
    body = {
        "sla_minutes": 5, "accept_minutes": 10, "max_attempts": 2, "max_rounds": 4, "rules": [],
        "sla_by_grade": [], "warn_at": 0.75, "escalate": True, "accounts_first": True,
        "fallback": {"to": "everybody"},
    }  # fmt: skip
    assert (await admin.put("/routing/v1/policy", json=body)).json()["version"] == 1
    assert (await admin.put("/routing/v1/policy", json=body)).json()["version"] == 2
    stale = await admin.put("/routing/v1/policy", json={**body, "version": 1})
    assert stale.status_code == 409
    assert stale.json()["version"] == 2
    rules = [
        {
            "id": "a",
            "when": [{"field": "employees", "operator": "is_bigger_ish", "value": 1}],
            "rep_ids": ["ana"],
        },
        {"id": "a", "when": [], "rep_ids": ["ana"]},
    ]
    bad = await admin.put("/routing/v1/policy", json={**body, "rules": rules})
    assert bad.status_code == 422
    assert [e["pointer"] for e in bad.json()["errors"]] == [
        "/rules/0/when/0/operator", "/rules/1/id",
    ]  # fmt: skip
    ghost = [{"id": "a", "rep_ids": ["ana", "ghost"]}]
    bad = await admin.put("/routing/v1/policy", json={**body, "rules": ghost})
    assert bad.json()["errors"][0]["pointer"] == "/rules/0/rep_ids/1"
    for field in ("sla_minutes", "max_attempts", "max_rounds"):
        none = await admin.put("/routing/v1/policy", json={**body, field: 0})
        assert none.json()["errors"][0]["pointer"] == f"/{field}"
    assert (await admin.get("/routing/v1/policy")).json() == {"version": 2, **body}
    del body["max_rounds"]
    assert (await admin.put("/routing/v1/policy", json=body)).json()["max_rounds"] == 3


async def test_a_newcomer_and_a_returner_start_level(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 900), ("ben", 1, 900))
    await desk.happen(*(mql() for _ in range(40)))
    await desk.add_reps(("new", 2, 900))
    await desk.happen(*(mql() for _ in range(8)))
    admin = await desk.client(Role.ADMIN)
    count = (await admin.get("/routing/v1/assignments?rep_id=new")).json()["items"]
    assert 3 <= len(count) <= 5
    await admin.patch("/routing/v1/reps/ana", json={"active": False})
    await desk.happen(*(mql() for _ in range(30)))
    await admin.patch("/routing/v1/reps/ana", json={"active": True})
    before = len((await admin.get("/routing/v1/assignments?rep_id=ana")).json()["items"])
    await desk.happen(*(mql() for _ in range(8)))
    after = len((await admin.get("/routing/v1/assignments?rep_id=ana")).json()["items"])
    assert 1 <= after - before <= 3
