"""Who gets leads and by which rules: what an admin changes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.routing.domain.choice import level
from services.routing.domain.policy import (
    InvalidPolicy,
    PolicyStatus,
    Written,
    read_policy,
    unknown_reps,
)
from services.routing.domain.reps import Rep, is_time_zone, starts_level
from services.routing.store.unit import Routing
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem


def add_rep(unit: Routing, values: Mapping[str, Any]) -> Rep:
    """Add a rep, who starts level with the others. Raises Problem 409, 422."""
    pool = unit.pool()
    rep = Rep(
        **{**values, "rep_id": values.get("rep_id") or f"rep-{new_id()}"}, created_at=unit.now
    )
    _check_time_zone(rep)
    if rep.rep_id in pool.reps:
        raise Problem(409, "This rep exists", f"There is a rep {rep.rep_id!r}: change it instead.")
    return _put(unit, rep, levels=True)


def change_rep(unit: Routing, rep_id: str, changes: Mapping[str, Any]) -> Rep:
    """Change a rep; back from leave or with another weight they start level with the others.

    Raises Problem 404, 422.
    """
    unit.pool()
    before = unit.reps.get(rep_id)
    if before is None:
        raise Problem(404, "No such rep", "There is no rep with this id.")
    after = replace(before, **changes)
    _check_time_zone(after)
    return _put(unit, after, levels=starts_level(before, after))


def put_policy(unit: Routing, document: Mapping[str, Any], instead_of: int | None = None) -> int:
    """Make the next version of the policy; returns its number. Raises Problem 422, and 409 when
    ``instead_of`` is given and another version is in force."""
    known = unit.pool().reps  # whose lock also numbers versions one at a time
    present = unit.policy().version
    if instead_of is not None and instead_of != present:
        raise Problem(
            409,
            "The policy has changed",
            f"Version {present} is in force, not {instead_of}: read it and try again.",
            version=present,
        )
    try:
        read_policy(0, document)
    except InvalidPolicy as error:
        raise _invalid(error.errors) from None
    if errors := unknown_reps(document, known):
        raise _invalid(errors)
    if (before := unit.policies.fetch(present)) is not None:
        unit.policies.put(replace(before, status=PolicyStatus.RETIRED))
        unit.policies.write()  # before the next: one alone is published
    number = unit.newest_policy() + 1
    unit.policies.put(
        Written(number, document, unit.now, PolicyStatus.PUBLISHED, published_at=unit.now)
    )
    unit.retry_unrouted()
    return number


def _put(unit: Routing, rep: Rep, *, levels: bool) -> Rep:
    pool = unit.pool()
    before = pool.reps.get(rep.rep_id)
    standing = rep.standing(before.waiting if before is not None else 0)
    if levels:
        standing.calibration = level(standing, pool.reps.values())
    pool.join(standing)
    rep = replace(rep, calibration=standing.calibration)
    unit.reps.put(rep)
    unit.retry_unrouted()
    return rep


def _check_time_zone(rep: Rep) -> None:
    if not is_time_zone(rep.time_zone):
        detail = "not in the IANA time zone database; an example is Europe/Berlin"
        raise _invalid([("/time_zone", detail)])


def _invalid(errors: Sequence[tuple[str, str]]) -> Problem:
    return Problem(
        422,
        "This can't be used",
        "Nothing was changed. See errors.",
        errors=[{"pointer": pointer, "detail": detail} for pointer, detail in errors],
    )
