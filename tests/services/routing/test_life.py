"""Whatever happens to leads and reps in whatever order: no lead is lost, none has two owners, the
rules keep everybody's limits, and each change is told once.

``LEADLOOP_TEST_LIVES=2000 pytest tests/services/routing/test_life.py`` looks further, each time
elsewhere.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import text

from services.routing.domain.assignment import Assignment
from services.routing.domain.calendar import Calendar
from services.routing.domain.choice import Pool, Standing
from services.routing.domain.lead import Lead
from services.routing.domain.reps import Leave, Status
from services.routing.handlers import (
    answers,
    deadlines,
    handing_out,
    managing,
    setting_up,
    working,
)
from services.routing.handlers.answers import Answer
from services.routing.service import MIGRATIONS, NAME
from services.routing.store.aggregates import UNROUTED
from services.routing.store.unit import Routing
from shared.contracts.events import EventData, OutcomeRecorded, SlaBreached
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import RejectReason, Stage
from shared.db.database import Database
from shared.db.migrations import migrate
from tests.services.routing.desk import mql
from tests.services.routing.life import FOR_GOOD, OFFICE, TEAM, Team

LIVES: Final = int(os.environ.get("LEADLOOP_TEST_LIVES", "0"))
STEPS: Final = 30
PICK: Final = st.integers(0, 30)
REPS: Final = st.sampled_from(sorted(TEAM))
KINDS: Final = st.sampled_from(
    [
        {"country": "DE"},
        {"country": "AT"},
        {"country": "AT"},
        {"country": "DE", "company_domain": "acme.example"},
    ]
)
DAY: Final = timedelta(days=1)
ADMIN: Final = working.Worker("key_admin")
MOVER: Final = managing.Mover("key_maria")
STATUSES: Final = (*[Status.AVAILABLE] * 4, Status.PAUSED, Status.GONE)
CHANGES: Final = st.sampled_from(
    [
        *({"capacity": n} for n in (0, 1, 3, 5)),
        *({"open_limit": n} for n in (None, 1, 3)),
        {"window_limit": 1, "window_hours": 2},
        {"window_limit": None, "window_hours": None},
        *({"status": status} for status in STATUSES),
        *({"status": Status.AVAILABLE, "weight": n} for n in (0, 2)),
        {"hours": OFFICE},
        {"hours": None},
        {"leave": "today"},
        {"leave": "a week"},
        {"leave": ()},
    ]
)


class ALife(RuleBasedStateMachine):
    """One step is one transaction; ``Team.step`` judges it."""

    db: Database

    @initialize(
        attempts=st.integers(1, 3),
        rounds=st.integers(1, 2),
        escalate=st.booleans(),
        first=st.lists(KINDS, min_size=1, max_size=5),
    )
    def begin(
        self, attempts: int, rounds: int, escalate: bool, first: list[dict[str, str]]
    ) -> None:
        self.team = Team(
            self.db, {"max_attempts": attempts, "max_rounds": rounds, "escalate": escalate}
        )
        for facts in first:
            self.team.happen(mql(**facts), causes={"RULES"})

    def pick_attempt(self, number: int) -> Any:
        """Any attempt there ever was, mostly one that is open; None while there is none."""
        team = self.team
        everything = sorted(team.before.attempts.values(), key=lambda one: one.assignment_id)
        still = [one for one in everything if one.closed_at is None]
        pool = still if still and number % 5 != 4 else everything
        return pool[number % len(pool)] if pool else None

    def pick_lead(self, number: int) -> Any:
        known = sorted(self.team.before.leads.values(), key=lambda one: one.lead_id)
        return known[number % len(known)] if known else None

    @rule(facts=KINDS, grade=st.sampled_from([None, "A", "B"]))
    def a_new_mql(self, facts: dict[str, str], grade: str | None) -> None:
        data = mql(**facts).model_copy(update={"grade": grade})
        self.team.happen(data, causes={"RULES"})

    @rule(which=PICK, facts=KINDS, further=st.integers(0, 1))
    def an_mql_again(self, which: int, facts: dict[str, str], further: int) -> None:
        """The next cycle of a lead, or the event of the last one once more."""
        if lead := self.pick_lead(which):
            data = mql(lead.lead_id, cycle=lead.cycle + further, **facts)
            self.team.happen(data, causes={"RULES"}, changes=bool(further))

    @rule(
        which=PICK,
        what=st.sampled_from(["accept", "acknowledge", "accept"]),
        attempt=st.sampled_from([None, 0, 0, 0, -1, 1]),
    )
    def an_answer(self, which: int, what: str, attempt: int | None) -> None:
        if (one := self.pick_attempt(which)) is None:
            return
        wanted = None if attempt is None else one.attempt + attempt
        answer = Answer(one.assignment_id, one.rep_id, wanted)
        from_states = {"acknowledge": ("ASSIGNED",), "accept": ("ASSIGNED", "ACKNOWLEDGED")}[what]
        stands = one.closed_at is None and wanted in (None, one.attempt)
        fits = stands and one.state in from_states
        done = self.team.step(lambda unit: getattr(answers, what)(unit, answer), changes=fits)
        if fits:
            assert not isinstance(done, Problem)
            assert done.state == {"acknowledge": "ACKNOWLEDGED", "accept": "ACCEPTED"}[what]
        elif isinstance(done, Problem):
            assert done.status == 409

    @rule(
        which=PICK, reason=st.sampled_from(RejectReason), attempt=st.sampled_from([None, 0, 0, -1])
    )
    def a_rejection(self, which: int, reason: RejectReason, attempt: int | None) -> None:
        if (one := self.pick_attempt(which)) is None:
            return
        wanted = None if attempt is None else one.attempt + attempt
        answer = Answer(one.assignment_id, None, wanted)
        fits = (
            one.closed_at is None
            and one.state in ("ASSIGNED", "ACKNOWLEDGED")
            and wanted in (None, one.attempt)
        )
        passes_on = reason in ("WRONG_TERRITORY", "WRONG_PRODUCT", "ALREADY_OWNED", "NO_CAPACITY")
        if fits and not passes_on:
            self.team.ended.add((one.lead_id, one.cycle))
        done = self.team.step(
            lambda unit: answers.reject(unit, answer, reason), causes={"REJECTED"}, changes=fits
        )
        assert not (fits and isinstance(done, Problem))

    @rule(which=PICK, to=REPS, attempt=st.sampled_from([None, 0, -1]))
    def a_hand_over(self, which: int, to: str, attempt: int | None) -> None:
        if (one := self.pick_attempt(which)) is None:
            return
        wanted = None if attempt is None else one.attempt + attempt
        work = lambda unit: working.hand_over(  # noqa: E731
            unit, one.assignment_id, to, ADMIN, attempt=wanted
        )
        done = self.team.step(work, causes={"HANDED_OVER"}, by_hand=True)
        if one.closed_at is not None or wanted not in (None, one.attempt):
            assert isinstance(done, Problem)
            assert done.status == 409

    @rule(which=PICK)
    def a_put_back(self, which: int) -> None:
        if one := self.pick_attempt(which):
            work = lambda unit: working.put_back(unit, one.assignment_id, ADMIN)  # noqa: E731
            self.team.step(work, causes={"PUT_BACK"}, changes=one.closed_at is None)

    @rule(which=st.lists(PICK, min_size=1, max_size=3), to=st.none() | REPS)
    def a_manager_moves(self, which: list[int], to: str | None) -> None:
        if ids := [lead.lead_id for n in which if (lead := self.pick_lead(n))]:
            work = lambda unit: managing.move(unit, ids, to, MOVER)  # noqa: E731
            self.team.step(work, causes={"MOVED"}, by_hand=to is not None)

    @rule(
        which=PICK,
        stage=st.sampled_from(["SQL", *sorted(FOR_GOOD)]),
        earlier=st.sampled_from([0, 0, 1]),
    )
    def an_outcome(self, which: int, stage: str, earlier: int) -> None:
        before = self.team.before
        worked = [o.lead_id for o in before.attempts.values() if o.state == "ACCEPTED"]
        if not worked and (ready := before.waiting()):
            answer = Answer(ready[which % len(ready)].assignment_id)
            self.team.step(lambda unit: answers.accept(unit, answer))
            worked = [
                o.lead_id for o in before.waiting() if o.assignment_id == answer.assignment_id
            ]
        lead = self.pick_lead(which)
        if worked and which % 4:
            lead = self.team.before.leads[sorted(worked)[which % len(worked)]]
        if lead is None or lead.cycle <= earlier:
            return
        data = OutcomeRecorded(
            lead_id=lead.lead_id,
            outcome_id=new_id(),
            cycle=lead.cycle - earlier,
            stage=stage,  # type: ignore[arg-type]
            occurred_at=self.team.clock.now(),
        )
        accepted = any(o.state == "ACCEPTED" for o in self.team.before.of(lead.lead_id, lead.cycle))
        ends = stage in FOR_GOOD and not earlier and accepted
        if ends:
            self.team.ended.add((lead.lead_id, lead.cycle))
        self.team.happen(data, changes=ends)

    @rule(minutes=st.sampled_from([0.2, 5, 46, 61, 241, 900, 1440, 10_080]))
    def time_passes(self, minutes: float) -> None:
        self.team.clock.advance(timedelta(minutes=minutes))

    @rule(minutes=st.sampled_from([1, 60]))
    def the_clock_is_set_back(self, minutes: int) -> None:
        self.team.clock.advance(-timedelta(minutes=minutes))

    @rule(times=st.integers(1, 3))
    def what_is_due_next(self, times: int) -> None:
        """On to the next moment at which the clock or the sweep has something to do."""
        team = self.team
        for _ in range(times):
            moments = [one.due_at for one in team.before.waiting()]
            moments += [one.retry_at for one in team.before.leads.values() if one.retry_at]
            if not moments:
                break
            team.clock.advance(max(timedelta(0), min(moments) - team.clock.now()))
            self.expire_and_warn(100)
            self.sweep()

    @rule(limit=st.sampled_from([1, 100]))
    def the_clock_looks(self, limit: int) -> None:
        self.expire_and_warn(limit)

    @rule()
    def the_sweep_looks(self) -> None:
        self.sweep()

    def expire_and_warn(self, limit: int) -> None:
        team = self.team
        late = [one for one in team.before.waiting() if one.due_at <= team.clock.now()]
        ended = team.step(
            lambda unit: deadlines.expire_overdue(unit, limit), causes={"SLA_BREACHED"}
        )
        assert ended >= min(len(late), limit)  # type: ignore[operator]
        team.step(lambda unit: deadlines.warn(unit, limit))

    def sweep(self) -> None:
        team = self.team
        now = team.clock.now()
        waiting = (one for one in team.before.leads.values() if one.unrouted_at is not None)
        due = [one.lead_id for one in waiting if one.retry_at is not None and one.retry_at <= now]
        team.step(lambda unit: deadlines.sweep_unrouted(unit, 1000), causes={"RULES"})
        team.swept(due)

    @rule(rep_id=REPS, change=CHANGES)
    def a_rep_changes(self, rep_id: str, change: dict[str, Any]) -> None:
        wanted = self.dated(change)
        self.team.step(lambda unit: setting_up.change_rep(unit, rep_id, wanted), causes={"AWAY"})

    @rule(
        rep_ids=st.lists(REPS, min_size=2, max_size=3, unique=True),
        status=st.sampled_from(STATUSES),
    )
    def a_table_of_reps(self, rep_ids: list[str], status: Status) -> None:
        """Several at once: what one gives up may go to the next, who is away as well."""
        wanted = [
            setting_up.WantedRep(rep_id, {"status": status}, {"name": rep_id}, f"/{rep_id}")
            for rep_id in rep_ids
        ]
        self.team.step(lambda unit: setting_up.put_reps(unit, wanted), causes={"AWAY"})

    def dated(self, change: dict[str, Any]) -> dict[str, Any]:
        if isinstance(days := change.get("leave"), str):
            today = self.team.clock.now().date()
            return {"leave": (Leave(today, today + DAY * (7 if days == "a week" else 0)),)}
        return change


def live(db: Database, lives: int, steps: int = STEPS) -> None:
    """So many lives on this database, the same ones each time unless many are asked for."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        type("ALife", (ALife,), {"db": db, "__qualname__": "ALife"}),
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            derandomize=not LIVES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
            phases=(Phase.generate,),  # to shrink takes minutes, and a life is short
            report_multiple_bugs=False,
        ),
    )


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """Routing's, with its tables."""
    opened = Database.open(database_url, NAME)
    migrate(opened, MIGRATIONS)
    yield opened
    opened.close()


