"""What the clock does: attempts that ran out, and leads that wait for somebody with room."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.routing.domain.assignment import Attempt, kept_out_of_new_round
from services.routing.domain.choice import Decision, Pool
from services.routing.domain.lead import Lead
from services.routing.domain.policy import Policy
from services.routing.handlers.handing_out import pass_on, settle
from services.routing.ports import Work
from shared.contracts.events import SlaBreached

BATCH: Final = 100
_SOONEST: Final = timedelta(seconds=1)
_LATEST: Final = timedelta(seconds=10)
"""Bounds of the wait before a lead nobody could take is looked at again."""


async def expire_overdue(work: Work, limit: int = BATCH) -> int:
    """End attempts whose deadline passed and give the leads to somebody else.

    Returns how many there were. Several processes may do this at once.
    """
    pool = await work.pool()
    now = await work.now()
    overdue = await work.assignments.expire(now, limit)
    lead_ids = [assignment.lead_id for assignment in overdue]
    await work.leads.load(lead_ids)
    histories = await work.leads.histories(lead_ids)
    for assignment in overdue:
        pool.release(assignment.rep_id)
        work.emit(
            SlaBreached(
                lead_id=assignment.lead_id,
                assignment_id=assignment.assignment_id,
                rep_id=assignment.rep_id,
                attempt=assignment.attempt,
                cycle=assignment.cycle,
                due_at=assignment.due_at,
                breached_at=now,
            ),
            at=now,
        )
        lead = work.leads.get(assignment.lead_id)
        if lead is not None and lead.cycle == assignment.cycle:
            history = tuple(histories[lead.lead_id])
            await pass_on(work, lead, history, assignment, "SLA_BREACHED")
    return len(overdue)


async def sweep_unrouted(work: Work, limit: int = BATCH) -> int:
    """Give leads nobody has to whoever has room now, in a new round of attempts.

    Returns how many found somebody.
    """
    pool = await work.pool()
    if not pool.has_room:
        return 0
    policy, now = await work.policy(), await work.now()
    waiting = await work.assignments.claim_unrouted(now, limit)
    histories = await work.leads.histories([lead.lead_id for lead in waiting])
    given = 0
    for lead in waiting:
        decision = _open_round(pool, policy, lead, tuple(histories[lead.lead_id]), now)
        if decision.rep_id is None:
            work.leads.put(replace(lead, retry_at=now + _wait(lead, now)))
            continue
        await settle(work, replace(lead, round_base=lead.attempt), decision)
        given += 1
    return given


def _open_round(
    pool: Pool, policy: Policy, lead: Lead, history: tuple[Attempt, ...], now: datetime
) -> Decision:
    group = policy.group(lead.context())
    rested = lead.rest_until is None or lead.rest_until <= now
    decisions = (
        pool.choose(group, excluded) for excluded in kept_out_of_new_round(history, rested=rested)
    )
    first = next(decisions)
    return next((d for d in (first, *decisions) if d.rep_id is not None), first)


def _wait(lead: Lead, now: datetime) -> timedelta:
    assert lead.unrouted_at is not None
    return min(_LATEST, max(_SOONEST, now - lead.unrouted_at))
