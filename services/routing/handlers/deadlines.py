"""What the clock does: attempts that ran out, and leads that wait for somebody with room."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.routing.domain.assignment import Cause, kept_out, kept_out_of_new_round
from services.routing.domain.choice import Decision, Unrouted
from services.routing.domain.lead import Lead
from services.routing.handlers.handing_out import choose_anew, look_again, pass_on, settle
from services.routing.store.aggregates import OVERDUE, TO_WARN, UNROUTED
from services.routing.store.unit import Routing
from shared.contracts.events import SlaBreached, SlaWarned

BATCH: Final = 100
_SOONEST: Final = timedelta(seconds=1)
_LATEST: Final = timedelta(seconds=10)
"""Bounds of the wait before a lead is looked at again whose reps are full; others have room."""


def expire_overdue(unit: Routing, limit: int = BATCH) -> int:
    """End attempts whose deadline passed and give the leads to somebody else.

    Returns how many there were. Several processes may do this at once.
    """
    pool = unit.pool()
    overdue = unit.assignments.select(OVERDUE, limit=limit, now=unit.now)
    unit.load_leads([one.lead_id for one in overdue])
    for one in overdue:
        unit.assignments.put(one.closed("SLA_BREACHED", unit.now))
        pool.release(one.rep_id)
        unit.emit(
            SlaBreached(
                lead_id=one.lead_id,
                assignment_id=one.assignment_id,
                rep_id=one.rep_id,
                attempt=one.attempt,
                cycle=one.cycle,
                due_at=one.due_at,
                breached_at=unit.now,
            )
        )
        lead = unit.leads.get(one.lead_id)
        if lead is not None and lead.cycle == one.cycle:
            pass_on(unit, lead, one, Cause.SLA_BREACHED)
    return len(overdue)


def warn(unit: Routing, limit: int = BATCH) -> int:
    """Warn reps whose deadline is near, once for each deadline. Returns how many there were."""
    near = unit.assignments.select(TO_WARN, limit=limit, now=unit.now)
    for one in near:
        unit.assignments.put(replace(one, warned_at=unit.now, updated_at=unit.now))
        unit.emit(
            SlaWarned(
                lead_id=one.lead_id,
                assignment_id=one.assignment_id,
                rep_id=one.rep_id,
                attempt=one.attempt,
                cycle=one.cycle,
                due_at=one.due_at,
                warned_at=unit.now,
            )
        )
    return len(near)


def sweep_unrouted(unit: Routing, limit: int = BATCH) -> int:
    """Give leads nobody has to whoever has room now, in a new round of attempts, or still in the
    last one.

    Returns how many it looked at: none when nobody has room.
    """
    if not unit.anybody_has_room():
        return 0
    waiting = unit.leads.select(UNROUTED, limit=limit, now=unit.now)
    unit.load_leads([lead.lead_id for lead in waiting])
    for lead in waiting:
        decision = _open_round(unit, lead)
        if decision.rep_id is not None:
            settle(unit, lead, decision, opens_round=lead.rounds < unit.policy().max_rounds)
        else:
            assert decision.unrouted is not None
            # As before: there is nothing new to tell, or to keep.
            unit.leads.put(replace(lead, retry_at=_next_look(lead, decision, unit.now)))
    return len(waiting)


def _open_round(unit: Routing, lead: Lead) -> Decision:
    history = unit.history(lead)
    if lead.rounds >= unit.policy().max_rounds:  # the last one goes on
        return choose_anew(unit, lead, [kept_out(history, lead.round_base)])
    rested = lead.rest_until is None or lead.rest_until <= unit.now
    return choose_anew(unit, lead, kept_out_of_new_round(history, rested=rested))


def _next_look(lead: Lead, decision: Decision, now: datetime) -> datetime | None:
    if decision.unrouted is Unrouted.NO_ROOM:
        assert lead.unrouted_at is not None
        return now + min(_LATEST, max(_SOONEST, now - lead.unrouted_at))
    return look_again(decision, now, lead.rest_until or now)
