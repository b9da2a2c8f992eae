"""A small sales team on a real database and a clock that is moved by hand, and what must hold of it
after everything that happens."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from sqlalchemy import Connection, select

from services.routing.consumer import HANDLERS
from services.routing.domain.accounts import Remembered
from services.routing.domain.calendar import Calendar
from services.routing.domain.policy import STARTER, Compiled
from services.routing.domain.reps import Rep
from services.routing.handlers import policies, setting_up
from services.routing.handlers.accounts import Wanted, put_accounts
from services.routing.service import NAME
from services.routing.store import queries
from services.routing.store.tables import assignments, leads, metadata
from services.routing.store.unit import Routing
from shared.contracts.envelope import decode
from shared.contracts.events import EventData
from shared.contracts.problems import Problem
from shared.db import outbox
from shared.db.database import Database
from shared.runtime.clock import FixedClock
from shared.runtime.unit import Transactions
from tests.services.routing.desk import event, overlaps

R = TypeVar("R")

MONDAY: Final = datetime(2026, 3, 2, 16, tzinfo=UTC)
"""An hour before people go home."""
OFFICE: Final = {day: [("09:00", "17:00")] for day in ("mon", "tue", "wed", "thu", "fri")}
TEAM: Final = {"ana": 1, "ben": 1, "chloe": 2, "zoe": 0}
"""Who there is, with their weight: zoe gets nothing but her account's leads."""
FOR_GOOD: Final = frozenset({"WON", "LOST", "RECYCLED", "DISQUALIFIED"})
SOON: Final = timedelta(seconds=10)
"""Within this time a lead is looked at again whose reps are full."""
OVER: Final = frozenset({"ATTEMPTS_USED", "ALL_HAD_IT", "ROUNDS_USED"})
"""Reasons for which a manager is told when an attempt before it came to nothing."""
CAUSES: Final = frozenset({"SLA_BREACHED", "REJECTED", "HANDED_OVER", "PUT_BACK", "MOVED", "AWAY"})
"""Why an attempt ends so that another may begin."""


class Counted(Routing):
    """A transaction whose counts in memory must be what its rows say once they are written."""

    wrong: ClassVar[list[str]] = []

    def write(self) -> None:
        super().write()
        if self._pool is None or self.conn is None:
            return
        still_open = select(assignments).where(assignments.c.closed_at.is_(None))
        found = list(self.conn.execute(still_open))
        waiting = Counter(one.rep_id for one in found if one.state in ("ASSIGNED", "ACKNOWLEDGED"))
        owned = Counter(one.rep_id for one in found)
        for rep_id, rep in self._pool.reps.items():
            if rep.waiting != waiting[rep_id]:
                self.wrong.append(f"{rep_id}: {rep.waiting}, not {waiting[rep_id]} waiting")
            if rep.owns_at_most is not None and rep.owned != owned[rep_id]:
                self.wrong.append(f"{rep_id}: {rep.owned}, not {owned[rep_id]} owned")


@dataclass
class Now:
    """What the tables hold at one moment."""

    leads: dict[str, Any]
    attempts: dict[str, Any]
    reps: dict[str, Rep]

    def of(self, lead_id: str, cycle: int | None = None) -> list[Any]:
        """The attempts of a lead (in one cycle), in order."""
        found = (one for one in self.attempts.values() if one.lead_id == lead_id)
        return sorted(
            (one for one in found if cycle in (None, one.cycle)),
            key=lambda one: (one.cycle, one.attempt),
        )

    def owner(self, lead_id: str) -> Any:
        return next((one for one in self.of(lead_id) if one.closed_at is None), None)

    def open(self) -> list[Any]:
        return [one for one in self.attempts.values() if one.closed_at is None]

    def waiting(self) -> list[Any]:
        return [one for one in self.open() if one.state in ("ASSIGNED", "ACKNOWLEDGED")]


