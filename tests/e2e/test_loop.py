"""The loop, end to end, through the public interface, in both ways to run."""

import concurrent.futures
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import Product, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BUYER = {
    "first_name": "Ines",
    "last_name": "Keller",
    "company": "Keller Works",
    "job_title": "VP Marketing",
    "country": "Germany",
    "employees": 120,
    "utm_source": "google",
    "utm_campaign": "autumn",
    "consent": {"purpose": "sales", "granted": True, "text": "Call me.", "basis": "consent"},
}


def submit(product: Product, **changes: Any) -> str:
    """Post a buyer's form; the lead's id."""
    form = {**BUYER, "email": f"ines.{uuid.uuid4().hex}@keller-works.example", **changes}
    answer = product.post("/capture/v1/leads", form)
    return str(answer["lead_id"])


def owner(product: Product, lead_id: str) -> dict[str, Any]:
    """The open assignment of a lead, once it has one."""

    def look() -> dict[str, Any] | None:
        page = product.get(f"/routing/v1/assignments?lead_id={lead_id}&state=ASSIGNED")
        return page["items"][0] if page["items"] else None

    return eventually(look, f"an owner of {lead_id}")


def stage(product: Product, lead_id: str) -> str | None:
    response = product.call("GET", f"/feedback/v1/leads/{lead_id}")
    return response.json()["stage"] if response.is_success else None


def at_stage(product: Product, lead_id: str, wanted: str) -> None:
    eventually(lambda: stage(product, lead_id) == wanted, f"{lead_id} at stage {wanted}")


def test_one_lead_goes_the_whole_way(product: Product) -> None:
    lead_id = submit(product)
    assignment = owner(product, lead_id)
    path = f"/routing/v1/assignments/{assignment['assignment_id']}"

    score = product.get(f"/qualify/v1/leads/{lead_id}/score")
    assert score["decision"] == "MQL"
    assert score["score"] == sum(c["points"] for c in score["contributions"])
    decision = product.get(f"/routing/v1/leads/{lead_id}/decision")
    assert decision["rep_id"] == assignment["rep_id"]
    assert {c["rep_id"] for c in decision["candidates"]} >= {assignment["rep_id"]}

    rep_key = product.cli("keys", "create", "--role", "rep", "--rep", assignment["rep_id"]).strip()
    eventually(
        lambda: product.call("GET", "/routing/v1/assignments", key=rep_key).is_success,
        "the new key working",
    )
    product.post(f"{path}/acknowledge", key=rep_key)
    at_stage(product, lead_id, "ACKNOWLEDGED")
    product.post(f"{path}/accept", key=rep_key)
    at_stage(product, lead_id, "ACCEPTED")
    late = product.call("POST", f"{path}/reject", key=rep_key, json={"reason": "SPAM"})
    assert late.status_code == 409
    assert late.json()["state"] == "ACCEPTED"

    for outcome in ({"stage": "SQL"}, {"stage": "OPPORTUNITY"}, {"stage": "WON", "amount": 9000}):
        product.post("/feedback/v1/outcomes", {"lead_id": lead_id, **outcome}, key=rep_key)
    assert stage(product, lead_id) == "WON"
    jump = product.call(
        "POST", "/feedback/v1/outcomes", json={"lead_id": lead_id, "stage": "RECYCLED",
        "reason": "BAD_TIMING"},
    )  # fmt: skip
    assert jump.status_code == 409

    events = [e for e in all_events(product) if e["subject"] == lead_id]
    assert [e["type"].split(".")[1] for e in events] == [
        "feedback",
        "outcome",
        "outcome",
        "outcome",
    ]
    assert events[0]["data"]["answer"] == "accepted"
    assert events[0]["data"]["criteria"]


