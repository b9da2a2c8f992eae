"""Whose leads and reps a caller may see."""

from shared.access import Principal, Role
from shared.contracts.problems import Problem


def only_rep(caller: Principal) -> str | None:
    """The one rep that a rep may see; None for everybody else. A key of no rep sees nobody."""
    return (caller.rep_id or "") if caller.role is Role.REP else None


def managed_by(caller: Principal) -> str | None:
    """The manager whose teams are all that a manager may see; None for everybody else."""
    return (caller.rep_id or "") if caller.role is Role.MANAGER else None


def check_own(caller: Principal, rep_id: str) -> None:
    """Raise Problem 403 unless it is about the caller themselves, or an admin asks."""
    if caller.role is not Role.ADMIN and caller.rep_id != rep_id:
        raise Problem(403, "Not yours", "How somebody is told of leads is for them and admins.")
