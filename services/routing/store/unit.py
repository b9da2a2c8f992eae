"""Routing's unit of work."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from services.routing.domain.accounts import Account, Accounts, Remembered
from services.routing.domain.assignment import Assignment, Change
from services.routing.domain.calendar import Calendar, away_words
from services.routing.domain.choice import Decision, Group, Pool, Standing
from services.routing.domain.lead import Lead
from services.routing.domain.notices import notices_of, told_by
from services.routing.domain.policy import Compiled, Policy, PolicyStatus
from services.routing.domain.pool_record import Recording, Records
from services.routing.domain.reps import Plate, Rep, Team
from services.routing.metrics import ASSIGNED, BREACHED, UNROUTED
from services.routing.store.aggregates import (
    ACCOUNTS,
    ASSIGNMENTS,
    CONTACTS,
    DECISIONS,
    DOMAINS,
    LEADS,
    NOTES,
    NOTICES,
    OPEN_OF,
    POLICIES,
    POOLS,
    REPS,
    TEAMS,
)
from services.routing.store.tables import OPEN_SQL, WAITING_SQL
from shared.contracts.events import LeadAssigned, LeadUnrouted, SlaBreached
from shared.contracts.ids import new_id
from shared.db.statements import Statement
from shared.db.types import read_time
from shared.runtime.unit import Unit

_POOL = "pool"
"""The lock of whoever hands out leads: with it capacity and shares hold across processes."""
PLATES = Statement(
    f"SELECT rep_id, sum(CASE WHEN {WAITING_SQL} THEN 1 ELSE 0 END) AS waiting, "  # noqa: S608
    f"count(*) AS owned FROM assignments WHERE {OPEN_SQL} GROUP BY rep_id"
)
_WAITING = Statement(
    "SELECT rep_id, count(*) AS waiting FROM assignments "  # noqa: S608
    f"WHERE {WAITING_SQL} GROUP BY rep_id"
)
_RECENT = Statement(
    "SELECT count(*) FROM assignments WHERE rep_id = :rep_id AND assigned_at > :since"
)
_IN_FORCE = Statement("SELECT version FROM policies WHERE status = 'published'")
_NEWEST = Statement("SELECT max(version) FROM policies")
_NEWEST_ACCOUNT = Statement("SELECT max(updated_at) FROM accounts")
_RETRY = Statement(
    "UPDATE leads SET retry_at = :now, rest_until = :now, rounds = 0 WHERE unrouted_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Wakes:
    """Whom to tell, in this process, once a transaction is committed."""

    changed: Callable[[Sequence[Change]], None] = lambda changes: None
    """What a rep sees is different."""
    due: Callable[[float], None] = lambda seconds: None
    """A deadline passes in so many seconds."""
    retry: Callable[[float], None] = lambda seconds: None
    """In so many seconds somebody may be found for a lead that nobody has."""
    tell: Callable[[float], None] = lambda seconds: None
    """In so many seconds a message is to be sent."""


class Routing(Unit):
    """One transaction of routing.

    Whoever hands out leads takes the pool first, and locks no lead by name after it: everybody
    locks in the same order. Leads are changed only by those who hold the pool.
    """

    service = "routing"

    def __init__(
        self,
        now: datetime,
        conn: Connection | None = None,
        compiled: Compiled | None = None,
        remembered: Remembered | None = None,
        wakes: Wakes | None = None,
        records: Records | None = None,
        mail: bool = False,
    ) -> None:
        super().__init__(now, conn)
        self.leads = self.rows(LEADS)
        self.assignments = self.rows(ASSIGNMENTS)
        self.reps = self.rows(REPS)
        self.teams = self.rows(TEAMS)
        self.accounts = self.rows(ACCOUNTS)
        self.domains = self.rows(DOMAINS)
        self.policies = self.rows(POLICIES)
        self.notes = self.rows(NOTES)
        self.decisions = self.rows(DECISIONS)
        self.pools = self.rows(POOLS)
        self.contacts = self.rows(CONTACTS)
        self.notices = self.rows(NOTICES)
        self.mail = mail
        """Whether there is a server to send mail by."""
        self._compiled = compiled or Compiled()
        self._remembered = remembered or Remembered()
        self._wakes = wakes or Wakes()
        self._records = records or Records()
        self._recording: Recording | None = None
        self._pool: Pool | None = None
        self._credited: set[str] = set()
        self._policy: Policy | None = None
        self._accounts: Accounts | None = None
        self._teams: dict[str, Team] | None = None
        self._calendars: dict[str, tuple[Rep, Calendar]] = {}
        self._of_lead: dict[str, list[str]] | None = None

    def load(self, keys: Sequence[str]) -> None:
        super().load(keys)
        self._of_lead = None

    def load_leads(self, lead_ids: Sequence[str]) -> None:
        """Read leads and all their attempts at once; the pool is held already."""
        self.leads.load(lead_ids)
        self.assignments.load(lead_ids)
        self._of_lead = None

    def policy(self) -> Policy:
        """The policy in force when this transaction asked first."""
        if self._policy is None:
            version = self._in_force()
            found = self._compiled.find(version)
            if found is None:
                written = self.policies.fetch(version)
                assert written is not None
                found = self._compiled.add(version, written.document)
            self._policy = found
        return self._policy

    def pool(self) -> Pool:
        """All reps with their counts, locked until the transaction ends."""
        if self._pool is None:
            self.lock([_POOL])
            everybody = sorted(self.reps.all(), key=lambda rep: rep.rep_id)
            plates = self._plates(everybody)
            self._pool = Pool.of(self.standing(rep, plates.get(rep.rep_id)) for rep in everybody)
        return self._pool

    def anybody_has_room(self) -> bool:
        """Whether anybody could take one more lead: of those it is shared out to, or of those who
        get nothing but the leads of accounts that they look after."""
        pool = self.pool()
        if pool.has_room:
            return True
        accounts = self.known_accounts().by_id.values()
        names = {name for one in accounts for name in (one.owner_id, one.stand_in_id)}
        return any(rep.is_here for name, rep in pool.reps.items() if name in names)

    def plate(self, rep: Rep) -> Plate:
        """What a rep has who may have other limits than when the pool was counted."""
        counted = self.pool().reps.get(rep.rep_id)
        if counted is None:
            return Plate()
        owned = counted.owned
        if rep.open_limit is not None:
            owned = len(self.assignments.select(OPEN_OF, rep_id=rep.rep_id))
        recent = counted.recent
        if rep.window_limit is not None:
            mine = (one for one in self.assignments.changed if one.rep_id == rep.rep_id)
            recent = self._recent(rep) + sum(one.assigned_at >= self.now for one in mine)
        return Plate(counted.waiting, owned, recent)

    def standing(self, rep: Rep, plate: Plate | None = None) -> Standing:
        """A rep as the choice sees them now."""
        standing = rep.standing(plate or Plate())
        calendar = self.calendar(rep)
        if rep.active and not calendar.works_at(self.now):
            standing.back_at = calendar.next_start(self.now)
            standing.away = away_words(rep, standing.back_at, calendar.zone)
        return standing

    def calendar(self, rep: Rep) -> Calendar:
        """A rep's working time."""
        found = self._calendars.get(rep.rep_id)
        if found is None or found[0] is not rep:
            found = self._calendars[rep.rep_id] = (rep, Calendar.of(rep))
        return found[1]

    def team_of(self, rep_id: str) -> Team | None:
        """The team of a rep, whom the pool has read already."""
        rep = self.reps.get(rep_id)
        if rep is None or rep.team_id is None:
            return None
        if self._teams is None:
            self._teams = {team.team_id: team for team in self.teams.all()}
        return self._teams.get(rep.team_id)

    def managed_by(self, manager_id: str) -> set[str]:
        """The reps of a manager's teams, and themselves; the pool has read everybody already."""
        managed = {team.team_id for team in self.teams.all() if team.manager_id == manager_id}
        return {rep.rep_id for rep in self.reps if rep.team_id in managed} | {manager_id}

    def known_accounts(self) -> Accounts:
        """All accounts, read again only when one has changed."""
        if self.conn is None:
            return Accounts.of(self.accounts, self.domains)
        if self._accounts is None:
            newest = self.newest_account()
            found = self._remembered.find(newest)
            if found is None:
                found = Accounts.of(self.accounts.all(), self.domains.all())
                self._remembered.keep(newest, found)
            self._accounts = found
        return self._accounts

    def account(self, account_id: str | None) -> Account | None:
        """An account, as it is now."""
        return None if account_id is None else self.known_accounts().by_id.get(account_id)

    def newest_account(self) -> datetime | None:
        """When an account was changed last; None while there is none."""
        if self.conn is None:
            return max((one.updated_at for one in self.accounts), default=None)
        stored = _NEWEST_ACCOUNT.run(self.conn).scalar()
        return read_time(stored) if isinstance(stored, str) else stored

    def attempts(self, lead_id: str) -> list[Assignment]:
        """The attempts of a loaded lead, of all cycles."""
        if self._of_lead is None:
            self._of_lead = defaultdict(list)
            for one in self.assignments:
                self._of_lead[one.lead_id].append(one.assignment_id)
        found = map(self.assignments.get, self._of_lead.get(lead_id, ()))
        return [one for one in found if one is not None]

    def owner(self, lead_id: str) -> Assignment | None:
        """A loaded lead's open assignment."""
        return next((one for one in self.attempts(lead_id) if one.closed_at is None), None)

    def history(self, lead: Lead) -> list[Assignment]:
        """The closed attempts of a loaded lead's running cycle."""
        return [
            one
            for one in self.attempts(lead.lead_id)
            if one.cycle == lead.cycle and one.closed_at is not None
        ]

    def assign(self, assignment: Assignment, group: Group) -> None:
        """Give a lead that is shared in this group to a rep, and count it."""
        given, *absent = self.pool().give(assignment.rep_id, group)
        rep = self.reps.get(given.rep_id)
        assert rep is not None
        counted = replace(
            rep,
            assigned=given.assigned,
            calibration=given.calibration,
            last_turn=given.last_turn,
        )
        self.reps.put(counted)
        self._credited.update([one.rep_id for one in absent])
        self.assignments.put(assignment)
        if self._of_lead is not None:
            self._of_lead.setdefault(assignment.lead_id, []).append(assignment.assignment_id)

    def record(self, decision: Decision) -> tuple[str, int]:
        """Keep the reps as a decision found them that is about to be carried out: the id of the
        record, and the decision's step in it."""
        pool = self.pool()
        if self._recording is None:
            self._recording = Recording.begin(new_id(), self._records.head, pool)
        return self._recording.pool_id, self._recording.step(pool, decision.rep_id)

    def credit_absent(self) -> None:
        """Put what the pool has credited to those who are not at work into their rows: once for a
        batch, because each lead that is given credits all of them."""
        credited, self._credited = self._credited, set()
        for rep_id in sorted(credited):
            rep = self.reps.get(rep_id)
            assert rep is not None
            self.reps.put(replace(rep, calibration=self.pool().reps[rep_id].calibration))

    def give_turn_back(self, rep_id: str) -> None:
        """A lead that was nothing for this rep does not count as one they had."""
        rep, standing = self.reps.get(rep_id), self.pool().give_back(rep_id)
        if rep is not None and standing is not None:
            self.reps.put(replace(rep, assigned=standing.assigned))

    def retry_unrouted(self) -> None:
        """Have all leads nobody has looked at again at once, and offer them to everybody."""
        if self.conn is not None:
            _RETRY.run(self.conn, now=self.now)
        for lead in self.leads:
            if lead.unrouted_at is not None:
                self.leads.put(replace(lead, retry_at=self.now, rest_until=self.now, rounds=0))
        self.after_commit(lambda: self._wakes.retry(0))

    def write(self) -> None:
        self.credit_absent()
        self._tell()
        self._count()
        self._wake()
        if self._recording is not None:
            self._end_recording(self._recording)
        super().write()

    def _end_recording(self, recording: Recording) -> None:
        record, head = recording.end(self.pool(), self.now)
        self.pools.put(record)
        self._recording = None

        def remember() -> None:
            self._records.head = head

        self.after_commit(remember)

    def newest_policy(self) -> int:
        """The highest number that a version of the policy has; 0 while there is none."""
        if self.conn is None:
            return max((one.version for one in self.policies), default=0)
        return _NEWEST.run(self.conn).scalar() or 0

    def _in_force(self) -> int:
        if self.conn is None:
            published = (one for one in self.policies if one.status is PolicyStatus.PUBLISHED)
            return max((one.version for one in published), default=0)
        return _IN_FORCE.run(self.conn).scalar() or 0

    def _plates(self, reps: Sequence[Rep]) -> dict[str, Plate]:
        """What each rep has; counted only as far as their limits ask."""
        owns = any(rep.open_limit is not None for rep in reps)
        plates = self._open(owns)
        for rep in reps:
            if rep.window_limit is not None:
                plate = plates.get(rep.rep_id, Plate())
                plates[rep.rep_id] = replace(plate, recent=self._recent(rep))
        return plates

    def _open(self, owns: bool) -> dict[str, Plate]:
        if self.conn is None:
            waiting = Counter(one.rep_id for one in self.assignments if one.waits)
            owned = Counter(one.rep_id for one in self.assignments if one.closed_at is None)
            return {rep_id: Plate(waiting[rep_id], count) for rep_id, count in owned.items()}
        if owns:
            return {row.rep_id: Plate(row.waiting, row.owned) for row in PLATES.run(self.conn)}
        return {row.rep_id: Plate(row.waiting) for row in _WAITING.run(self.conn)}

    def _recent(self, rep: Rep) -> int:
        since = self.now - timedelta(hours=rep.window_hours or 24)
        if self.conn is None:
            of_rep = (one for one in self.assignments if one.rep_id == rep.rep_id)
            return sum(one.assigned_at > since for one in of_rep)
        return int(_RECENT.run(self.conn, rep_id=rep.rep_id, since=since).scalar_one())

    def _tell(self) -> None:
        """Make the notices that follow from what happened: one place for all that handlers do."""
        told = [one for event in self.events for one in told_by(event.data)]
        if told:
            missing = {one.rep_id for one in told if self.reps.get(one.rep_id) is None}
            self.reps.load(sorted(missing), by="rep_id")
            asked = (self.reps.get(rep_id) for rep_id in dict.fromkeys(t.rep_id for t in told))
            reps = {rep.rep_id: (rep, self.calendar(rep)) for rep in asked if rep is not None}
            ids = iter(new_id, None)
            for notice in notices_of(told, reps, ids, self.now, self.mail):
                self.notices.put(notice)

    def _wake(self) -> None:
        """Tell the stream and the timers of this process what they would else find later."""
        changed = self.assignments.changed
        changes = [Change("assignment", one, self.now) for one in changed]
        for contact in self.contacts.changed:
            if (owner := self.owner(contact.lead_id)) is not None:
                changes.append(Change("contact", owner, self.now))
        if changes:
            self.after_commit(lambda: self._wakes.changed(changes))
        waiting = [one for one in changed if one.waits]
        if waiting:
            self._later(self._wakes.due, min(one.next_at for one in waiting))
        if any(not one.waits for one in changed):
            self.after_commit(lambda: self._wakes.retry(0))  # somebody may have room now
        if notices := [one.next_at for one in self.notices.changed if one.done_at is None]:
            self._later(self._wakes.tell, min(notices))
        retries = [lead.retry_at for lead in self.leads.changed if lead.retry_at is not None]
        if retries:
            self._later(self._wakes.retry, min(retries))

    def _later(self, wake: Callable[[float], None], moment: datetime) -> None:
        seconds = (moment - self.now).total_seconds()
        self.after_commit(lambda: wake(seconds))

    def _count(self) -> None:
        """Count for operators what this transaction did, once it is committed."""
        assigned = sum(isinstance(event.data, LeadAssigned) for event in self.events)
        breached = sum(isinstance(event.data, SlaBreached) for event in self.events)
        nobody = Counter(e.data.reason for e in self.events if isinstance(e.data, LeadUnrouted))

        def count() -> None:
            ASSIGNED.inc(assigned)
            BREACHED.inc(breached)
            for reason, times in nobody.items():
                UNROUTED.labels(reason).inc(times)

        if self.events:
            self.after_commit(count)
