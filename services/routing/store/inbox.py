"""What a rep sees: what waits for an answer, what they work on, and what is no longer theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select

from services.routing.domain.assignment import Assignment, State
from services.routing.domain.explanation import Explanation
from services.routing.domain.lead import Lead
from services.routing.store.aggregates import ASSIGNMENTS, DECISIONS, LEADS
from services.routing.store.queries import IS_WAITING
from services.routing.store.tables import assignments, contacts, decisions, leads
from shared.contracts.vocabulary import RejectReason
from shared.runtime.retention import first_id_of

MISSED_DAYS: Final = 30
"""How long what a rep no longer has is shown to them."""
MISSED: Final = ("SLA_BREACHED", "REJECTED", "HANDED_OVER", "PUT_BACK", "MOVED", "AWAY")
"""Ends of an attempt by which a lead leaves a rep. An outcome is none: the lead was worked."""
SOON: Final = timedelta(minutes=15)
"""What runs out within this time comes first, whatever its grade."""
LIKELY: Final = 4
ANSWERS_LOOKED_AT: Final = 100


class Tab(StrEnum):
    """The three lists of an inbox."""

    WAITING = "waiting"
    MINE = "mine"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Row:
    """One lead of a list."""

    assignment: Assignment
    lead: Lead | None
    contact: Mapping[str, Any]
    now_with: str | None = None
    """Who has it now, of a lead that is no longer this rep's; None: nobody."""


@dataclass(frozen=True, slots=True)
class Card:
    """A lead with all a rep wants to know about it."""

    assignment: Assignment
    lead: Lead | None
    contact: Mapping[str, Any]
    decision: Explanation | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many leads each list has, however many of them are shown."""

    waiting: int
    mine: int
    missed: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a list: of this grade, whose name or company holds these letters."""

    grade: str | None = None
    letters: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list from an offset on, and how many fit in all."""

    rows: Sequence[Row]
    found: int


def counts_of(conn: Connection, rep_id: str, now: datetime) -> Counts:
    """The true counts; ``now`` is the database's."""
    numbers = [
        conn.execute(
            select(func.count()).select_from(assignments).where(*_in(tab, rep_id, now))
        ).scalar_one()
        for tab in Tab
    ]
    return Counts(*numbers)


def page_of(
    conn: Connection,
    rep_id: str,
    tab: Tab,
    wanted: Wanted,
    now: datetime,
    *,
    offset: int = 0,
    limit: int,
) -> Page:
    """Rows of a list. What waits: first what runs out within a quarter of an hour, then by grade,
    deadline and age; what a rep works on: the newest answer first; what they missed: the newest
    end first."""
    query = ASSIGNMENTS.query().where(*_in(tab, rep_id, now)).order_by(*_order(tab, now))
    if wanted.grade is not None:
        query = query.where(assignments.c.grade == wanted.grade)
    if not wanted.letters:
        counted = select(func.count()).select_from(query.order_by(None).subquery())
        rows = _rows(conn, query.offset(offset).limit(limit))
        return Page(rows, conn.execute(counted).scalar_one())
    # Names are JSON that only Python reads the same on both databases; a rep's list is short.
    fitting = [row for row in _rows(conn, query) if _holds(row, wanted.letters)]
    return Page(fitting[offset : offset + limit], len(fitting))


def row_of(
    conn: Connection, rep_id: str, tab: Tab, assignment_id: str, now: datetime
) -> Row | None:
    """One row, if it is in this list of this rep."""
    one = assignments.c.assignment_id == assignment_id
    return next(iter(_rows(conn, ASSIGNMENTS.query().where(one, *_in(tab, rep_id, now)))), None)


def card_of(conn: Connection, row: Row) -> Card:
    """A row with the reasons it is the rep's."""
    one = row.assignment
    return Card(one, row.lead, row.contact, why_given(conn, one))


