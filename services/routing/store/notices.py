"""Notices: which are due, who sends them, and what became of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, func, select

from services.routing.domain.assignment import Assignment
from services.routing.domain.channels import Medium, Tells
from services.routing.domain.lead import Lead
from services.routing.domain.notices import Notice, NoticeState
from services.routing.domain.reps import Rep
from services.routing.store.aggregates import ASSIGNMENTS, LEADS, NOTICES
from services.routing.store.queries import (
    IS_WAITING,
    find_assignment,
    find_lead,
    find_rep,
    seconds_until,
)
from services.routing.store.tables import UNSENT_SQL, assignments, leads, notices, reps, teams
from shared.db.database import database_now
from shared.db.statements import Statement, one_of

CLAIMED_FOR: Final = timedelta(seconds=60)
"""Nobody else tries a notice for so long; whoever does is done with it, or dead, by then."""
LOOKED_AT: Final = 1000
"""Most due notices that are looked at when some are claimed."""
KEPT_FOR: Final = timedelta(days=14)
FORGOTTEN_AT_ONCE: Final = 500
RAN_OUT: Final = ("SLA_BREACHED", "MOVED", "AWAY")
"""Ends of an attempt that its rep did nothing for."""
_COLUMNS: Final = ", ".join(f'"{name}"' for name in NOTICES.columns)


def _idle(dialect: str) -> str:
    return f"NOT ({one_of('destination', 'busy', dialect)})"


_CLAIM = Statement(
    lambda dialect: (
        "UPDATE notices SET next_at = :until, tries = tries + 1 WHERE notice_id IN ("  # noqa: S608
        f"SELECT notice_id FROM notices WHERE {UNSENT_SQL} AND next_at <= :now AND notice_id IN ("
        "SELECT notice_id FROM (SELECT notice_id, next_at, row_number() OVER "
        "(PARTITION BY destination ORDER BY next_at, notice_id) AS place FROM ("
        f"SELECT notice_id, next_at, destination FROM notices WHERE {UNSENT_SQL} "
        f"AND next_at <= :now AND {_idle(dialect)} ORDER BY next_at LIMIT :looked_at) AS due"
        ") AS placed WHERE place <= :each ORDER BY next_at LIMIT :limit)"
        # What somebody else has claimed meanwhile is judged again, as it is now, and passed over.
        + (" FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else "")
        + f") RETURNING {_COLUMNS}"
    )
)
"""Claims due notices, at most so many of one destination, and none of those that are busy."""
_FIRST = Statement(
    lambda dialect: (
        f"SELECT next_at FROM notices WHERE {UNSENT_SQL} AND {_idle(dialect)} "  # noqa: S608
        "ORDER BY next_at LIMIT 1"
    )
)
_FAILING = Statement(
    "SELECT medium, count(*) FROM notices "  # noqa: S608
    f"WHERE {UNSENT_SQL} AND error IS NOT NULL GROUP BY medium"
)

_UNDELIVERED = Statement(
    "SELECT rep_id, count(*), max(error) FROM ("  # noqa: S608
    f"SELECT rep_id, error FROM notices WHERE {UNSENT_SQL} AND error IS NOT NULL UNION ALL "
    "SELECT rep_id, error FROM notices WHERE done_at > :since AND state = 'given_up'"
    ") AS lost GROUP BY rep_id ORDER BY rep_id LIMIT 20"
)
_FORGET = Statement(
    "DELETE FROM notices WHERE notice_id IN "
    "(SELECT notice_id FROM notices WHERE done_at < :before ORDER BY done_at LIMIT :limit)"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a notice's message is made of, as it is when it is sent."""

    rep: Rep | None
    lead: Lead | None = None
    attempt: Assignment | None = None
    waiting: Sequence[tuple[Assignment, Lead | None]] = ()
    """Of a digest: what waits for the rep's answer, the most urgent first."""
    taken: int = 0
    """Of a digest: how many leads of theirs ran out or were taken since it was begun."""
    escalated: int = 0
    """Of a digest: how many leads of their team were escalated since, and still have nobody."""


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """How the messages of one channel do."""

    medium: Medium
    sent_at: datetime | None = None
    """When the last one got through."""
    waiting: int = 0
    error: str | None = None
    """Why the one that failed last did, while it is tried again or since it was given up."""
    failed_at: datetime | None = None
    next_at: datetime | None = None
    """When it is tried again; None: it is not."""


def claim(
    conn: Connection, now: datetime, busy: Collection[str], each: int, limit: int
) -> list[Notice]:
    """Take due notices to be sent now. Until a minute is over nobody else gets them."""
    found = _CLAIM.run(
        conn,
        now=now,
        until=now + CLAIMED_FOR,
        busy=list(busy),
        each=each,
        limit=limit,
        looked_at=LOOKED_AT,
    )
    item = NOTICES.codec(conn.dialect.name).item
    return sorted(map(item, found), key=lambda one: (one.due_at, one.notice_id))


