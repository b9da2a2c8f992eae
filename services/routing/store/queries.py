"""What the API, the pages, the stream and the timers read: never a lock, never a write."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, func, or_, select, text

from services.routing.domain.accounts import Account
from services.routing.domain.assignment import WAITING, Assignment, Change, State
from services.routing.domain.explanation import Explanation
from services.routing.domain.lead import Lead, Note
from services.routing.domain.policy import (
    BUILT_IN,
    Compiled,
    InvalidPolicy,
    Policy,
    PolicyStatus,
    Written,
)
from services.routing.domain.policy_check import Known
from services.routing.domain.reps import Plate, Rep, Status, Team, too_much
from services.routing.store.aggregates import (
    ACCOUNTS,
    ASSIGNMENTS,
    DECISIONS,
    LEADS,
    NOTES,
    POLICIES,
    REPS,
    TEAMS,
)
from services.routing.store.tables import (
    OPEN_SQL,
    UNWARNED_SQL,
    WAITING_SQL,
    account_domains,
    accounts,
    assignments,
    contacts,
    decisions,
    leads,
    notes,
    policies,
    reps,
    teams,
)
from services.routing.store.unit import PLATES
from shared.db.database import database_now
from shared.db.statements import Statement, one_of
from shared.db.types import read_time

RECENT_LEADS = 5000
"""Whose grades are known."""
IS_WAITING = text(WAITING_SQL)
"""Written out: with parameters neither database would use the partial indexes."""
_FIRST_DUE = Statement(
    f"SELECT due_at FROM assignments WHERE {WAITING_SQL} ORDER BY due_at LIMIT 1"  # noqa: S608
)
_FIRST_WARNING = Statement(
    f"SELECT warn_at FROM assignments WHERE {UNWARNED_SQL} "  # noqa: S608
    "AND warn_at IS NOT NULL ORDER BY warn_at LIMIT 1"
)
_FIRST_RETRY = Statement(
    "SELECT retry_at FROM leads WHERE unrouted_at IS NOT NULL AND retry_at IS NOT NULL "
    "ORDER BY retry_at LIMIT 1"
)
_UNROUTED = Statement("SELECT count(*) FROM leads WHERE unrouted_at IS NOT NULL")
_CHANGED = Statement(
    lambda dialect: ASSIGNMENTS.select(
        f"{one_of('rep_id', 'rep_ids', dialect)} AND updated_at > :start", "ORDER BY updated_at"
    )
)
_REACHED = Statement(
    lambda dialect: (
        f"SELECT {', '.join(f'a.{name}' for name in ASSIGNMENTS.columns)}, c.updated_at "  # noqa: S608
        "FROM contacts AS c "
        f"JOIN assignments AS a ON a.lead_id = c.lead_id AND a.{OPEN_SQL} "
        f"WHERE c.updated_at > :start AND {one_of('a.rep_id', 'rep_ids', dialect)}"
    )
)


@dataclass(frozen=True, slots=True)
class Load:
    """A rep with what they have on their plate."""

    rep: Rep
    waiting: int


def list_reps(
    conn: Connection,
    *,
    only: str | None = None,
    manager_id: str | None = None,
    after: str = "",
    limit: int = 100,
    rep_id: str | None = None,
    email: str | None = None,
) -> list[Rep]:
    """Reps by id: all of them, one, or a manager and those of their teams."""
    query = REPS.query().where(reps.c.rep_id > after).order_by(reps.c.rep_id).limit(limit)
    if rep_id is not None:
        query = query.where(reps.c.rep_id == rep_id)
    if email is not None:
        query = query.where(func.lower(reps.c.email) == email.lower())
    if only is not None:
        query = query.where(reps.c.rep_id == only)
    if manager_id is not None:
        managed = select(teams.c.team_id).where(teams.c.manager_id == manager_id)
        query = query.where(or_(reps.c.team_id.in_(managed), reps.c.rep_id == manager_id))
    return REPS.items(conn.execute(query))


def overloads(conn: Connection, rep_ids: Collection[str] | None = None) -> list[str]:
    """What these reps, or any, have beyond their limits, in words."""
    plates = {row.rep_id: Plate(row.waiting, row.owned) for row in PLATES.run(conn)}
    everybody = every_rep(conn)
    named = [rep for rep in everybody if rep_ids is None or rep.rep_id in rep_ids]
    return [told for rep in named for told in too_much(rep, plates.get(rep.rep_id, Plate()))]


def every_rep(conn: Connection) -> list[Rep]:
    """All reps by id."""
    return REPS.items(conn.execute(REPS.query().order_by(reps.c.rep_id)))


def gone_reps(conn: Connection) -> list[str]:
    """Who works here no longer."""
    gone = reps.c.status == Status.GONE.value
    return list(conn.execute(select(reps.c.rep_id).where(gone)).scalars())


def list_teams(conn: Connection) -> list[Team]:
    """Teams by id."""
    return TEAMS.items(conn.execute(TEAMS.query().order_by(teams.c.team_id)))


def list_accounts(
    conn: Connection, after: str, limit: int | None, search: str = ""
) -> list[tuple[Account, list[str]]]:
    """Accounts with their domains, by id, that have this in their name or a domain; all of them
    without a ``limit``."""
    query = ACCOUNTS.query().where(accounts.c.account_id > after).order_by(accounts.c.account_id)
    if search:
        having = account_domains.c.domain.icontains(search, autoescape=True)
        by_domain = select(account_domains.c.account_id).where(having)
        by_name = accounts.c.name.icontains(search, autoescape=True)
        query = query.where(or_(by_name, accounts.c.account_id.in_(by_domain)))
    found = ACCOUNTS.items(conn.execute(query.limit(limit)))
    owned = select(account_domains).order_by(account_domains.c.domain)
    if limit is not None:
        ids = [one.account_id for one in found]
        owned = owned.where(account_domains.c.account_id.in_(ids))
    domains = defaultdict[str, list[str]](list)
    for row in conn.execute(owned):
        domains[row.account_id].append(row.domain)
    return [(one, domains[one.account_id]) for one in found]


def loads(conn: Connection) -> list[Load]:
    """Everybody, with their counts."""
    query = (
        select(assignments.c.rep_id, func.count().label("waiting"))
        .where(IS_WAITING)
        .group_by(assignments.c.rep_id)
    )
    waiting = {row.rep_id: row.waiting for row in conn.execute(query)}
    everybody = every_rep(conn)
    return [Load(rep, waiting.get(rep.rep_id, 0)) for rep in everybody]


def policy_in_force(conn: Connection) -> Written:
    """The version in force; version 0 is the built-in one."""
    published = policies.c.status == PolicyStatus.PUBLISHED.value
    found = POLICIES.items(conn.execute(POLICIES.query().where(published)))
    return found[0] if found else BUILT_IN


def find_policy(conn: Connection, version: int) -> Written | None:
    """One version."""
    found = conn.execute(POLICIES.query().where(policies.c.version == version))
    return next(iter(POLICIES.items(found)), None)


def policies_by_version(conn: Connection) -> Callable[[int], Policy | None]:
    """A way to compiled policies; each is read and compiled once."""
    compiled = Compiled()

    def policy_of(version: int) -> Policy | None:
        found = compiled.find(version)
        if found is not None:
            return found
        written = find_policy(conn, version)
        try:
            return None if written is None else compiled.add(version, written.document)
        except InvalidPolicy:
            return None

    return policy_of


def list_policies(
    conn: Connection, below: int | None, limit: int, status: str | None = None
) -> list[Written]:
    """Versions, newest first."""
    query = POLICIES.query().order_by(policies.c.version.desc()).limit(limit)
    if below is not None:
        query = query.where(policies.c.version < below)
    if status is not None:
        query = query.where(policies.c.status == status)
    return POLICIES.items(conn.execute(query))


def replaced(conn: Connection, written: Written) -> Written:
    """What a version took the place of; of a draft, what it would: the version in force."""
    if written.published_at is None:
        return policy_in_force(conn)
    earlier = (
        POLICIES.query()
        .where(
            policies.c.published_at <= written.published_at,
            policies.c.version != written.version,
        )
        .order_by(policies.c.published_at.desc(), policies.c.version.desc())
        .limit(1)
    )
    return next(iter(POLICIES.items(conn.execute(earlier))), BUILT_IN)


def known(conn: Connection) -> Known:
    """Whom and what a policy may name."""
    everybody = REPS.items(conn.execute(REPS.query()))
    recent = select(leads.c.grade).order_by(leads.c.lead_id.desc()).limit(RECENT_LEADS).subquery()
    grades = conn.execute(select(recent.c.grade).distinct()).scalars()
    return Known(
        {rep.rep_id: rep for rep in everybody},
        {team.team_id: team for team in list_teams(conn)},
        {grade for grade in grades if grade is not None},
    )


def names(conn: Connection) -> dict[str, str]:
    """What reps are called by id, and teams by ``team:`` and theirs."""
    of_reps = conn.execute(select(reps.c.rep_id, reps.c.name))
    of_teams = conn.execute(select(teams.c.team_id, teams.c.name))
    return {row[0]: row[1] for row in of_reps} | {f"team:{row[0]}": row[1] for row in of_teams}


def list_assignments(
    conn: Connection,
    *,
    rep_ids: Collection[str] | None = None,
    states: Collection[State] = (),
    lead_id: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Assignment]:
    """Assignments, newest first; of these reps, or of everybody."""
    query = ASSIGNMENTS.query().order_by(assignments.c.assignment_id.desc()).limit(limit)
    if rep_ids is not None:
        query = query.where(assignments.c.rep_id.in_(rep_ids))
    if states:
        query = query.where(assignments.c.state.in_([state.value for state in states]))
        if WAITING.issuperset(states):
            query = query.where(IS_WAITING)  # few, however many there were: they have an index
    if lead_id is not None:
        query = query.where(assignments.c.lead_id == lead_id)
    if before is not None:
        query = query.where(assignments.c.assignment_id < before)
    return ASSIGNMENTS.items(conn.execute(query))


def find_rep(conn: Connection, rep_id: str) -> Rep | None:
    """One rep."""
    return next(iter(REPS.items(conn.execute(REPS.query().where(reps.c.rep_id == rep_id)))), None)


def find_lead(conn: Connection, lead_id: str) -> Lead | None:
    """A lead that has reached routing."""
    return next(
        iter(LEADS.items(conn.execute(LEADS.query().where(leads.c.lead_id == lead_id)))), None
    )


def find_assignment(conn: Connection, assignment_id: str) -> Assignment | None:
    """One assignment."""
    query = ASSIGNMENTS.query().where(assignments.c.assignment_id == assignment_id)
    return next(iter(ASSIGNMENTS.items(conn.execute(query))), None)


def contact_of(conn: Connection, lead_id: str) -> dict[str, Any] | None:
    """Who a lead is."""
    query = select(contacts.c.contact).where(contacts.c.lead_id == lead_id)
    return conn.execute(query).scalar_one_or_none()


def contacts_of(conn: Connection, lead_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Who these leads are, as far as it is known."""
    rows = conn.execute(select(contacts).where(contacts.c.lead_id.in_(lead_ids)))
    return {row.lead_id: row.contact for row in rows}