@dataclass
class Team:
    """The world of one life. Each ``step`` is one transaction, and is judged."""

    db: Database
    policy: dict[str, Any]
    clock: FixedClock = field(default_factory=lambda: FixedClock(MONDAY))
    ended: set[tuple[str, int]] = field(default_factory=set)
    """Leads, with their cycle, that are nobody's any more, and rightly so."""
    misses: Counter[tuple[str, int]] = field(default_factory=Counter)
    place: int = 0
    latest: datetime = MONDAY
    """The latest the clock has shown: it may be set back."""

    def __post_init__(self) -> None:
        for table in reversed(metadata.sorted_tables):
            self.db_write(lambda conn, table=table: conn.execute(table.delete()))
        make = partial(Counted, compiled=Compiled(), remembered=Remembered())
        self.transactions: Transactions[Routing] = Transactions(self.db, self.clock, make)
        Counted.wrong.clear()
        self.transactions.run_here(self._set_up)
        self.before = self.look()

    def _set_up(self, unit: Routing) -> None:
        for rep_id, weight in TEAM.items():
            values: dict[str, Any] = {"rep_id": rep_id, "name": rep_id, "email": None}
            values |= {"weight": weight, "hours": OFFICE if rep_id == "ben" else None}
            setting_up.add_rep(
                unit, {**values, "capacity": 2, "status": "available", "time_zone": "UTC"}
            )
        only = {"field": "country", "operator": "equals", "value": "AT"}
        rules = [{"id": "austria", "when": [only], "rep_ids": ["chloe"]}]
        longer = [{"grade": "A", "sla_minutes": 600, "accept_minutes": 600}]
        document = {**STARTER, "rules": rules, "sla_by_grade": longer, **self.policy}
        policies.put_policy(unit, document)
        put_accounts(unit, [Wanted("Acme", ["acme.example"], "zoe", "ana", "acme")])

    def db_write(self, work: Callable[[Connection], R]) -> R:
        with self.db.begin() as conn:
            return work(conn)

    def look(self) -> Now:
        with self.db.connect() as conn:
            return Now(
                {row.lead_id: row for row in conn.execute(select(leads))},
                {row.assignment_id: row for row in conn.execute(select(assignments))},
                {rep.rep_id: rep for rep in queries.every_rep(conn)},
            )

    def happen(self, data: EventData, **expected: Any) -> None:
        """An event from the bus, as the consumer handles it."""
        self.step(lambda unit: HANDLERS[type(data)](event(data), unit), [data.key()], **expected)

    def step(
        self,
        work: Callable[[Routing], R],
        keys: Collection[str] = (),
        *,
        causes: Collection[str] = (),
        by_hand: bool = False,
        changes: bool = True,
    ) -> R | Problem:
        """One transaction. ``causes``: why attempts may begin in it. With ``changes`` False it has
        to leave everything as it is."""
        self.clock.advance(timedelta(seconds=1))
        self.latest = max(self.latest, self.clock.now())
        before = self.before
        try:
            done: R | Problem = self.transactions.run_here(work, list(keys))
        except Problem as refused:
            done = refused
        after = self.before = self.look()
        told = self._told()
        if isinstance(done, Problem) or not changes:
            assert after == before, f"nothing may change: {done}"
            assert told == []
        self.judge(before, after, told, frozenset(causes), by_hand)
        return done

    def _told(self) -> list[Any]:
        with self.db.connect() as conn:
            rows = outbox.read(conn, "lead.handoff", self.place + 1, 1000)
        self.place = max([self.place, *(row.seq for row in rows)])
        return [decode(row.headers(NAME), row.bytes() or b"").data for row in rows]

    def judge(
        self, before: Now, after: Now, told: list[Any], causes: frozenset[str], by_hand: bool
    ) -> None:
        """Everything that must hold after a step."""
        one_owner(after)
        attempts_rise(after)
        self.nothing_between(after)
        self.nobody_is_forgotten(after)
        times_are_in_order(after)
        if not by_hand:
            self.rules_keep_limits(before, after)
        new = [one for key, one in after.attempts.items() if key not in before.attempts]
        assert {one.cause for one in new} <= causes, "cause of an attempt"
        expected = sorted(expected_events(before, after, bool(self.policy.get("escalate", True))))
        assert sorted(map(as_told, told)) == expected, "each change is told once"
        for data in told:
            if type(data).__name__ == "SlaBreached":
                self.misses[data.assignment_id, data.attempt] += 1
        assert max(self.misses.values(), default=0) <= 1, "each miss is told once"
        assert Counted.wrong == [], "counts"

    def nothing_between(self, after: Now) -> None:
        """A lead is owned, or it waits and says why, or it is nobody's for good."""
        for lead_id, lead in after.leads.items():
            owned = after.owner(lead_id) is not None
            waits = lead.unrouted_at is not None
            ended = (lead_id, lead.cycle) in self.ended
            assert owned + waits + ended == 1, f"place: {owned=} {waits=} {ended=}"
            assert waits == (lead.unrouted_reason is not None), "reason"

    def may_take(self, after: Now, lead: Any) -> Iterator[Rep]:
        """Who may have a lead by the rules at some time, in this round or the next."""
        past = after.of(lead.lead_id, lead.cycle)
        no_more = turned_down(past)
        if lead.rounds >= self.policy["max_rounds"]:
            no_more |= {one.rep_id for one in past if one.attempt > lead.round_base}
        for rep in after.reps.values():
            of_account = lead.account_id is not None and rep.rep_id in ("zoe", "ana")
            in_group = lead.facts["country"] != "AT" or rep.rep_id == "chloe"
            shares = rep.weight > 0 and in_group
            if rep.active and rep.rep_id not in no_more and (of_account or shares):
                yield rep

    def nobody_is_forgotten(self, after: Now) -> None:
        """What waits for an answer has a deadline, and a lead that nobody has is looked at soon
        once somebody could take it."""
        now = self.clock.now()
        for one in after.waiting():
            assert one.due_at is not None
            assert one.due_at > one.assigned_at
        for lead in after.leads.values():
            if lead.unrouted_at is None or lead.unrouted_reason == "ROUNDS_USED":
                continue
            able = list(self.may_take(after, lead))
            calendars = [Calendar.of(rep) for rep in able]
            there = any(calendar.next_start(now) is not None for calendar in calendars)
            names = [rep.rep_id for rep in able]
            waits = lead.retry_at is not None
            assert waits or not there, f"forgotten: {lead.unrouted_reason}, {names} may take it"
            had = {one.rep_id for one in after.of(lead.lead_id, lead.cycle)}
            rested = lead.rest_until is None or lead.rest_until <= now
            for rep in able if now == self.latest else ():
                if (rested or rep.rep_id not in had) and self.has_room(after, rep):
                    soon = max(now + SOON, lead.rest_until or now)
                    assert lead.retry_at <= soon, f"forgotten till {lead.retry_at}: {rep.rep_id}"

    def is_at_work(self, rep: Rep) -> bool:
        now = self.clock.now()
        if any(one.first <= now.date() <= one.last for one in rep.leave):
            return False
        if rep.hours is None:
            return True
        return now.weekday() < 5 and 9 <= now.hour < 17

    def has_room(self, after: Now, rep: Rep) -> bool:
        """Whether a rep who is at work may get one more."""
        plate = self.plate(after, rep)
        limits = (rep.capacity, rep.open_limit, rep.window_limit)
        full = any(most is not None and n >= most for n, most in zip(plate, limits, strict=True))
        return rep.active and self.is_at_work(rep) and not full

    def plate(self, after: Now, rep: Rep) -> tuple[int, int, int]:
        """How many wait for a rep, are theirs, and were given to them lately."""
        since = self.clock.now() - timedelta(hours=rep.window_hours or 24)
        return (
            sum(one.rep_id == rep.rep_id for one in after.waiting()),
            sum(one.rep_id == rep.rep_id for one in after.open()),
            sum(
                one.rep_id == rep.rep_id and one.assigned_at > since
                for one in after.attempts.values()
            ),
        )

    def rules_keep_limits(self, before: Now, after: Now) -> None:
        """Whom the rules give a lead to is there, has room, may have it, and had it not before in
        this round."""
        for key in after.attempts.keys() - before.attempts.keys():
            one = after.attempts[key]
            rep, lead = after.reps[one.rep_id], after.leads[one.lead_id]
            if one.closed_at is None:
                limits = (rep.capacity, rep.open_limit, rep.window_limit)
                for count, most in zip(self.plate(after, rep), limits, strict=True):
                    assert most is None or count <= most, f"limits: {rep.rep_id} has {count}"
                assert rep.active, "nobody who is paused or gone"
                assert self.is_at_work(rep), "nobody who is away"
            past = [o for o in after.of(one.lead_id, one.cycle) if o.attempt < one.attempt]
            in_round = {o.rep_id for o in past if o.attempt > lead.round_base}
            assert one.attempt <= lead.round_base or rep.rep_id not in in_round, "twice in a round"
            assert rep.rep_id not in turned_down(past), "turned down for good"
            of_account = lead.account_id is not None and rep.rep_id in ("zoe", "ana")
            assert of_account or rep.weight > 0
            assert of_account or lead.facts["country"] != "AT" or rep.rep_id == "chloe"

    def swept(self, due: Collection[str]) -> None:
        """After a sweep: nobody with room is left for a lead whose time had come."""
        after, now = self.before, self.clock.now()
        for lead in (after.leads[lead_id] for lead_id in due):
            if lead.unrouted_at is None:
                continue
            had = {one.rep_id for one in after.of(lead.lead_id, lead.cycle)}
            rested = lead.rest_until is None or lead.rest_until <= now
            for rep in self.may_take(after, lead):
                free = rested or rep.rep_id not in had
                assert not (free and self.has_room(after, rep)), f"passed over: {rep.rep_id}"


