"""What an answer says of a lead, for each way to say what a good one is."""

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

Label = Literal["accepted", "sql", "won"]

DUE: Final = timedelta(days=90)
"""So long a lead has after its qualification to become an SQL."""

GOOD: Final = "good"
BAD: Final = "bad"
LEFT_OUT: Final = {
    "below": "below the threshold or disqualified, so no rep was asked",
    "waiting": "no answer yet",
    "timed_out": "not answered in time, which says nothing about the lead",
    "procedural": "turned down for a procedural reason, which says nothing about the lead",
    "clerical": "turned down for its data, which says nothing about the definition",
    "not_due": "accepted, and the outcome is not due yet",
}
"""The groups that are neither, in words."""


class Told(NamedTuple):
    """What reps and deals said of one cycle of a lead."""

    answer: str | None
    reason_class: str | None
    breached_at: datetime | None
    sql_at: datetime | None
    opportunity_at: datetime | None
    won_at: datetime | None
    lost_at: datetime | None
    disqualified_at: datetime | None


def group_of(label: Label, told: Told, decided_at: datetime, now: datetime) -> str:
    """The group of a lead that became an MQL at ``decided_at``: good, bad, or left out.

    Only a definitional rejection is an answer. A deal that went further than SQL was one. What
    becomes of an accepted lead counts once it is due: won and lost when told, SQL within 90 days.
    """
    if told.answer is None:
        return "waiting" if told.breached_at is None else "timed_out"
    if told.answer == "rejected":
        return BAD if told.reason_class == "definitional" else told.reason_class or "clerical"
    if label == "accepted":
        return GOOD
    if label == "sql":
        return _of_sql(told, decided_at + DUE, now)
    if told.won_at is not None:
        return GOOD
    return "not_due" if told.lost_at is None and told.disqualified_at is None else BAD


def _of_sql(told: Told, due: datetime, now: datetime) -> str:
    reached = [one for one in (told.sql_at, told.opportunity_at, told.won_at) if one is not None]
    if reached and min(reached) <= due:
        return GOOD
    return BAD if due <= now or told.disqualified_at is not None else "not_due"
