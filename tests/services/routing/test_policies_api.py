"""Versions of the policy over HTTP: drafts, what is wrong with them, publishing, and the past."""

import asyncio
from typing import Any

from shared.access import Role
from tests.services.routing.desk import Desk, mql

POLICIES = "/routing/v1/policies"
BODY: dict[str, Any] = {"sla_minutes": 60, "accept_minutes": 240, "max_attempts": 3}


def rule(rep_id: str, **more: Any) -> dict[str, Any]:
    return {"id": f"to-{rep_id}", "when": [], "rep_ids": [rep_id], **more}


async def test_a_draft_is_changed_published_and_then_stays_as_it_is(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    admin = await desk.client(Role.ADMIN)
    made = await admin.post(POLICIES, json={**BODY, "note": "Ben first", "rules": [rule("ben")]})
    assert made.status_code == 201
    assert (made.json()["version"], made.json()["status"]) == (1, "draft")
    await desk.happen(mql("before"))
    assert (await desk.lead("before")).unrouted_at is None

    changed = {**made.json(), "rules": [rule("ana")]}  # what was read can be sent back
    put = f"{POLICIES}/1"
    stale = {"If-Match": '"1-0000000000000000"'}
    assert (await admin.put(put, json=changed, headers=stale)).status_code == 412
    seen = {"If-Match": made.headers["etag"]}
    second = await admin.put(put, json=changed, headers=seen)
    assert second.status_code == 200
    assert second.headers["etag"] != made.headers["etag"]
    assert (await admin.put(put, json=changed, headers=seen)).status_code == 412
    assert (await admin.get("/routing/v1/policy")).json()["version"] == 0

    assert (await admin.post(f"{put}/publish", headers=seen)).status_code == 412
    late = await admin.post(f"{put}/publish", json={"instead_of": 7})
    assert (late.status_code, late.json()["version"]) == (409, 0)
    published = await admin.post(f"{put}/publish", headers={"If-Match": second.headers["etag"]})
    assert published.json()["status"] == "published"
    assert published.json()["published_by"] == published.json()["created_by"]
    await desk.happen(mql("after"))
    ((attempt,),) = [await desk.history("after")]
    assert (attempt.rep_id, attempt.policy_version) == ("ana", 1)

    for answer in (await admin.put(put, json=changed), await admin.delete(put)):
        assert answer.status_code == 409
        assert "write a new version" in answer.json()["detail"]
    again = await admin.post(f"{put}/publish")  # once is enough
    assert again.json()["published_at"] == published.json()["published_at"]


async def test_the_past_says_who_published_what_and_what_changed(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    admin, other = await desk.client(Role.ADMIN), await desk.client(Role.ADMIN)
    await admin.put("/routing/v1/policy", json=BODY)
    await other.post(POLICIES, json={**BODY, "max_attempts": 5, "note": "Try more"})
    await admin.put("/routing/v1/policy", json={**BODY, "sla_minutes": 30})
    assert (await other.post(f"{POLICIES}/2/publish")).status_code == 200
    marketer = await desk.client(Role.MARKETER)
    items = (await marketer.get(POLICIES)).json()["items"]
    assert [(one["version"], one["status"]) for one in items] == [
        (3, "retired"), (2, "published"), (1, "retired"),
    ]  # fmt: skip
    assert items[0]["published_by"] != items[1]["published_by"]
    assert items[1]["note"] == "Try more"
    # Against what it took the place of, not against the number before.
    assert items[1]["changes"] == [
        {"what": "Minutes to a first answer", "before": "30", "after": "60"},
        {"what": "Reps to try in a round", "before": "3", "after": "5"},
    ]
    page = (await marketer.get(POLICIES, params={"limit": 2})).json()
    rest = (await marketer.get(POLICIES, params={"cursor": page["next_cursor"]})).json()
    assert [one["version"] for one in rest["items"]] == [1]
    drafts = (await marketer.get(POLICIES, params={"status": "draft"})).json()["items"]
    assert drafts == []
    # Who may not write.
    for call in (marketer.post(POLICIES, json=BODY), marketer.post(f"{POLICIES}/1/publish")):
        assert (await call).status_code == 403
    assert (await (await desk.client(Role.REP, "ana")).get(POLICIES)).status_code == 403


async def test_faults_refuse_a_draft_and_doubts_do_not(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("zero", 0, 9))
    admin = await desk.client(Role.ADMIN)
    condition = {"field": "industri", "operator": "equals", "value": "x"}
    wrong = {**BODY, "rules": [rule("anna", when=[condition])]}
    for call in (admin.post(POLICIES, json=wrong), admin.put("/routing/v1/policy", json=wrong)):
        refused = await call
        assert refused.status_code == 422
        assert {one["pointer"]: one["detail"] for one in refused.json()["errors"]} == {
            "/rules/0/when/0/field": "no lead has a fact 'industri'; did you mean industry?",
            "/rules/0/rep_ids/0": "no such rep; did you mean ana?",
        }
    both = await admin.post(POLICIES, json={**BODY, "rules": [rule("ana", to="everybody")]})
    assert "exactly one of rep_ids, team_id, or to" in both.text
    misspelled = {**BODY, "rulez": [], "fallback": {"two": "nobody"}}
    told = (await admin.put("/routing/v1/policy", json=misspelled)).json()["errors"]
    assert [(one["pointer"], one["detail"]) for one in told] == [
        ("", "unknown key 'rulez'; did you mean rules?")
    ]
    del misspelled["rulez"]
    told = (await admin.put("/routing/v1/policy", json=misspelled)).json()["errors"]
    assert told[0]["pointer"] == "/fallback"
    doubtful = {**BODY, "rules": [rule("zero"), rule("ana")]}
    checked = (await admin.post(f"{POLICIES}/check", json=doubtful)).json()
    assert checked["valid"] is True
    assert [one["pointer"] for one in checked["warnings"]] == ["/rules/0/rep_ids", "/rules/1"]
    assert (await admin.get(POLICIES)).json()["items"] == []
    made = (await admin.post(POLICIES, json=doubtful)).json()
    read = (await admin.get(f"{POLICIES}/{made['version']}")).json()
    assert read["warnings"] == checked["warnings"]
    assert (await admin.delete(f"{POLICIES}/1")).status_code == 204
    assert (await admin.get(f"{POLICIES}/1")).status_code == 404


async def test_a_draft_that_names_who_has_gone_is_not_published(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    await admin.post("/routing/v1/teams", json={"name": "Iberia"})
    iberia = {"id": "team", "when": [], "team_id": "iberia"}
    await admin.post(POLICIES, json={**BODY, "rules": [iberia]})
    await admin.delete("/routing/v1/teams/iberia")
    refused = await admin.post(f"{POLICIES}/1/publish")
    assert refused.json()["errors"][0]["pointer"] == "/rules/0/team_id"
    assert (await admin.get("/routing/v1/policy")).json()["version"] == 0


async def test_two_who_publish_at_once_do_not_overlook_each_other(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    present = (await admin.get("/routing/v1/policy")).headers["etag"]
    puts = [
        admin.put(
            "/routing/v1/policy", json={**BODY, "max_rounds": n}, headers={"If-Match": present}
        )
        for n in (2, 4)
    ]
    assert sorted(one.status_code for one in await asyncio.gather(*puts)) == [200, 412]
    for n in (5, 6):
        await admin.post(POLICIES, json={**BODY, "max_rounds": n})
    publish = [admin.post(f"{POLICIES}/{n}/publish", json={"instead_of": 1}) for n in (2, 3)]
    assert sorted(one.status_code for one in await asyncio.gather(*publish)) == [200, 409]
    items = (await admin.get(POLICIES)).json()["items"]
    assert [one["status"] for one in items].count("published") == 1


async def test_the_leads_country_and_language_choose_among_a_team(desk: Desk) -> None:
    admin = await desk.client(Role.ADMIN)
    for rep_id, country, language in (("ana", "PT", "pt"), ("cai", "DE", "de")):
        body = {"name": rep_id, "rep_id": rep_id, "territories": [country], "languages": [language]}
        await admin.post("/routing/v1/reps", json=body)
    by = [
        {"id": "country", "to": "everybody", "by_country": True},
        {"id": "language", "to": "everybody", "by_language": True},
    ]
    await desk.set_policy(rules=by, fallback={"to": "nobody"})
    given = [
        mql("in-pt", country="PT"), mql("in-de", country="DE"),
        mql("german", **{"country": None, "fields.language": "de"}), mql("neither", country=None),
        mql("other", **{"country": "FR", "fields.language": "de"}),
    ]  # fmt: skip
    await desk.happen(*given)
    owners = {row.lead_id: row.rep_id for row in await desk.open_rows()}
    assert owners == {"in-pt": "ana", "in-de": "cai", "german": "cai"}
    assert (await desk.lead("other")).unrouted_reason == "NO_REP"
    decision = (await admin.get("/routing/v1/leads/other/decision")).json()
    assert decision["rule_id"] == "country"
    # Somebody gets a territory: the lead that waited for such a rep is theirs.
    await admin.patch("/routing/v1/reps/cai", json={"territories": ["DE", "FR"]})
    await desk.sweep()
    assert {row.lead_id: row.rep_id for row in await desk.open_rows()}["other"] == "cai"
