"""A rep's three answers. Each is one conditional change: whoever comes second is told so."""

from dataclasses import dataclass

from services.routing.domain.assignment import (
    Assignment,
    Move,
    goes_to_another_rep,
    is_repeat,
)
from services.routing.handlers.handing_out import pass_on
from services.routing.ports import Work
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


async def acknowledge(work: Work, answer: Answer) -> Assignment:
    """Seen: from now on the deadline to accept or reject runs. Raises Problem 403, 404, 409."""
    now, policy = await work.now(), await work.policy()
    done = await work.assignments.answer(
        answer.assignment_id,
        Move.ACKNOWLEDGE,
        now,
        rep_id=answer.rep_id,
        attempt=answer.attempt,
        due_at=now + policy.accept,
    )
    if done is None:
        return await _repeat_or_refuse(work, answer, Move.ACKNOWLEDGE)
    work.emit(
        LeadAcknowledged(
            lead_id=done.lead_id,
            assignment_id=done.assignment_id,
            rep_id=done.rep_id,
            attempt=done.attempt,
            cycle=done.cycle,
            acknowledged_at=now,
            due_at=done.due_at,
        ),
        at=now,
    )
    return done


async def accept(work: Work, answer: Answer) -> Assignment:
    """Mine to work. Raises Problem 403, 404, 409."""
    now = await work.now()
    done = await work.assignments.answer(
        answer.assignment_id, Move.ACCEPT, now, rep_id=answer.rep_id, attempt=answer.attempt
    )
    if done is None:
        return await _repeat_or_refuse(work, answer, Move.ACCEPT)
    work.emit(
        LeadAccepted(
            lead_id=done.lead_id,
            assignment_id=done.assignment_id,
            rep_id=done.rep_id,
            attempt=done.attempt,
            cycle=done.cycle,
            definition_version=done.definition_version,
            assigned_at=done.assigned_at,
            due_at=done.due_at,
            answered_at=now,
        ),
        at=now,
    )
    return done


async def reject(
    work: Work, answer: Answer, reason: RejectReason, note: str | None = None
) -> Assignment:
    """Not mine. A procedural reason gives the lead to somebody else at once, any other ends the
    matter for routing. Raises Problem 403, 404, 409."""
    if goes_to_another_rep(reason):
        await work.pool()  # before the assignment: everybody locks in this order
    now = await work.now()
    done = await work.assignments.answer(
        answer.assignment_id,
        Move.REJECT,
        now,
        rep_id=answer.rep_id,
        attempt=answer.attempt,
        reason=reason,
        note=note,
    )
    if done is None:
        return await _repeat_or_refuse(work, answer, Move.REJECT, reason)
    work.emit(
        LeadRejected(
            lead_id=done.lead_id,
            assignment_id=done.assignment_id,
            rep_id=done.rep_id,
            attempt=done.attempt,
            cycle=done.cycle,
            definition_version=done.definition_version,
            assigned_at=done.assigned_at,
            due_at=done.due_at,
            answered_at=now,
            reason=reason,
            reason_class=REASON_CLASS[reason],
        ),
        at=now,
    )
    if goes_to_another_rep(reason):
        await _to_somebody_else(work, done)
    return done


async def _to_somebody_else(work: Work, done: Assignment) -> None:
    await work.leads.load([done.lead_id])
    lead = work.leads.get(done.lead_id)
    if lead is None or lead.cycle != done.cycle:
        return
    # The pool was locked before the answer and counts this lead as still waiting for it.
    (await work.pool()).release(done.rep_id)
    history = await work.leads.histories([done.lead_id])
    await pass_on(work, lead, tuple(history[done.lead_id]), done, "REJECTED")


async def _repeat_or_refuse(
    work: Work, answer: Answer, move: Move, reason: RejectReason | None = None
) -> Assignment:
    found = await work.assignments.get(answer.assignment_id)
    if found is None:
        raise Problem(404, "No such assignment", "There is no assignment with this id.")
    if answer.rep_id is not None and answer.rep_id != found.rep_id:
        raise Problem(403, "Not your lead", "This lead was given to another rep.")
    if answer.attempt is not None and answer.attempt != found.attempt:
        raise _conflict(found, f"this is attempt {found.attempt}, not {answer.attempt}")
    if is_repeat(found.state, move, found.reason, reason):
        return found
    raise _conflict(found, f"it is {found.state} and can't be changed by {move}")


def _conflict(found: Assignment, why: str) -> Problem:
    return Problem(
        409,
        "Too late for this assignment",
        f"Nothing was changed: {why}.",
        state=found.state.value,
        attempt=found.attempt,
    )
