"""Who may call: the six roles and the caller an answer is made for."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a key is for. A key has exactly one role."""

    FORM = "form"
    """A web form: may post leads and nothing else, so its key may sit in a web page."""
    REP = "rep"
    """A salesperson: sees and answers the leads that were given to them."""
    MANAGER = "manager"
    """Leads teams: sees and moves their leads, and answers for an absent rep."""
    MARKETER = "marketer"
    """Reads the feedback and publishes lead definitions."""
    ADMIN = "admin"
    """Runs the product."""
    SERVICE = "service"
    """Another system: posts leads and outcomes, reads events."""


PERSONAL = frozenset({Role.REP, Role.MANAGER})
"""Roles whose keys belong to one rep."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller a key stands for. ``rep_id`` says which rep they are; it is set for reps and
    managers and for nobody else."""

    key_id: str
    role: Role
    rep_id: str | None = None
