"""What reps do with leads that are theirs: hand one over, put one back, note what they learned."""

from dataclasses import dataclass

from services.routing.domain.assignment import Assignment, Cause
from services.routing.domain.lead import Note
from services.routing.domain.reps import Status
from services.routing.handlers.conflicts import moved_on, name_of
from services.routing.handlers.handing_out import give_to, take_away
from services.routing.store.unit import Routing
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem


@dataclass(frozen=True, slots=True)
class Worker:
    """Who does it. ``rep_id`` confines them to their own leads, ``manager_id`` to those of their
    teams and their own; with neither, they may do it for everybody."""

    key_id: str
    rep_id: str | None = None
    manager_id: str | None = None


def hand_over(
    unit: Routing,
    assignment_id: str,
    to_rep_id: str,
    worker: Worker,
    note: str = "",
    attempt: int | None = None,
) -> Assignment:
    """Give a lead to a colleague, whose clock starts; what was done with it stays with the lead.

    Raises Problem 404, 403 for somebody else's, 409 when somebody else has it by now, and 422 for a
    colleague who can't take it.
    """
    found = _mine(unit, assignment_id, worker, attempt)
    colleague = unit.reps.get(to_rep_id)
    if to_rep_id == found.rep_id:
        raise _unfit("It is theirs already: choose a colleague.")
    if colleague is None:
        raise _unfit("There is no rep with this id.")
    if colleague.status is not Status.AVAILABLE:
        raise _unfit(f"{colleague.name} is {colleague.status.value}.")
    if (leave := colleague.leave_at(unit.now)) is not None:
        raise _unfit(f"{colleague.name} is {leave.words}.")
    lead = unit.leads.get(found.lead_id)
    if lead is None:
        raise moved_on(unit, found)
    _keep_note(unit, found, worker, note)
    why = f"handed over by {name_of(unit, found.rep_id)}"
    give_to(unit, lead, found, to_rep_id, why, Cause.HANDED_OVER, worker.key_id)
    now = unit.owner(found.lead_id)
    assert now is not None
    return now


def put_back(
    unit: Routing, assignment_id: str, worker: Worker, note: str = "", attempt: int | None = None
) -> Assignment | None:
    """Have the rules choose somebody else. Returns the new assignment; None when nobody can take
    it. Raises as ``hand_over`` does."""
    found = _mine(unit, assignment_id, worker, attempt)
    _keep_note(unit, found, worker, note)
    take_away(unit, found, Cause.PUT_BACK, worker.key_id)
    return unit.owner(found.lead_id)


def add_note(unit: Routing, lead_id: str, worker: Worker, text: str) -> Note:
    """Keep what somebody learned about a lead. Raises Problem 404, 403 for somebody else's lead."""
    unit.pool()
    unit.load_leads([lead_id])
    owner = unit.owner(lead_id)
    if not unit.attempts(lead_id):
        raise Problem(404, "No such lead", "No lead with this id has reached a rep.")
    _check_own(unit, None if owner is None else owner.rep_id, worker)
    note = Note(new_id(), lead_id, worker.rep_id, worker.key_id, text, unit.now)
    unit.notes.put(note)
    return note


def _mine(unit: Routing, assignment_id: str, worker: Worker, attempt: int | None) -> Assignment:
    """The open assignment that this worker may give away, with the pool and its lead held."""
    unit.pool()
    known = unit.assignments.fetch(assignment_id)
    if known is None:
        raise Problem(404, "No such assignment", "There is no assignment with this id.")
    unit.load_leads([known.lead_id])
    found = unit.assignments.get(assignment_id)
    assert found is not None
    _check_own(unit, found.rep_id, worker)
    if found.closed_at is not None or attempt not in (None, found.attempt):
        raise moved_on(unit, found)
    return found


def _check_own(unit: Routing, rep_id: str | None, worker: Worker) -> None:
    if worker.rep_id is not None and worker.rep_id != rep_id:
        raise Problem(403, "Not your lead", "This lead was given to another rep.")
    if worker.manager_id is not None and rep_id not in unit.managed_by(worker.manager_id):
        raise Problem(403, "Not your team", "This lead is with a rep of another team.")


def _unfit(detail: str) -> Problem:
    return Problem(
        422,
        "They can't take it",
        f"{detail} Nothing was changed: choose somebody else.",
        errors=[{"pointer": "/rep_id", "detail": detail}],
    )


def _keep_note(unit: Routing, found: Assignment, worker: Worker, text: str) -> None:
    if text.strip():
        kept = Note(new_id(), found.lead_id, found.rep_id, worker.key_id, text.strip(), unit.now)
        unit.notes.put(kept)
