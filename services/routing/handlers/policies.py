"""Write, change and publish versions of the policy: one function per command."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.routing.domain.policy import BUILT_IN, PolicyStatus, Written
from services.routing.domain.policy_check import Known, faults
from services.routing.handlers.setting_up import invalid
from services.routing.store.unit import Routing
from shared.contracts.problems import Problem


def create_draft(
    unit: Routing, document: Mapping[str, Any], note: str = "", *, by: str | None = None
) -> Written:
    """Keep a policy as the next version, a draft. Raises Problem 422."""
    _check(unit, document)
    number = unit.newest_policy() + 1
    made = Written(number, document, unit.now, note=note, created_by=by)
    unit.policies.put(made)
    return made


def change_draft(
    unit: Routing,
    version: int,
    document: Mapping[str, Any],
    note: str = "",
    seen: str | None = None,
    *,
    by: str | None = None,
) -> Written:
    """Put another document in a draft's place. ``seen`` is the ETag of the one that was changed.

    Raises Problem 404, 409 for what is no draft any more, 412 when somebody else changed it in
    between, and 422.
    """
    _check(unit, document)
    found = _draft(unit, version, "changed")
    _check_seen(found, seen)
    if (found.document, found.note) == (document, note):
        return found
    made = replace(found, document=document, note=note, updated_at=unit.now, updated_by=by)
    unit.policies.put(made)
    return made


def delete_draft(unit: Routing, version: int, seen: str | None = None) -> None:
    """Throw a draft away. Raises Problem 404, 409 and 412, as ``change_draft`` does."""
    unit.pool()
    found = _draft(unit, version, "deleted")
    _check_seen(found, seen)
    unit.policies.remove(found)


def publish_draft(
    unit: Routing,
    version: int,
    instead_of: int | None = None,
    seen: str | None = None,
    *,
    by: str | None = None,
) -> Written:
    """Put a draft in force, and retire what was. Once is enough: what is in force stays so.

    Raises Problem 404; 409 for a retired version, and when ``instead_of`` is given and another one
    is in force; 412 when it is not the document of the ETag ``seen``; 422 when it names somebody
    who is not there any more.
    """
    unit.pool()  # whose lock also numbers and publishes versions one at a time
    found = _existing(unit, version)
    if found.status is PolicyStatus.PUBLISHED:
        return found
    _draft(unit, version, "published")
    _check_seen(found, seen)
    _check(unit, found.document)
    _check_present(unit, instead_of)
    return _publish(unit, found, by)


def put_policy(
    unit: Routing,
    document: Mapping[str, Any],
    instead_of: int | None = None,
    seen: str | None = None,
    *,
    by: str | None = None,
) -> Written:
    """Put a policy in force at once. Raises Problem 422; 409 when ``instead_of`` is given and
    another version is in force, and 412 when ``seen`` is not the ETag of that which is."""
    _check(unit, document)
    _check_present(unit, instead_of)
    if seen is not None:
        _check_seen(unit.policies.fetch(unit.policy().version) or BUILT_IN, seen)
    made = Written(unit.newest_policy() + 1, document, unit.now, created_by=by)
    return _publish(unit, made, by)


def _publish(unit: Routing, made: Written, by: str | None) -> Written:
    before = unit.policies.fetch(unit.policy().version)
    if before is not None:
        unit.policies.put(replace(before, status=PolicyStatus.RETIRED))
        unit.policies.write()  # before the next: one alone is published
    after = replace(made, status=PolicyStatus.PUBLISHED, published_at=unit.now, published_by=by)
    unit.policies.put(after)
    unit.retry_unrouted()
    return after


def _check(unit: Routing, document: Mapping[str, Any]) -> None:
    unit.pool()
    reps = {rep.rep_id: rep for rep in unit.reps}
    teams = {team.team_id: team for team in unit.teams.all()}
    if errors := faults(document, Known(reps, teams)):
        raise invalid(errors)


def _check_present(unit: Routing, instead_of: int | None) -> None:
    present = unit.policy().version
    if instead_of is not None and instead_of != present:
        raise Problem(
            409,
            "The policy has changed",
            f"Version {present} is in force, not {instead_of}: read it and try again.",
            version=present,
        )


def _existing(unit: Routing, version: int) -> Written:
    found = unit.policies.fetch(version)
    if found is None:
        raise Problem(404, "No such policy", f"There is no version {version}.")
    return found


def _draft(unit: Routing, version: int, done: str) -> Written:
    found = _existing(unit, version)
    if found.status is not PolicyStatus.DRAFT:
        raise Problem(
            409,
            "Only a draft can be " + done,
            f"Version {version} is {found.status.value} and stays as it is: write a new version.",
            status_of_version=found.status.value,
        )
    return found


def _check_seen(found: Written, seen: str | None) -> None:
    if seen is not None and seen not in ("*", found.etag):
        raise Problem(
            412,
            "Changed in between",
            f"Version {found.version} is not what you read any more: read it again.",
            etag=found.etag,
        )
