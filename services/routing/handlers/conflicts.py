"""What somebody is told who comes too late."""

from services.routing.domain.assignment import Assignment
from services.routing.store.unit import Routing
from shared.contracts.problems import Problem


def moved_on(unit: Routing, found: Assignment) -> Problem:
    """409: the lead is not this attempt's any more, or it was answered; and who has it now."""
    unit.load_leads([found.lead_id])
    owner = unit.owner(found.lead_id)
    if owner is None:
        who = "nobody has it"
    elif owner.assignment_id == found.assignment_id:
        who = f"it is {found.state} with {name_of(unit, owner.rep_id)}"
    else:
        who = f"{name_of(unit, owner.rep_id)} has it"
    return Problem(
        409,
        "Too late for this assignment",
        f"Nothing was changed: {who} now.",
        state=found.state.value,
        attempt=found.attempt,
        owner=None if owner is None else owner.rep_id,
    )


def name_of(unit: Routing, rep_id: str) -> str:
    """What a rep is called; the id of one who is not there any more."""
    rep = unit.reps.get(rep_id) or unit.reps.fetch(rep_id)
    return rep_id if rep is None else rep.name