def notes_of(conn: Connection, lead_id: str, limit: int = 200) -> list[Note]:
    """The newest notes about a lead, newest first."""
    of_lead = NOTES.query().where(notes.c.lead_id == lead_id)
    return NOTES.items(conn.execute(of_lead.order_by(notes.c.note_id.desc()).limit(limit)))


def managed_reps(conn: Connection, manager_id: str | None) -> set[str]:
    """The reps of a manager's teams, and themselves; nobody without one."""
    if manager_id is None:
        return set()
    managed = select(teams.c.team_id).where(teams.c.manager_id == manager_id)
    query = select(reps.c.rep_id).where(reps.c.team_id.in_(managed))
    return {row.rep_id for row in conn.execute(query)} | {manager_id}


def lead_decisions(conn: Connection, lead_id: str, limit: int = 100) -> list[Explanation]:
    """The newest decisions about a lead, newest first."""
    query = (
        DECISIONS.query()
        .where(decisions.c.lead_id == lead_id)
        .order_by(decisions.c.decision_id.desc())
        .limit(limit)
    )
    return DECISIONS.items(conn.execute(query))


def owner_of(conn: Connection, lead_id: str) -> str | None:
    """The rep who has a lead now."""
    query = select(assignments.c.rep_id).where(
        assignments.c.lead_id == lead_id, assignments.c.closed_at.is_(None)
    )
    return conn.execute(query).scalar_one_or_none()