def turned_down(past: list[Any]) -> set[str]:
    """Who said for good that a lead is not for them."""
    return {one.rep_id for one in past if one.state == "REJECTED" and one.reason != "NO_CAPACITY"}


def one_owner(after: Now) -> None:
    """No lead has two, or ever had."""
    for lead_id, count in Counter(one.lead_id for one in after.open()).items():
        assert count == 1, f"two owners of {lead_id}"
    assert overlaps(list(after.attempts.values())) == [], "two owners at one moment"


def attempts_rise(after: Now) -> None:
    """One after the other, from 1 in each cycle; the lead knows the last."""
    numbers: dict[tuple[str, int], list[int]] = defaultdict(list)
    for one in after.attempts.values():
        numbers[one.lead_id, one.cycle].append(one.attempt)
    for (lead_id, cycle), found in numbers.items():
        assert sorted(found) == list(range(1, len(found) + 1)), "attempts"
        lead = after.leads[lead_id]
        assert lead.cycle != cycle or lead.attempt == len(found), "the last attempt"


def times_are_in_order(after: Now) -> None:
    """Nothing is answered or over before it began."""
    for one in after.attempts.values():
        for moment in (one.acknowledged_at, one.answered_at, one.closed_at):
            assert moment is None or moment >= one.assigned_at, "times"
        assert one.warn_at is None or one.warn_at <= one.due_at


