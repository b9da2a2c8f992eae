"""What a manager does with the leads of their teams: move them, one or many."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.routing.domain.assignment import Assignment, Cause, kept_out_of_new_round
from services.routing.domain.lead import Lead
from services.routing.domain.reps import Status
from services.routing.handlers.handing_out import choose_anew, give_to, settle, take_away
from services.routing.store.unit import Routing
from shared.contracts.problems import Problem

_BY_HAND = "a manager chose them"


@dataclass(frozen=True, slots=True)
class Mover:
    """Who moves leads. ``manager_id`` confines them to their teams; None: everybody's."""

    key_id: str
    manager_id: str | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one lead that was to be moved."""

    lead_id: str
    rep_id: str | None
    """Who has it now; None: nobody can take it."""
    why: str = ""
    """Why it was not moved, if it was not."""


def move(
    unit: Routing, lead_ids: Sequence[str], to_rep_id: str | None, mover: Mover
) -> list[Moved]:
    """Move leads to a rep, or, without one, by the rules. Each is moved or said why not.

    Raises Problem 403 for a rep or a lead outside the manager's teams, 422 for a rep who can't take
    any. What a rep works on moves only to somebody; the rules leave it with them.
    """
    unit.pool()
    unit.load_leads(lead_ids)
    ours = None if mover.manager_id is None else unit.managed_by(mover.manager_id)
    if to_rep_id is not None:
        _check_target(unit, to_rep_id, ours)
    return [_move(unit, lead_id, to_rep_id, ours, mover) for lead_id in dict.fromkeys(lead_ids)]


def _move(
    unit: Routing, lead_id: str, to_rep_id: str | None, ours: set[str] | None, mover: Mover
) -> Moved:
    lead, owner = unit.leads.get(lead_id), unit.owner(lead_id)
    has_it = None if owner is None else owner.rep_id
    if lead is None:
        return Moved(lead_id, None, "no such lead has come to routing")
    if ours is not None and has_it is not None and has_it not in ours:
        return Moved(lead_id, None, "it is with a rep of another team")
    why = _stays(lead, owner, to_rep_id)
    if why:
        return Moved(lead_id, has_it, why)
    if to_rep_id is not None:
        give_to(unit, lead, owner, to_rep_id, _BY_HAND, Cause.MOVED, mover.key_id)
    elif owner is not None:
        take_away(unit, owner, Cause.MOVED, mover.key_id)
    else:
        # Nobody who turned it down for good, and rather somebody who never had it.
        tries = kept_out_of_new_round(unit.history(lead), rested=True)
        decision = choose_anew(unit, lead, tries)
        if decision.rep_id is None:
            return Moved(lead_id, None, decision.reason)
        settle(unit, lead, decision, None, Cause.MOVED, opens_round=True, given_by=mover.key_id)
    now = unit.owner(lead_id)
    return Moved(lead_id, None if now is None else now.rep_id)


def _stays(lead: Lead, owner: Assignment | None, to_rep_id: str | None) -> str:
    """Why a lead can't be moved so; empty when it can."""
    if owner is None:
        # Rejected for good, recycled or done with: it is not routing's to give.
        return "" if lead.unrouted_at is not None else "it waits for nobody"
    if owner.rep_id == to_rep_id:
        return "they have it already"
    if to_rep_id is None and not owner.waits:
        return "somebody works on it: name who is to have it"
    return ""


def _check_target(unit: Routing, rep_id: str, ours: set[str] | None) -> None:
    rep = unit.reps.get(rep_id)
    if rep is None:
        raise _refused(422, "No such rep", "There is no rep with this id.")
    if ours is not None and rep_id not in ours:
        raise _refused(403, "Not your team", f"{rep.name} is in none of your teams.")
    if rep.status is not Status.AVAILABLE:
        raise _refused(422, "They get no leads", f"{rep.name} is {rep.status.value}.")
    if (leave := rep.leave_at(unit.now)) is not None:
        raise _refused(422, "They are on leave", f"{rep.name} is {leave.words}.")


def _refused(status: int, title: str, detail: str) -> Problem:
    return Problem(
        status,
        title,
        f"{detail} Choose somebody else; nothing was changed.",
        errors=[{"pointer": "/rep_id", "detail": detail}],
    )