def seconds_to_notice(conn: Connection, busy: Collection[str]) -> float | None:
    """Until the next notice is due to a destination that is not busy; None without one."""
    return seconds_until(conn, _FIRST, busy=list(busy))


def subject_of(conn: Connection, notice: Notice) -> Subject:
    """What a notice is about."""
    rep = find_rep(conn, notice.rep_id)
    if notice.tells is Tells.DIGEST and rep is not None:
        return _digest(conn, rep, notice.created_at)
    lead = None if notice.lead_id is None else find_lead(conn, notice.lead_id)
    attempt = notice.assignment_id and find_assignment(conn, notice.assignment_id)
    return Subject(rep, lead, attempt or None)


def _digest(conn: Connection, rep: Rep, since: datetime, limit: int = 50) -> Subject:
    mine = assignments.c.rep_id == rep.rep_id
    query = ASSIGNMENTS.query().where(mine, IS_WAITING).order_by(assignments.c.due_at).limit(limit)
    waiting = ASSIGNMENTS.items(conn.execute(query))
    ids = [one.lead_id for one in waiting]
    known = LEADS.items(conn.execute(LEADS.query().where(leads.c.lead_id.in_(ids))))
    by_id = {one.lead_id: one for one in known}
    ran_out = select(func.count()).where(
        mine, assignments.c.closed_because.in_(RAN_OUT), assignments.c.closed_at >= since
    )
    last = and_(
        assignments.c.lead_id == leads.c.lead_id,
        assignments.c.cycle == leads.c.cycle,
        assignments.c.attempt == leads.c.attempt,
    )
    escalated = (
        select(func.count())
        .select_from(leads)
        .join(assignments, last)
        .join(reps, reps.c.rep_id == assignments.c.rep_id)
        .join(teams, teams.c.team_id == reps.c.team_id)
        .where(teams.c.manager_id == rep.rep_id, leads.c.unrouted_at.is_not(None))
        .where(leads.c.escalated_at >= since)
    )
    return Subject(
        rep,
        waiting=[(one, by_id.get(one.lead_id)) for one in waiting],
        taken=conn.execute(ran_out).scalar_one(),
        escalated=conn.execute(escalated).scalar_one(),
    )


def statuses_of(conn: Connection, rep_id: str) -> dict[Medium, ChannelStatus]:
    """How each channel of a rep does."""
    mine = notices.c.rep_id == rep_id
    counted = (
        select(
            notices.c.medium,
            func.max(notices.c.done_at).filter(notices.c.state == NoticeState.SENT.value),
            func.count().filter(notices.c.state == NoticeState.WAITING.value),
        )
        .where(mine)
        .group_by(notices.c.medium)
    )
    found = {}
    for medium, sent_at, waiting in conn.execute(counted):
        found[Medium(medium)] = ChannelStatus(Medium(medium), sent_at, waiting)
    failed = NOTICES.query().where(mine, notices.c.error.is_not(None))
    unsent = failed.where(notices.c.state.in_([NoticeState.WAITING, NoticeState.GIVEN_UP]))
    newest = unsent.order_by(notices.c.created_at.desc()).limit(100)
    for one in reversed(NOTICES.items(conn.execute(newest))):
        known = found[one.medium]
        if known.sent_at is not None and one.done_at is not None and one.done_at < known.sent_at:
            continue  # given up, but later ones got through
        next_at = one.next_at if one.state is NoticeState.WAITING else None
        found[one.medium] = replace(known, error=one.error, failed_at=one.due_at, next_at=next_at)
    return found


def newest_of(conn: Connection, rep_id: str, limit: int = 10) -> list[Notice]:
    """A rep's newest notices, newest first."""
    query = NOTICES.query().where(notices.c.rep_id == rep_id)
    newest = query.order_by(notices.c.created_at.desc(), notices.c.notice_id.desc())
    return NOTICES.items(conn.execute(newest.limit(limit)))


def failing(conn: Connection) -> dict[Medium, int]:
    """How many notices have failed and are tried again, by medium."""
    return {Medium(medium): count for medium, count in _FAILING.run(conn)}


def undelivered(conn: Connection) -> list[tuple[str, int, str]]:
    """Whose messages fail, or were given up in the last day: the rep, how many, and one reason."""
    since = database_now(conn) - timedelta(days=1)
    return [tuple(row) for row in _UNDELIVERED.run(conn, since=since)]


def forget_done(conn: Connection, now: datetime, limit: int = FORGOTTEN_AT_ONCE) -> int:
    """Delete what was sent, or given up, two weeks ago. Returns how many there were."""
    return _FORGET.run(conn, before=now - KEPT_FOR, limit=limit).rowcount