def expected_events(before: Now, after: Now, escalates: bool) -> Iterator[str]:
    """What has to be told, from what is different."""
    for key, one in after.attempts.items():
        was = before.attempts.get(key)
        ref = f"{one.lead_id} {one.attempt}"
        if was is None:
            earlier = after.of(one.lead_id, one.cycle)[: one.attempt - 1]
            last = earlier[-1] if earlier else None
            stood = last is not None and (
                last.assignment_id not in before.attempts
                or before.attempts[last.assignment_id].closed_at is None
            )
            if last is not None and stood:
                because = "REJECTED" if last.state == "REJECTED" else last.closed_because
                assert because in CAUSES
                yield f"LeadReassigned {ref} {one.rep_id} {last.rep_id} {because}"
            else:
                yield f"LeadAssigned {ref} {one.rep_id}"
        state = "ASSIGNED" if was is None else was.state
        if state != one.state and one.state != "EXPIRED":
            name = f"Lead{one.state.title()}"
            yield f"{name} {ref} {one.reason or ''}".rstrip()
        if one.closed_because == "SLA_BREACHED" and (was is None or was.closed_at is None):
            yield f"SlaBreached {ref} {one.due_at.isoformat()}"
        if one.warned_at is not None and (was is None or was.warned_at is None):
            yield f"SlaWarned {ref} {one.due_at.isoformat()}"
    for lead_id, lead in after.leads.items():
        was = before.leads.get(lead_id)
        owner = before.owner(lead_id)
        fresh = was is None or was.unrouted_at is None or was.cycle != lead.cycle
        if lead.unrouted_at is not None and fresh:
            yield f"LeadUnrouted {lead_id} {lead.unrouted_reason}"
            lost = owner is not None and owner.cycle == lead.cycle
            if escalates and lost and lead.unrouted_reason in OVER:
                yield f"LeadEscalated {lead_id} {after.of(lead_id, lead.cycle)[-1].attempt}"


def as_told(data: Any) -> str:
    """An event in the words of ``expected_events``."""
    name = type(data).__name__
    if name == "LeadUnrouted":
        return f"{name} {data.lead_id} {data.reason}"
    ref = f"{data.lead_id} {data.attempt}"
    if name == "LeadReassigned":
        return f"{name} {ref} {data.rep_id} {data.previous_rep_id} {data.cause}"
    if name == "LeadAssigned":
        return f"{name} {ref} {data.rep_id}"
    if name in ("SlaBreached", "SlaWarned"):
        return f"{name} {ref} {data.due_at.isoformat()}"
    if name == "LeadRejected":
        return f"{name} {ref} {data.reason}"
    return f"{name} {ref}"
