"""A rep's three answers. Each is one conditional change: whoever comes second is told so."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.routing.domain.assignment import (
    MOVES,
    Assignment,
    Cause,
    Move,
    goes_to_another_rep,
    is_repeat,
)
from services.routing.handlers.conflicts import moved_on
from services.routing.handlers.handing_out import clock, pass_on
from services.routing.store.unit import Routing
from shared.contracts.events import LeadAccepted, LeadAcknowledged, LeadRejected
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import REASON_CLASS, RejectReason


@dataclass(frozen=True, slots=True)
class Answer:
    """Which assignment is answered, by whom, and which attempt they believe it is."""

    assignment_id: str
    rep_id: str | None = None
    """The rep who answers; None for somebody who may answer for every rep."""
    attempt: int | None = None
    """Fencing: the answer counts for this attempt only."""
    manager_id: str | None = None
    """The manager who answers for a rep of their teams."""


def acknowledge(unit: Routing, answer: Answer) -> Assignment:
    """Seen: from now on the deadline to accept or reject runs. Raises Problem 403, 404, 409."""
    found = _find(unit, answer)
    if not _moves(unit, found, Move.ACKNOWLEDGE):
        return found
    unit.reps.fetch(found.rep_id)
    now = found.not_before(unit.now)
    due_at, warn_at = clock(unit, found.rep_id, unit.policy().times(found.grade).decision, now)
    done = _put(
        unit,
        found,
        Move.ACKNOWLEDGE,
        acknowledged_at=now,
        due_at=due_at,
        warn_at=warn_at,
        warned_at=None,
    )
    unit.emit(
        LeadAcknowledged(
            lead_id=done.lead_id,
            assignment_id=done.assignment_id,
            rep_id=done.rep_id,
            attempt=done.attempt,
            cycle=done.cycle,
            acknowledged_at=now,
            due_at=done.due_at,
        )
    )
    return done


def accept(unit: Routing, answer: Answer) -> Assignment:
    """Mine to work. Raises Problem 403, 404, 409."""
    found = _find(unit, answer)
    if not _moves(unit, found, Move.ACCEPT):
        return found
    now = found.not_before(unit.now)
    done = _put(unit, found, Move.ACCEPT, answered_at=now)
    unit.emit(LeadAccepted(**_told(done, now)))
    return done


def reject(
    unit: Routing, answer: Answer, reason: RejectReason, note: str | None = None
) -> Assignment:
    """Not mine. A procedural reason gives the lead to somebody else at once, any other ends the
    matter for routing. Raises Problem 403, 404, 409."""
    passes_on = goes_to_another_rep(reason)
    if passes_on:
        unit.pool()  # before the assignment: everybody locks in this order
    found = _find(unit, answer)
    if not _moves(unit, found, Move.REJECT, reason):
        return found
    now = found.not_before(unit.now)
    done = _put(
        unit,
        found,
        Move.REJECT,
        answered_at=now,
        reason=reason,
        note=note,
        closed_at=now,
        closed_because="REJECTED",
    )
    unit.emit(LeadRejected(**_told(done, now), reason=reason, reason_class=REASON_CLASS[reason]))
    if passes_on:
        _to_somebody_else(unit, done)
    return done


def _to_somebody_else(unit: Routing, done: Assignment) -> None:
    unit.load_leads([done.lead_id])
    lead = unit.leads.get(done.lead_id)
    if lead is not None and lead.cycle == done.cycle:
        unit.pool().release(done.rep_id)  # it was counted before the answer
        unit.give_turn_back(done.rep_id)  # who could not have had it is owed another one
        pass_on(unit, lead, done, Cause.REJECTED)


def _find(unit: Routing, answer: Answer) -> Assignment:
    """The assignment that is answered, if this caller may answer this attempt."""
    if answer.manager_id is not None:
        unit.pool()  # before the assignment: everybody locks in this order
    found = unit.assignments.fetch(answer.assignment_id)
    if found is None:
        raise Problem(404, "No such assignment", "There is no assignment with this id.")
    if answer.rep_id is not None and answer.rep_id != found.rep_id:
        raise Problem(403, "Not your lead", "This lead was given to another rep.")
    if answer.manager_id is not None and found.rep_id not in unit.managed_by(answer.manager_id):
        raise Problem(403, "Not your team", "This lead is with a rep of another team.")
    if answer.attempt is not None and answer.attempt != found.attempt:
        raise moved_on(unit, found)
    return found


def _moves(
    unit: Routing, found: Assignment, move: Move, reason: RejectReason | None = None
) -> bool:
    """Whether the answer changes something; not so when it was given before. Raises Problem 409
    when it comes too late."""
    if found.state in MOVES[move][0] and found.closed_at is None:
        return True
    if is_repeat(found.state, move, found.reason, reason):
        return False
    raise moved_on(unit, found)


def _put(unit: Routing, found: Assignment, move: Move, **changes: Any) -> Assignment:
    """Store the move. It counts only if nobody else moves the assignment meanwhile."""
    done = replace(found, state=MOVES[move][1], updated_at=unit.now, **changes)
    unit.assignments.put(done)
    return done


def _told(done: Assignment, now: datetime) -> dict[str, Any]:
    return {
        "lead_id": done.lead_id,
        "assignment_id": done.assignment_id,
        "rep_id": done.rep_id,
        "attempt": done.attempt,
        "cycle": done.cycle,
        "definition_version": done.definition_version,
        "assigned_at": done.assigned_at,
        "due_at": done.due_at,
        "answered_at": now,
    }
