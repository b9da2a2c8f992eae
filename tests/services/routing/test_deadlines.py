"""What the clock does: breaches go to somebody else, then to nobody, then to whoever has room."""

from shared.access import Role
from shared.contracts.events import (
    LeadAssigned,
    LeadReassigned,
    LeadRejected,
    LeadUnrouted,
    SlaBreached,
)
from tests.services.routing.desk import Desk, mql


def kinds(events: list[object]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_a_breach_goes_to_somebody_else_then_to_nobody(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9), ("chloe", 1, 9))
    await desk.set_policy(max_attempts=2)
    lead = mql()
    await desk.happen(lead)
    assert await desk.expire() == 0
    for _ in range(2):
        await desk.run_out()
        assert await desk.expire() == 1
    first, second = await desk.history(lead.lead_id)
    assert first.rep_id != second.rep_id
    assert (first.state, second.state) == ("EXPIRED", "EXPIRED")
    events = await desk.emitted(lead.lead_id)
    assert kinds(events) == [
        "LeadAssigned", "SlaBreached", "LeadReassigned", "SlaBreached", "LeadEscalated",
        "LeadUnrouted",
    ]  # fmt: skip
    again = events[2]
    assert isinstance(again, LeadReassigned)
    assert (again.previous_rep_id, again.cause, again.attempt) == (
        first.rep_id, "SLA_BREACHED", 2,
    )  # fmt: skip
    assert events[5].reason == "ATTEMPTS_USED"


async def test_an_unrouted_lead_rests_then_goes_to_a_fresh_rep(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9), ("chloe", 1, 9))
    await desk.set_policy(max_attempts=2)
    lead = mql()
    await desk.happen(lead)
    for _ in range(2):
        await desk.run_out()
        await desk.expire()
    assert await desk.sweep() == 0, "it was offered enough for now"
    await desk.rested()
    assert await desk.sweep() == 1
    rows = await desk.history(lead.lead_id)
    assert len({row.rep_id for row in rows}) == 3
    assert rows[-1].attempt == 3
    last = (await desk.emitted(lead.lead_id))[-1]
    assert type(last) is LeadAssigned


async def test_the_only_rep_gets_it_again_after_the_rest(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    lead = mql()
    await desk.happen(lead)
    await desk.run_out()
    await desk.expire()
    unrouted = (await desk.emitted(lead.lead_id))[-1]
    assert isinstance(unrouted, LeadUnrouted)
    assert unrouted.reason == "ALL_HAD_IT"
    assert await desk.sweep() == 0
    await desk.rested()
    assert await desk.sweep() == 1
    assert [row.attempt for row in await desk.history(lead.lead_id)] == [1, 2]


async def test_a_waiting_lead_is_given_out_when_somebody_has_room(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 1))
    first, second = mql(), mql()
    await desk.happen(first, second)
    assert await desk.sweep() == 0
    (row,) = await desk.history(first.lead_id)
    rep = await desk.client(Role.REP, "ana")
    assert (
        await rep.post(f"/routing/v1/assignments/{row.assignment_id}/accept")
    ).status_code == 200
    assert await desk.sweep() == 1
    assert kinds(await desk.emitted(second.lead_id)) == ["LeadUnrouted", "LeadAssigned"]


async def test_a_failed_sweep_says_nothing_again(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 0))
    await desk.set_policy(rules=[{"id": "bens", "when": [], "rep_ids": ["ben"]}])
    lead = mql()
    await desk.happen(lead)
    for _ in range(3):
        assert await desk.sweep() == 0
    assert kinds(await desk.emitted(lead.lead_id)) == ["LeadUnrouted"]
    admin = await desk.client(Role.ADMIN)
    await admin.patch("/routing/v1/reps/ben", json={"capacity": 1})
    assert await desk.sweep() == 1, "a change of a rep is a reason to look at once"


async def test_back_from_leave_the_lead_comes_back(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    admin = await desk.client(Role.ADMIN)
    lead = mql()
    await desk.happen(lead)
    await desk.run_out()
    await admin.patch("/routing/v1/reps/ana", json={"active": False})
    await desk.expire()
    assert await desk.sweep() == 0
    await admin.patch("/routing/v1/reps/ana", json={"active": True})
    assert await desk.sweep() == 1


async def test_a_wrong_territory_never_comes_back_but_no_capacity_may(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9))
    wrong, busy = mql(), mql()
    await desk.happen(wrong, busy)
    rep = await desk.client(Role.REP, "ana")
    for lead, reason in ((wrong, "WRONG_TERRITORY"), (busy, "NO_CAPACITY")):
        (row,) = await desk.history(lead.lead_id)
        path = f"/routing/v1/assignments/{row.assignment_id}/reject"
        assert (await rep.post(path, json={"reason": reason})).status_code == 200
    await desk.rested()
    assert await desk.sweep() == 1
    assert len(await desk.history(wrong.lead_id)) == 1
    assert len(await desk.history(busy.lead_id)) == 2


async def test_a_procedural_rejection_goes_to_somebody_else_at_once(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    rep = await desk.client(Role.REP, row.rep_id)
    await rep.post(
        f"/routing/v1/assignments/{row.assignment_id}/reject", json={"reason": "WRONG_PRODUCT"}
    )
    first, second = await desk.history(lead.lead_id)
    assert first.closed_at <= second.assigned_at
    assert first.rep_id != second.rep_id
    _, rejected, again = await desk.emitted(lead.lead_id)
    assert isinstance(rejected, LeadRejected)
    assert rejected.reason_class == "procedural"
    assert isinstance(again, LeadReassigned)
    assert again.cause == "REJECTED"


async def test_other_rejections_end_it_for_routing(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    rep = await desk.client(Role.REP, row.rep_id)
    await rep.post(
        f"/routing/v1/assignments/{row.assignment_id}/reject", json={"reason": "NOT_A_BUYER"}
    )
    assert len(await desk.history(lead.lead_id)) == 1
    assert await desk.sweep() == 0
    await desk.happen(mql(lead.lead_id, cycle=2))
    assert len(await desk.open_rows()) == 1


async def test_acknowledging_starts_the_second_deadline(desk: Desk) -> None:
    await desk.add_reps(("ana", 1, 9), ("ben", 1, 9))
    await desk.set_policy(sla_minutes=1, accept_minutes=30)
    lead = mql()
    await desk.happen(lead)
    (row,) = await desk.history(lead.lead_id)
    rep = await desk.client(Role.REP, row.rep_id)
    answer = await rep.post(f"/routing/v1/assignments/{row.assignment_id}/acknowledge")
    assert answer.json()["due_at"] > row.due_at.isoformat()
    await desk.run_out()
    await desk.expire()
    assert [r.state for r in await desk.history(lead.lead_id)] == ["EXPIRED", "ASSIGNED"]
    breach = next(e for e in await desk.emitted(lead.lead_id) if isinstance(e, SlaBreached))
    assert breach.attempt == 1
