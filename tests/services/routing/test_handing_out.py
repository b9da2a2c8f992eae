"""Events in, owners out: once per lead and cycle, fairly, within capacity."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from services.routing.store.tables import contacts, metadata
from shared.access import Role
from shared.contracts.events import (
    LeadAssigned,
    LeadUnrouted,
    OutcomeRecorded,
)
from shared.contracts.ids import new_id
from shared.contracts.vocabulary import Stage
from shared.db.migrations import drift
from tests.services.routing.desk import Desk, mql, person


async def test_migrations_make_the_tables_of_the_code(desk: Desk) -> None:
    assert drift(desk.db, metadata) == []


async def test_an_mql_gets_one_owner_and_a_deadline(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 5))
    await desk.set_policy(sla_minutes=30)
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    assert (row.rep_id, row.attempt, row.state) == ("ana", 1, "ASSIGNED")
    assert row.due_at - row.assigned_at == timedelta(minutes=30)
    (assigned,) = await desk.emitted(lead.lead_id)
    assert isinstance(assigned, LeadAssigned)
    assert assigned.due_at == row.due_at
    assert assigned.policy_version == 1
    assert assigned.definition_version == 3


async def test_a_second_event_of_the_same_cycle_does_nothing(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 5), ("ben", 1, 5))
    lead = mql()
    await desk.happen(lead, lead)
    await desk.happen(lead)
    assert len(await desk.history(lead.lead_id)) == 1
    assert len(await desk.emitted(lead.lead_id)) == 1


async def test_a_batch_is_shared_by_weight_and_capacity_holds_within_it(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 100), ("ben", 1, 3), ("chloe", 2, 100))
    await desk.happen(*(mql() for _ in range(20)))
    got = Counter(row.rep_id for row in await desk.open_rows())
    assert got["ben"] == 3
    assert got["chloe"] in (11, 12)
    await desk.happen(*(mql() for _ in range(20)))
    got = Counter(row.rep_id for row in await desk.open_rows())
    assert got["ben"] == 3
    assert sum(got.values()) == 40
    assert abs(got["chloe"] - 2 * got["ana"]) <= 10  # ben's share was for both, by weight


async def test_nobody_has_room(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 1))
    first, second = mql(), mql()
    await desk.happen(first, second)
    assert await desk.history(second.lead_id) == []
    (unrouted,) = await desk.emitted(second.lead_id)
    assert isinstance(unrouted, LeadUnrouted)
    assert unrouted.reason == "NO_ROOM"
    admin = await desk.client(Role.ADMIN)
    decision = (await admin.get(f"/routing/v1/leads/{second.lead_id}/decision")).json()
    assert decision["rep_id"] is None
    assert decision["candidates"][0]["why"] == "full: 1 of 1 waiting"


async def test_a_rule_decides_who_may_have_a_lead(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    rule = {
        "id": "emea",
        "when": [{"field": "country", "operator": "in", "value": ["DE", "FR"]}],
        "rep_ids": ["ben"],
    }
    await desk.set_policy(rules=[rule])
    leads = [mql(country="DE") for _ in range(3)]
    await desk.happen(*leads)
    assert {row.rep_id for row in await desk.open_rows()} == {"ben"}
    admin = await desk.client(Role.ADMIN)
    decision = (await admin.get(f"/routing/v1/leads/{leads[0].lead_id}/decision")).json()
    assert decision["rule_id"] == "emea"
    assert {c["rep_id"]: c["why"] for c in decision["candidates"]}["ana"] == "not in rule emea"


async def test_without_a_policy_the_starter_holds(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    assert row.policy_version == 0
    assert row.due_at - row.assigned_at == timedelta(minutes=60)


async def test_a_later_cycle_ends_the_earlier_ownership(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    lead = mql()
    await desk.happen(lead)
    await desk.happen(mql(lead.lead_id, cycle=2))
    await desk.happen(lead)  # late, and old
    before, after = await desk.history(lead.lead_id)
    assert (before.state, before.closed_because) == ("EXPIRED", "NEW_CYCLE")
    assert (after.cycle, after.attempt, after.state) == (2, 1, "ASSIGNED")
    assert before.closed_at <= after.assigned_at


async def test_several_later_cycles_in_one_batch(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    leads = [mql() for _ in range(3)]
    await desk.happen(*leads)
    await desk.happen(*(mql(lead.lead_id, cycle=2) for lead in leads))
    assert {row.cycle for row in await desk.open_rows()} == {2}
    for lead in leads:
        assert [row.state for row in await desk.history(lead.lead_id)] == ["EXPIRED", "ASSIGNED"]


async def test_two_cycles_in_one_batch(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(lead, mql(lead.lead_id, cycle=2))
    before, after = await desk.history(lead.lead_id)
    assert before.closed_at is not None
    assert after.closed_at is None


@pytest.mark.parametrize("stage", [Stage.WON, Stage.LOST, Stage.RECYCLED, Stage.DISQUALIFIED])
async def test_an_outcome_ends_an_accepted_lead(desk: Desk, stage: Stage) -> None:
    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    await desk.happen(outcome(lead.lead_id, stage))
    assert (await desk.history(lead.lead_id))[0].closed_at is None, "it was not accepted yet"
    admin = await desk.client(Role.ADMIN)
    await admin.post(f"/routing/v1/assignments/{row.assignment_id}/accept")
    await desk.happen(outcome(lead.lead_id, stage, cycle=2))
    await desk.happen(outcome(lead.lead_id, Stage.SQL))
    assert (await desk.history(lead.lead_id))[0].closed_at is None
    await desk.happen(outcome(lead.lead_id, stage))
    (row,) = await desk.history(lead.lead_id)
    assert (row.state, row.closed_because) == ("ACCEPTED", stage.value)


async def test_contact_data_is_kept_and_replaced(desk: Desk) -> None:
    await desk.happen(person("l1"), person("l1", "Janet"))
    await desk.happen(person("l1", "Joan"))
    rows = await desk.rows(select(contacts))
    assert [row.contact["first_name"] for row in rows] == ["Joan"]


async def test_no_personal_data_leaves_routing(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(person(lead.lead_id, "Canarya", "Birdwood"), lead)
    (row,) = await desk.history(lead.lead_id)
    admin = await desk.client(Role.ADMIN)
    body = {"reason": "WRONG_PRODUCT", "note": "Canarya asked for a birdcage"}
    await admin.post(f"/routing/v1/assignments/{row.assignment_id}/reject", json=body)
    for data in await desk.emitted():
        text = data.model_dump_json().lower()
        assert "canarya" not in text
        assert "bird" not in text


async def test_the_index_allows_one_open_assignment_per_lead(desk: Desk) -> None:
    from services.routing.store.tables import assignments

    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    twin = {**row._mapping, "assignment_id": new_id(), "attempt": 2, "rep_id": "ben"}
    with pytest.raises(IntegrityError):
        await desk.db.write(lambda conn: conn.execute(assignments.insert().values(twin)))


def outcome(lead_id: str, stage: Stage, cycle: int = 1) -> OutcomeRecorded:
    return OutcomeRecorded(
        lead_id=lead_id,
        outcome_id=new_id(),
        cycle=cycle,
        stage=stage,  # type: ignore[arg-type]
        occurred_at=datetime.now(UTC),
    )
