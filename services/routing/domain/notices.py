"""Whom to tell what, by which channel and when: a lead that is theirs now, a deadline that is near.

A notice says only what has happened to which attempt; what its message says is put together when it
is sent, and holds nothing personal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.routing.domain.assignment import Assignment, State
from services.routing.domain.calendar import Calendar
from services.routing.domain.channels import BY_DEFAULT, Channel, Medium, Tells, When
from services.routing.domain.reps import Rep
from shared.contracts.events import (
    EventData,
    LeadAssigned,
    LeadEscalated,
    LeadReassigned,
    SlaBreached,
    SlaWarned,
)


class NoticeState(StrEnum):
    """What became of a notice."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"
    """There was nothing to tell any more when its time came, or no channel to tell it by."""
    GIVEN_UP = "given_up"
    """It could not be sent for a day, or never can be."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one rep by one channel, sent or to be sent. Its id is the message's, the same
    at every try."""

    notice_id: str
    rep_id: str
    medium: Medium
    tells: Tells
    destination: str
    state: NoticeState
    created_at: datetime
    due_at: datetime
    """From when on it is to be sent."""
    next_at: datetime
    """When it is tried next; while it is being tried, when somebody else may."""
    tries: int = 0
    lead_id: str | None = None
    assignment_id: str | None = None
    deadline: datetime | None = None
    error: str | None = None
    """Why the last try failed."""
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody is to be told something."""

    rep_id: str
    tells: Tells
    lead_id: str
    assignment_id: str | None = None
    deadline: datetime | None = None


_TAKEN: Final = frozenset({"MOVED", "AWAY"})
"""Causes for which a lead goes on although its rep did nothing; they know what they did themselves,
and a breach has an event of its own."""


def told_by(event: EventData) -> Iterator[Told]:
    """Whom an event concerns, and how."""
    match event:
        case LeadReassigned(cause=cause) if cause in _TAKEN:
            yield Told(event.previous_rep_id, Tells.TAKEN_AWAY, event.lead_id)
            yield _new_lead(event)
        case LeadAssigned():
            yield _new_lead(event)
        case SlaWarned():
            at = event.due_at
            yield Told(event.rep_id, Tells.SLA_WARNED, event.lead_id, event.assignment_id, at)
        case SlaBreached():
            yield Told(event.rep_id, Tells.TAKEN_AWAY, event.lead_id, event.assignment_id)
        case LeadEscalated(manager_id=str(manager_id)):
            yield Told(manager_id, Tells.ESCALATED, event.lead_id)
        case _:
            return


def _new_lead(event: LeadAssigned) -> Told:
    at = event.due_at
    return Told(event.rep_id, Tells.NEW_LEAD, event.lead_id, event.assignment_id, at)


def channels_of(rep: Rep, mail: bool) -> tuple[Channel, ...]:
    """The channels that work for a rep now. ``mail``: whether there is a server to send it by."""
    chosen = BY_DEFAULT if rep.channels is None else rep.channels
    return tuple(
        one
        for one in chosen
        if one.ended is None and (one.medium is not Medium.MAIL or (mail and rep.email))
    )


def notice_of(
    told: Told, channel: Channel, calendar: Calendar, notice_id: str, now: datetime
) -> Notice | None:
    """The notice by which a channel tells something; None if it does not.

    A digest is one notice a day, with an id made of the day: what it holds is read when it is sent.
    """
    if told.tells not in channel.tells:
        return None
    due_at: datetime | None = now
    if channel.when is When.WORKING_HOURS:
        due_at = calendar.next_start(now)
    elif channel.when is When.DIGEST:
        due_at = calendar.next_day(now)
    if due_at is None:
        return None  # somebody who never works again
    medium, to = channel.medium, channel.destination
    waiting = NoticeState.WAITING
    if channel.when is When.DIGEST:
        name = f"digest-{told.rep_id}-{medium}-{due_at:%Y%m%dT%H%M}"
        return Notice(name, told.rep_id, medium, Tells.DIGEST, to, waiting, now, due_at, due_at)
    return Notice(
        *(notice_id, told.rep_id, medium, told.tells, to, waiting, now, due_at, due_at, 0),
        *(told.lead_id, told.assignment_id, told.deadline),
    )


FIRST_WAIT: Final = timedelta(seconds=15)
LONGEST_WAIT: Final = timedelta(minutes=30)
GIVEN_UP_AFTER: Final = timedelta(hours=24)


def next_try(notice: Notice, now: datetime, jitter: float, asked: float = 0.0) -> datetime | None:
    """When to try again after ``notice.tries`` failures; None: it is time to give up.

    The wait doubles from 15 seconds to half an hour, less up to half of it by ``jitter`` (0 to 1):
    so that not all come back at once to a server that is back. ``asked`` are seconds that the
    receiver wants at least.
    """
    wait = min(FIRST_WAIT * 2 ** min(notice.tries - 1, 10), LONGEST_WAIT) * (1 - jitter / 2)
    after = now + max(wait, timedelta(seconds=min(asked, LONGEST_WAIT.total_seconds())))
    return after if after <= notice.due_at + GIVEN_UP_AFTER else None


def notices_of(
    told: Sequence[Told],
    reps: Mapping[str, tuple[Rep, Calendar]],
    ids: Iterator[str],
    now: datetime,
    mail: bool,
) -> list[Notice]:
    """Every notice that follows from what happened in one transaction."""
    found = []
    for one in told:
        if one.rep_id in reps:
            rep, calendar = reps[one.rep_id]
            for channel in channels_of(rep, mail):
                notice = notice_of(one, channel, calendar, next(ids), now)
                if notice is not None:
                    found.append(notice)
    # In one order everywhere: two who make the same digests must not wait for each other.
    return sorted(found, key=lambda notice: notice.notice_id)


def overtaken(notice: Notice, attempt: Assignment | None) -> str | None:
    """Why there is nothing to tell any more, in words; None: there is.

    Whoever has answered knows of it. What was held back for their working hours is told only if it
    still holds; what could not be sent in time is told late all the same.
    """
    if notice.tells not in (Tells.NEW_LEAD, Tells.SLA_WARNED) or attempt is None:
        return None
    if attempt.state in (State.ACCEPTED, State.REJECTED):
        return "it had been answered"
    if attempt.state is State.ACKNOWLEDGED and notice.tells is Tells.NEW_LEAD:
        return "it had been seen"
    held = notice.due_at > notice.created_at
    if attempt.closed_at is not None and (held or notice.tells is Tells.SLA_WARNED):
        return "it had gone to somebody else"
    return None