def why_given(conn: Connection, one: Assignment) -> Explanation | None:
    """The decision that gave this attempt to its rep; None when no rule did."""
    c = decisions.c
    query = DECISIONS.query().where(
        c.lead_id == one.lead_id,
        c.cycle == one.cycle,
        c.attempt == one.attempt,
        c.rep_id == one.rep_id,
    )
    return next(iter(DECISIONS.items(conn.execute(query))), None)


def likely_reasons(conn: Connection, rep_id: str) -> list[RejectReason]:
    """What this rep gave as reason most often of late, the most frequent first."""
    newest = (
        select(assignments.c.reason)
        .where(assignments.c.rep_id == rep_id)
        .order_by(assignments.c.assignment_id.desc())
        .limit(ANSWERS_LOOKED_AT)
        .subquery()
    )
    query = (
        select(newest.c.reason)
        .where(newest.c.reason.is_not(None))
        .group_by(newest.c.reason)
        .order_by(func.count().desc(), newest.c.reason)
        .limit(LIKELY)
    )
    return [RejectReason(one) for one in conn.execute(query).scalars()]


def shown_to(contact: Mapping[str, Any], *, has_it: bool) -> Mapping[str, Any]:
    """What a rep sees of a person: who had the lead sees who it was, not how to reach them."""
    return contact if has_it else {k: v for k, v in contact.items() if k in _WHO}


_WHO: Final = ("first_name", "last_name", "company")


def _in(tab: Tab, rep_id: str, now: datetime) -> list[ColumnElement[bool]]:
    c = assignments.c
    of_rep = c.rep_id == rep_id
    match tab:
        case Tab.WAITING:
            # ``closed_at`` says nothing that the state does not, but has an index.
            return [of_rep, c.closed_at.is_(None), and_(IS_WAITING)]
        case Tab.MINE:
            return [of_rep, c.closed_at.is_(None), c.state == State.ACCEPTED.value]
    since = now - timedelta(days=MISSED_DAYS)
    return [of_rep, c.assignment_id >= first_id_of(since), c.closed_because.in_(MISSED)]


def _order(tab: Tab, now: datetime) -> list[ColumnElement[Any]]:
    c = assignments.c
    match tab:
        case Tab.WAITING:
            later = case((c.due_at < now + SOON, 0), else_=1)
            return [later, func.coalesce(c.grade, "~"), c.due_at, c.assignment_id]
        case Tab.MINE:
            return [c.answered_at.desc(), c.assignment_id.desc()]
    return [c.closed_at.desc(), c.assignment_id.desc()]


def _rows(conn: Connection, query: Select[Any]) -> list[Row]:
    found = ASSIGNMENTS.items(conn.execute(query))
    lead_ids = [one.lead_id for one in found]
    if not lead_ids:
        return []
    known = LEADS.items(conn.execute(LEADS.query().where(leads.c.lead_id.in_(lead_ids))))
    by_lead = {one.lead_id: one for one in known}
    people = {
        row.lead_id: row.contact
        for row in conn.execute(select(contacts).where(contacts.c.lead_id.in_(lead_ids)))
    }
    gone = [one.lead_id for one in found if one.closed_at is not None]
    owners: dict[str, str] = {}
    if gone:
        c = assignments.c
        holding = select(c.lead_id, c.rep_id).where(c.lead_id.in_(gone), c.closed_at.is_(None))
        owners = {row.lead_id: row.rep_id for row in conn.execute(holding)}
    return [
        Row(
            one,
            by_lead.get(one.lead_id),
            shown_to(people.get(one.lead_id, {}), has_it=one.closed_at is None),
            owners.get(one.lead_id),
        )
        for one in found
    ]


def _holds(row: Row, letters: str) -> bool:
    told = (row.contact.get(name) for name in ("first_name", "last_name", "company", "email"))
    whole = " ".join(filter(None, told)).casefold()
    return all(part in whole for part in letters.casefold().split())
