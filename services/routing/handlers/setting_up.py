"""Who gets leads and by which rules: what an admin changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.routing.domain.assignment import Assignment, Cause
from services.routing.domain.choice import level
from services.routing.domain.reps import Rep, Status, Team, readable_id, starts_level
from services.routing.domain.working_hours import Fault, faults
from services.routing.handlers.handing_out import take_away
from services.routing.spreadsheet import unusable_rows
from services.routing.store.aggregates import OPEN_OF, WAITING_OF
from services.routing.store.unit import Routing
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem


def add_rep(unit: Routing, values: Mapping[str, Any]) -> Rep:
    """Add a rep, who starts level with the others. Raises Problem 409, 422."""
    pool = unit.pool()
    rep_id = values.get("rep_id") or readable_id(values["name"], pool.reps, "rep-")
    rep = Rep(**{**values, "rep_id": rep_id or f"rep-{new_id()}"}, created_at=unit.now)
    _check(unit, rep)
    if rep.rep_id in pool.reps:
        raise Problem(409, "This rep exists", f"There is a rep {rep.rep_id!r}: change it instead.")
    return _put(unit, rep, levels=True)


def change_rep(unit: Routing, rep_id: str, changes: Mapping[str, Any]) -> Rep:
    """Change a rep; back from leave or with another weight they start level with the others.

    Raises Problem 404, 422.
    """
    unit.pool()
    unit.credit_absent()
    before = unit.reps.get(rep_id)
    if before is None:
        raise Problem(404, "No such rep", "There is no rep with this id.")
    after = replace(before, **changes)
    _check(unit, after)
    put = _put(unit, after, levels=starts_level(before, after))
    _move_what_would_breach(unit, put)
    return put


@dataclass(frozen=True, slots=True)
class WantedRep:
    """A rep as a table has them: what it says of them, what that makes of somebody new, and where
    it says so, as a JSON pointer. Without an id it is somebody new."""

    rep_id: str | None
    changes: Mapping[str, Any]
    new: Mapping[str, Any]
    place: str


def put_reps(unit: Routing, wanted: Sequence[WantedRep]) -> list[Rep]:
    """Add and change reps: all of them, or none. Raises Problem 422 with each row that can't be."""
    known = unit.pool().reps
    by_email = {rep.email.lower(): rep.rep_id for rep in unit.reps if rep.email}
    errors: list[tuple[str, str]] = []
    seen: set[str] = set()
    for one in wanted:
        before = unit.reps.get(one.rep_id) if one.rep_id else None
        values = one.changes if before else one.new
        email = str(values.get("email") or "").lower()
        if before is None and not values["name"]:
            errors.append((f"{one.place}/name", "somebody new needs a name"))
        if one.rep_id is None and email in by_email:
            has_it = by_email[email]
            errors.append((f"{one.place}/rep_id", f"{has_it} has this e-mail address: name them"))
        elif email:
            by_email.setdefault(email, f"row {one.place.strip('/')}")
        if one.rep_id is not None and one.rep_id in seen:
            errors.append((f"{one.place}/rep_id", "this rep is in the table twice"))
        seen.add(one.rep_id or "")
        tried = replace(before, **values) if before else Rep(**_new(one), created_at=unit.now)
        errors += [(one.place + pointer, detail) for pointer, detail in _faults(unit, tried)]
    if errors:
        raise unusable_rows(errors)
    return [
        change_rep(unit, one.rep_id, one.changes)
        if one.rep_id is not None and one.rep_id in known
        else add_rep(unit, _new(one))
        for one in wanted
    ]


def _new(wanted: WantedRep) -> dict[str, Any]:
    return {**wanted.new, "rep_id": wanted.rep_id or ""}


def _move_what_would_breach(unit: Routing, rep: Rep) -> None:
    """Give leads to others that this rep, who is away now, can't answer in time; all of them when
    nobody knows when they are back, and those they work on, too, when they are gone."""
    if rep.status is Status.GONE:
        stay: list[Assignment] = unit.assignments.select(OPEN_OF, rep_id=rep.rep_id)
    else:
        stay = unit.assignments.select(WAITING_OF, rep_id=rep.rep_id)
    standing = unit.pool().reps[rep.rep_id]
    if rep.active and standing.away is None:
        return
    back_at = standing.back_at if rep.active else None
    if rep.active and rep.leave_at(unit.now) is None:
        return  # a night is no leave: the clock stands still in it
    moving = [one for one in stay if back_at is None or one.due_at < back_at]
    unit.load_leads([one.lead_id for one in moving])
    for one in moving:
        take_away(unit, one, Cause.AWAY)


def add_team(unit: Routing, name: str, manager_id: str | None) -> Team:
    """Add a team. Raises Problem 422 when its manager is no rep."""
    unit.pool()
    _check_manager(unit, manager_id)
    known = {team.team_id for team in unit.teams.all()}
    team_id = readable_id(name, known) or f"team-{new_id()}"
    team = Team(team_id, name, manager_id, unit.now)
    unit.teams.put(team)
    return team


def change_team(unit: Routing, team_id: str, changes: Mapping[str, Any]) -> Team:
    """Change a team's name or manager. Raises Problem 404, 422."""
    unit.pool()
    before = unit.teams.fetch(team_id)
    if before is None:
        raise Problem(404, "No such team", "There is no team with this id.")
    _check_manager(unit, changes.get("manager_id"))
    after = replace(before, **changes)
    unit.teams.put(after)
    return after


def remove_team(unit: Routing, team_id: str) -> None:
    """Remove a team that nobody is in. Raises Problem 404, 409."""
    unit.pool()
    team = unit.teams.fetch(team_id)
    if team is None:
        raise Problem(404, "No such team", "There is no team with this id.")
    members = sorted(rep.name for rep in unit.reps if rep.team_id == team_id)
    if members:
        names = ", ".join(members[:5])
        raise Problem(409, "The team has reps", f"Move them to another team first: {names}.")
    unit.teams.remove(team)


def _check_manager(unit: Routing, manager_id: str | None) -> None:
    if manager_id is not None and unit.reps.get(manager_id) is None:
        raise invalid([("/manager_id", "no such rep: add them first, of weight 0 if need be")])


def _put(unit: Routing, rep: Rep, *, levels: bool) -> Rep:
    pool = unit.pool()
    standing = unit.standing(rep, unit.plate(rep))
    if levels:
        standing.calibration = level(standing, pool.reps.values())
    pool.join(standing)
    rep = replace(rep, calibration=standing.calibration)
    unit.reps.put(rep)
    unit.retry_unrouted()
    return rep


def _check(unit: Routing, rep: Rep) -> None:
    """Raises Problem 422 for what can't be true of a rep."""
    if errors := list(_faults(unit, rep)):
        raise invalid(errors)


def _faults(unit: Routing, rep: Rep) -> Iterator[Fault]:
    yield from faults(rep)
    if rep.team_id is not None and unit.teams.fetch(rep.team_id) is None:
        yield "/team_id", "no such team: add it first"


def invalid(errors: Sequence[tuple[str, str]]) -> Problem:
    """The problem that something can't be so, with the place of each fault."""
    return Problem(
        422,
        "This can't be used",
        "Nothing was changed. See errors.",
        errors=[{"pointer": pointer, "detail": detail} for pointer, detail in errors],
    )
