"""Who gets leads and by which rules: what an admin changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.routing.domain.choice import Standing, level
from services.routing.domain.policy import InvalidPolicy, read_policy, unknown_reps
from services.routing.domain.reps import Rep, is_time_zone, starts_level
from services.routing.ports import Work
from shared.contracts.problems import Problem


async def add_rep(work: Work, rep: Rep) -> Rep:
    """Add a rep, who starts level with the others. Raises Problem 409, 422."""
    _check_time_zone(rep)
    pool = await work.pool()
    if not await work.reps.add(rep):
        raise Problem(409, "This rep exists", f"There is a rep {rep.rep_id!r}: change it instead.")
    standing = Standing(rep.rep_id, rep.weight, rep.capacity, rep.active)
    await work.reps.update(rep, level(standing, pool.reps.values()))
    await work.assignments.retry_unrouted(await work.now())
    return rep


async def change_rep(work: Work, after: Rep) -> Rep:
    """Change a rep; back from leave or with another weight they start level with the others.

    Raises Problem 404, 422.
    """
    _check_time_zone(after)
    pool = await work.pool()
    before = await work.reps.get(after.rep_id)
    if before is None:
        raise no_such_rep()
    standing = pool.reps[after.rep_id]
    calibration = standing.calibration
    if starts_level(before, after):
        standing.weight, standing.active = after.weight, after.active
        calibration = level(standing, pool.reps.values())
    await work.reps.update(after, calibration)
    await work.assignments.retry_unrouted(await work.now())
    return after


async def put_policy(work: Work, document: Mapping[str, Any]) -> int:
    """Make the next version of the policy; returns its number. Raises Problem 422."""
    await work.pool()  # versions are numbered one at a time
    try:
        read_policy(0, document)
    except InvalidPolicy as error:
        raise _invalid(error.errors) from None
    if errors := unknown_reps(document, await work.reps.ids()):
        raise _invalid(errors)
    version = await work.add_policy(document)
    await work.assignments.retry_unrouted(await work.now())
    return version


def no_such_rep() -> Problem:
    """The answer for a rep id nobody has."""
    return Problem(404, "No such rep", "There is no rep with this id.")


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
