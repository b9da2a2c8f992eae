"""Two processes, reps who answer and a clock that runs, all at once: one owner at any moment."""

import asyncio
import random
from pathlib import Path

import pytest
from sqlalchemy import select

from services.routing.store.tables import assignments
from shared.access import Role
from shared.contracts.events import EventData
from tests.services.routing.desk import Desk, mql, open_desk, overlaps, until

REASONS = ("WRONG_TERRITORY", "NO_CAPACITY", "SPAM", "NOT_A_BUYER")


@pytest.mark.parametrize("answer", ["acknowledge", "accept", "reject"])
async def test_of_an_answer_and_a_breach_exactly_one_wins(desk: Desk, answer: str) -> None:
    await desk.add_reps(("ana", 1, 99))
    rep = await desk.client(Role.REP, "ana")
    leads = [mql() for _ in range(12)]
    await desk.happen(*leads)
    rows = {row.lead_id: row.assignment_id for row in await desk.open_rows()}
    await desk.run_out()
    body = {"reason": "SPAM"} if answer == "reject" else {}

    async def late(lead_id: str) -> int:
        path = f"/routing/v1/assignments/{rows[lead_id]}/{answer}"
        return (await rep.post(path, json=body)).status_code

    async def clock() -> None:
        await desk.expire(limit=3)

    jobs = [late(lead.lead_id) for lead in leads] + [clock() for _ in range(4)]
    random.shuffle(jobs)
    results = await asyncio.gather(*jobs)
    assert {code for code in results if code is not None} <= {200, 409}
    for lead in leads:
        events = [type(event).__name__ for event in await desk.emitted(lead.lead_id)]
        answered = {"acknowledge": "LeadAcknowledged", "accept": "LeadAccepted"}.get(
            answer, "LeadRejected"
        )
        won = (answered in events, "SlaBreached" in events)
        if answer == "acknowledge" and won == (True, False):
            continue  # its new deadline runs
        assert won in ((True, False), (False, True)), events


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_processes_never_give_a_lead_twice(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    await desk.add_reps(("ana", 1, 4), ("ben", 2, 5), ("chloe", 3, 6), ("dan", 1, 2))
    await desk.set_policy(sla_minutes=0.002, accept_minutes=0.002, max_attempts=2)
    async with open_desk(database_url, tmp_path / "two") as other:
        desks = [desk, other]
        clients = {
            id(d): {r: await d.client(Role.REP, r) for r in ("ana", "ben", "chloe", "dan")}
            for d in desks
        }
        over = asyncio.Event()
        leads = [mql() for _ in range(80)]
        fullest: list[dict[str, int]] = []

        async def clock(d: Desk) -> None:
            while not over.is_set():
                await d.expire()
                await d.sweep()
                await asyncio.sleep(0.005)

        async def answers(d: Desk, seed: int) -> None:
            dice = random.Random(seed)
            while not over.is_set():
                rows = [r for r in await d.open_rows() if r.state in ("ASSIGNED", "ACKNOWLEDGED")]
                count: dict[str, int] = {}
                for row in rows:
                    count[row.rep_id] = count.get(row.rep_id, 0) + 1
                fullest.append(count)
                if rows:
                    row = dice.choice(rows)
                    what = dice.choice(["acknowledge", "accept", "reject", "reject"])
                    body = {"reason": dice.choice(REASONS)} if what == "reject" else {}
                    path = f"/routing/v1/assignments/{row.assignment_id}/{what}"
                    answer = await clients[id(d)][row.rep_id].post(path, json=body)
                    assert answer.status_code in (200, 409), answer.text
                await asyncio.sleep(0.002)

        async def arrivals(d: Desk, share: list[EventData]) -> None:
            for place in range(0, len(share), 5):
                await d.happen(*share[place : place + 5])
                await asyncio.sleep(0.03)

        background = [
            asyncio.create_task(job)
            for job in (*(clock(d) for d in desks), *(answers(d, i) for i, d in enumerate(desks)))
        ]
        # The same events to both, as when a partition changes hands: once per cycle is enough.
        results = await asyncio.gather(
            *(arrivals(d, list(leads)) for d in desks), return_exceptions=True
        )
        assert results == [None, None]
        for d in desks:
            for lead in leads:
                await d.happen(lead)

        async def everybody_had_an_owner() -> bool:
            owned = await desk.rows(select(assignments.c.lead_id).distinct())
            return len(owned) == len(leads)

        await until(everybody_had_an_owner, "an owner for each lead", seconds=60)
        over.set()
        await asyncio.gather(*background)

    rows = await desk.rows(select(assignments))
    assert len({row.lead_id for row in rows}) == len(leads)
    assert overlaps(rows) == []
    capacity = {"ana": 4, "ben": 5, "chloe": 6, "dan": 2}
    assert all(n <= capacity[rep] for count in fullest for rep, n in count.items())
    accepted = [row.lead_id for row in rows if row.state == "ACCEPTED"]
    assert len(accepted) == len(set(accepted))
    started = [e for e in await desk.emitted() if type(e).__name__ in ("LeadAssigned",)]
    again = [e for e in await desk.emitted() if type(e).__name__ == "LeadReassigned"]
    assert len(started) + len(again) == len(rows), "one event for each attempt"
