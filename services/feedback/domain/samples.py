"""What a decision about a lead looked at: what learning learns from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.feedback.domain.kpis import MQL_TO_SQL_DAYS


class Label(StrEnum):
    """What "a good lead" is taken to mean."""

    ACCEPTED = "accepted"
    SQL = "sql"
    WON = "won"


class Group(StrEnum):
    """What became of a sample, as far as a label can tell."""

    GOOD = "good"
    BAD = "bad"
    NOT_DUE = "not_due"
    PROCEDURAL = "procedural"
    CLERICAL = "clerical"
    WAITING = "waiting"
    TIMED_OUT = "timed_out"
    BELOW = "below"


LEFT_OUT: Final[dict[Group, str]] = {
    Group.NOT_DUE: "accepted, and the outcome is not due yet",
    Group.PROCEDURAL: "turned down for a procedural reason, which says nothing about the lead",
    Group.CLERICAL: "turned down for faulty data, which says nothing about the definition",
    Group.WAITING: "with a rep or waiting for one",
    Group.TIMED_OUT: "not answered in time, which says nothing about the lead",
    Group.BELOW: "never reached a rep",
}
"""The groups that are no answers, in words."""

DUE_DAYS: Final = MQL_TO_SQL_DAYS
"""Days in which a lead has to become an SQL to count as one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A lead as it was when it was decided, never later.

    ``cycle`` 0 holds the newest inputs of a lead that has not been an MQL; ``activities`` are by
    kind, as ``lead.qualification`` tells them.
    """

    lead_id: str
    cycle: int
    decided_at: datetime
    definition_version: int
    score: int
    threshold: int
    facts: Mapping[str, Any]
    attribution: Mapping[str, str]
    activities: Mapping[str, Mapping[str, Any]]
    explored: bool
    exploration_rate: float