def seconds_to_deadline(conn: Connection) -> float | None:
    """Until the next deadline or warning; None when nothing waits for an answer."""
    found = (seconds_until(conn, first) for first in (_FIRST_DUE, _FIRST_WARNING))
    return min((seconds for seconds in found if seconds is not None), default=None)


def seconds_to_retry(conn: Connection) -> float | None:
    """Until a lead nobody has is to be looked at again; None when there is none."""
    return seconds_until(conn, _FIRST_RETRY)


def seconds_until(conn: Connection, first: Statement, **given: Any) -> float | None:
    """Until the moment that a statement finds; None when it finds none."""
    moment = first.run(conn, **given).scalar()
    if moment is None:
        return None
    return (_time(moment) - database_now(conn)).total_seconds()


def count_unrouted(conn: Connection) -> int:
    """How many leads nobody has."""
    return int(_UNROUTED.run(conn).scalar_one())


def changes_since(conn: Connection, rep_ids: Collection[str], start: datetime) -> list[Change]:
    """What changed for these reps after ``start``, whichever process changed it."""
    item = ASSIGNMENTS.codec(conn.dialect.name).item
    given = {"rep_ids": list(rep_ids), "start": start}
    changed = map(item, _CHANGED.run(conn, **given))
    found = [Change("assignment", one, one.updated_at) for one in changed]
    return found + [
        Change("contact", item(values[:-1]), _time(values[-1]))
        for values in _REACHED.run(conn, **given)
    ]


def _time(stored: Any) -> datetime:
    """A time as it comes from the driver."""
    return read_time(stored) if isinstance(stored, str) else cast(datetime, stored)