@pytest.mark.timeout(0)
def test_whatever_happens(db: Database) -> None:
    if LIVES:
        live(db, LIVES, 2 * STEPS)
    else:
        live(db, 35 if db.dialect == "sqlite" else 4)


def two_at_once(patch: pytest.MonkeyPatch, db: Database) -> None:
    """An attempt is not ended when the next begins, and the index does not notice."""
    with db.begin() as conn:
        conn.execute(text("DROP INDEX assignments_one_owner"))
    patch.setattr(Assignment, "closed", lambda self, why, now: self)


def room_is_not_given_back(patch: pytest.MonkeyPatch, db: Database) -> None:
    patch.setattr(Pool, "release", lambda self, rep_id, **how: None)


def full_is_for_ever(patch: pytest.MonkeyPatch, db: Database) -> None:
    """The sweep passes over leads that lacked room."""
    less = replace(deadlines.UNROUTED, where=f"{UNROUTED.where} AND unrouted_reason <> 'NO_ROOM'")
    patch.setattr(deadlines, "UNROUTED", less)


def any_answer_counts(patch: pytest.MonkeyPatch, db: Database) -> None:
    """Answers are taken for attempts that are over."""
    patch.setattr(answers, "_moves", lambda unit, found, move, reason=None: True)


def an_old_attempt_counts(patch: pytest.MonkeyPatch, db: Database) -> None:
    """Which attempt somebody means is not looked at."""
    find = answers._find
    patch.setattr(answers, "_find", lambda unit, a: find(unit, replace(a, attempt=None)))