def all_events(product: Product) -> list[dict[str, Any]]:
    """Every feedback event, as marketing would read them."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = product.get(f"/feedback/v1/events?limit=500&cursor={cursor}")
        found += page["items"]
        if not page["next_cursor"]:
            return found
        cursor = page["next_cursor"]


def test_a_rejected_lead_goes_where_its_reason_sends_it(product: Product) -> None:
    """Procedural: to somebody else. Definitional: back to marketing."""
    lead_id = submit(product)
    first = owner(product, lead_id)
    product.post(
        f"/routing/v1/assignments/{first['assignment_id']}/reject",
        {"reason": "WRONG_TERRITORY", "note": "not my patch"},
    )
    second = owner(product, lead_id)
    assert second["rep_id"] != first["rep_id"]
    assert second["attempt"] == first["attempt"] + 1
    product.post(
        f"/routing/v1/assignments/{second['assignment_id']}/reject", {"reason": "OUTSIDE_ICP"}
    )
    at_stage(product, lead_id, "NURTURE")


def test_the_same_person_is_one_lead_however_often_they_post(product: Product) -> None:
    email = f"twice.{uuid.uuid4().hex}@keller-works.example"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: submit(product, email=email.upper()), range(16)))
    assert len(ids) == 1
    lead = product.get(f"/capture/v1/leads/{ids.pop()}")
    assert len(lead["touches"]) == 16


def test_a_rep_sees_only_their_own_leads(product: Product) -> None:
    assignment = owner(product, submit(product))
    reps = [rep["rep_id"] for rep in product.get("/routing/v1/reps")["items"]]
    other = next(rep for rep in reps if rep != assignment["rep_id"])
    key = product.cli("keys", "create", "--role", "rep", "--rep", other).strip()
    path = f"/routing/v1/assignments/{assignment['assignment_id']}"
    for known in ("/routing/v1/assignments", "/qualify/v1/definitions", "/feedback/v1/metrics"):
        eventually(
            lambda known=known: product.call("GET", known, key=key).status_code != 401,
            f"the key known at {known}",
        )
    assert product.call("GET", path, key=key).status_code == 403
    assert product.call("POST", f"{path}/accept", key=key).status_code == 403
    assert product.call("GET", "/feedback/v1/metrics", key=key).status_code == 403
    listed = product.get("/routing/v1/assignments", key=key)["items"]
    assert all(item["rep_id"] == other for item in listed)
    product.cli("keys", "revoke", key)
    for path in ("/routing/v1/assignments", "/qualify/v1/definitions"):
        eventually(
            lambda path=path: product.call("GET", path, key=key).status_code == 401,
            f"the revoked key refused at {path}",
        )


def test_silence_passes_the_lead_on_and_in_the_end_parks_it(product: Product) -> None:
    policy = product.get("/routing/v1/policy")
    quick = {**policy, "sla_minutes": 0.02, "max_attempts": 2}
    assert product.call("PUT", "/routing/v1/policy", json=quick).is_success
    lead_id = submit(product)
    at_stage(product, lead_id, "UNROUTED")
    attempts = product.get(f"/routing/v1/assignments?lead_id={lead_id}")["items"]
    assert [a["state"] for a in attempts] == ["EXPIRED", "EXPIRED"]
    assert len({a["rep_id"] for a in attempts}) == 2
    stale = product.call("PUT", "/routing/v1/policy", json={**policy, "sla_minutes": 60})
    assert stale.status_code == 409, "somebody else's version was read"
    slow = {**product.get("/routing/v1/policy"), "sla_minutes": 60, "max_attempts": 3}
    assert product.call("PUT", "/routing/v1/policy", json=slow).is_success
    assert owner(product, lead_id)["attempt"] > 2, "swept once there was somebody to take it"


def test_afterwards_each_lead_is_in_exactly_one_stage(product: Product) -> None:
    """Runs last: over everything the tests above left behind."""

    def in_order() -> bool:
        report = product.get("/feedback/v1/stages")
        return sum(report["stages"].values()) == report["captured"]

    eventually(in_order, "every lead in one stage")
    assert "exactly one stage" in product.cli("stages")
