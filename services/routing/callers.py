"""Whose leads and reps a caller may see."""

from shared.access import Principal, Role


def only_rep(caller: Principal) -> str | None:
    """The one rep that a rep may see; None for everybody else. A key of no rep sees nobody."""
    return (caller.rep_id or "") if caller.role is Role.REP else None


def managed_by(caller: Principal) -> str | None:
    """The manager whose teams are all that a manager may see; None for everybody else."""
    return (caller.rep_id or "") if caller.role is Role.MANAGER else None