def told_twice(patch: pytest.MonkeyPatch, db: Database) -> None:
    emit = Routing.emit

    def twice(self: Routing, data: EventData, *, at: Any = None) -> Any:
        return [emit(self, data, at=at) for _ in range(1 + isinstance(data, SlaBreached))]

    patch.setattr(Routing, "emit", twice)


def the_same_rep_again(patch: pytest.MonkeyPatch, db: Database) -> None:
    patch.setattr(handing_out, "kept_out", lambda history, round_base: {})


def no_limits(patch: pytest.MonkeyPatch, db: Database) -> None:
    patch.setattr(Standing, "full", None)


def no_nights(patch: pytest.MonkeyPatch, db: Database) -> None:
    patch.setattr(Calendar, "works_at", lambda self, moment: True)


def hopes_for_newcomers(patch: pytest.MonkeyPatch, db: Database) -> None:
    """Nobody new to it can take a lead: so nobody is waited for."""

    def first(unit: Routing, lead: Lead, tries: Any) -> Any:
        tried = [handing_out.choose(unit, lead, excluded) for excluded in tries]
        return next((one for one in tried if one.rep_id is not None), tried[0])

    patch.setattr(deadlines, "choose_anew", first)


def by_the_clock(patch: pytest.MonkeyPatch, db: Database) -> None:
    """Whatever the clock says is when something happened."""
    patch.setattr(Assignment, "not_before", lambda self, now: now)


def won_and_given_away(patch: pytest.MonkeyPatch, db: Database) -> None:
    """No outcome ends anything but one."""
    patch.setattr(handing_out, "ENDS_OWNERSHIP", {Stage.LOST})


FAULTS: Final[dict[Any, str]] = {
    two_at_once: "two owners|place",
    room_is_not_given_back: "counts",
    full_is_for_ever: "passed over|forgotten",
    any_answer_counts: "nothing may change",
    an_old_attempt_counts: "nothing may change",
    told_twice: "told once",
    the_same_rep_again: "twice in a round",
    no_limits: "limits",
    no_nights: "away",
    hopes_for_newcomers: "forgotten",
    by_the_clock: "times|two owners",
    won_and_given_away: "place",
}
"""What is planted, and what is said to be wrong then."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(
    db: Database, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch, db)
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        live(db, 100)
