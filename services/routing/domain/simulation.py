"""What another policy, or a changed team, would have made of a past time: who would have had which
lead. Nothing is written.

New leads come in as they came, with the facts they had, and go through the same choice as live
ones, with the reps' counts as they stood when the time began. Reps are as they are now, or as they
are to be, also where they were otherwise then. What happens with a lead is known only of what was:

- As long as a lead has had the same reps as in truth, each attempt ends as it did: answered,
  rejected, handed over by people, or run out, at the time it did.
- With another rep, an attempt is answered as that rep answers: it is off their list of waiting
  leads after their usual time (the median), and runs out with a probability: the share of their
  attempts of that time that ran out, or would have with the time the policy gives for the lead's
  grade. Whoever was given fewer than ``ENOUGH`` answers as all together do. What would follow when
  it runs out is not played on.

Leads that wait for somebody are offered again as soon as there is room: where many wait all the
time, that order is not quite that of truth. What waited before the time began stays out of it.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.routing.domain.assignment import (
    Assignment,
    Cause,
    State,
    attempts_used,
    goes_to_another_rep,
    kept_out,
    kept_out_of_new_round,
)
from services.routing.domain.calendar import Calendar
from services.routing.domain.choice import Decision, Group, Pool, Standing, level
from services.routing.domain.past import (
    Outcome,
    Past,
    PastLead,
    first_answer,
    habits,
    off_the_list,
)
from services.routing.domain.policy import Policy
from services.routing.domain.pool_record import standing
from services.routing.domain.reps import Rep

_BY_PEOPLE: Final = frozenset({Cause.HANDED_OVER, Cause.PUT_BACK, Cause.MOVED, Cause.AWAY})
_TRIED: Final = 500
"""Waiting leads that are looked at each time there is room."""


PolicyFor = Callable[[PastLead], Policy]


def simulated(past: Past, reps: Iterable[Rep], policy_for: PolicyFor) -> Outcome:
    """What would have come of it with these reps and policies."""
    return _Run(past, tuple(reps), policy_for).done()


@dataclass(slots=True)
class _Lead:
    """A lead on its way through a run."""

    past: PastLead
    had: list[Assignment] = field(default_factory=list)
    """Its attempts so far, while they are those it had in truth."""
    true: bool = True
    """Whether it has gone as in truth so far."""
    rounds: int = 0

    @property
    def next(self) -> Assignment | None:
        """The attempt that came next in truth."""
        known = self.past.attempts
        return known[len(self.had)] if self.true and len(self.had) < len(known) else None

    @property
    def round_base(self) -> int:
        """The last attempt of the rounds before the running one."""
        opened = [one.attempt for one in self.had if one.cause is Cause.RULES]
        return max(opened, default=1) - 1


class _Run:
    """One run through the time: what is to happen, in order, and the reps as they stand."""

    def __init__(self, past: Past, reps: tuple[Rep, ...], policy_for: PolicyFor) -> None:
        self._past, self._policy_for = past, policy_for
        self._calendars = {rep.rep_id: Calendar.of(rep) for rep in reps}
        self._pool = _pool(past, reps)
        self._habits = habits(past, self._calendars)
        self._windows = {
            rep.rep_id: timedelta(hours=rep.window_hours or 24)
            for rep in reps
            if rep.window_limit is not None
        }
        self._events: list[tuple[datetime, int, str, int, Callable[[datetime], None]]] = []
        self._waiting: dict[str, _Lead] = {}
        self._found = Outcome()

    def done(self) -> Outcome:
        """Play it all."""
        for rep_id, calendar in self._calendars.items():
            self._shifts(rep_id, calendar)
        for one in self._past.open_before:
            self._untiloff_the_list(one)
        for past in self._past.leads:
            self._found.owners[past.lead_id] = None
            self._plan(past.at, 2, past.order, partial(self._arrives, _Lead(past)))
        while self._events:
            now, *_, happens = heapq.heappop(self._events)
            if now >= self._past.last:
                break
            happens(now)
        return self._found

    def _plan(
        self, at: datetime, rank: int, order: str, happens: Callable[[datetime], None]
    ) -> None:
        """At one moment shifts come first, then answers, then what is decided."""
        heapq.heappush(self._events, (at, rank, order, len(self._events), happens))

    # --- reps ------------------------------------------------------------------------------------

    def _shifts(self, rep_id: str, calendar: Calendar) -> None:
        """Have a rep come and go."""
        first, rep = self._past.first, self._pool.reps[rep_id]
        if calendar.always or not rep.active:
            return
        if not calendar.works_at(first):
            self._goes(rep, calendar, first)
        for start, end in calendar.spans(first, self._past.last):
            if start > first:
                self._plan(start, 0, rep_id, lambda now: self._comes(rep, now))
            self._plan(end, 0, rep_id, lambda now: self._goes(rep, calendar, now))

    def _comes(self, rep: Standing, now: datetime) -> None:
        rep.away = rep.back_at = None
        self._offer(now)

    def _goes(self, rep: Standing, calendar: Calendar, now: datetime) -> None:
        if not calendar.works_at(now):
            rep.away, rep.back_at = "not at work", calendar.next_start(now)

    def _untiloff_the_list(self, one: Assignment) -> None:
        """What a rep had when the time began: off their list when it was in truth."""
        end = off_the_list(one)
        if end is not None and end > self._past.first and one.assigned_at < self._past.first:
            self._plan(end, 1, one.assignment_id, lambda now: self._off(one.rep_id, now))
        if one.closed_at is not None and one.closed_at > self._past.first:
            self._plan(one.closed_at, 1, one.assignment_id, lambda now: self._closed(one.rep_id))

    def _off(self, rep_id: str, now: datetime) -> None:
        self._pool.release(rep_id, closed=False)
        self._offer(now)

    def _closed(self, rep_id: str) -> None:
        rep = self._pool.reps.get(rep_id)
        if rep is not None:
            rep.owned = max(rep.owned - 1, 0)

    # --- leads -----------------------------------------------------------------------------------

    def _arrives(self, lead: _Lead, now: datetime) -> None:
        decision = self._decide(lead, {})
        if decision.rep_id is None:
            assert decision.unrouted is not None
            self._found.waited[decision.unrouted.value] += 1
            self._waits(lead, now)
        else:
            self._give(lead, decision.rep_id, decision.group, now)

    def _waits(self, lead: _Lead, now: datetime) -> None:
        """It waits for somebody, or for the manager who moved it in truth."""
        self._waiting[lead.past.lead_id] = lead
        known = lead.next
        if known is not None and known.cause in _BY_PEOPLE:
            self._plan(
                max(known.assigned_at, now),
                2,
                known.assignment_id,
                lambda later: self._moved(lead, known.rep_id, later),
            )

    def _moved(self, lead: _Lead, rep_id: str, now: datetime) -> None:
        if self._waiting.pop(lead.past.lead_id, None) is not None:
            group = self._policy_for(lead.past).group(lead.past.asked, self._pool)
            self._to(lead, rep_id, group, now)

    def _decide(self, lead: _Lead, excluded: Mapping[str, str], used: int = 0) -> Decision:
        policy = self._policy_for(lead.past)
        return policy.decide(self._pool, lead.past.asked, excluded, used)

    def _offer(self, now: datetime) -> None:
        """Somebody may have room: offer what waits, the best first. Leads of one group fare alike
        while nobody gets any."""
        if not self._waiting or not self._pool.has_room:
            return
        waiting = sorted(
            self._waiting.values(),
            key=lambda one: (one.past.grade or "~", one.past.at, one.past.lead_id),
        )
        in_vain: set[Group] = set()
        for lead in waiting[:_TRIED]:
            policy = self._policy_for(lead.past)
            account = lead.past.asked.account
            group = policy.group(lead.past.asked, self._pool)
            if account is None and group in in_vain:
                continue
            decision = self._decide(lead, {})
            if decision.rep_id is None:
                in_vain.add(group)
            else:
                del self._waiting[lead.past.lead_id]
                self._give(lead, decision.rep_id, decision.group, now)

    def _give(self, lead: _Lead, rep_id: str, group: Group, now: datetime) -> None:
        self._pool.give(rep_id, group)
        if rep_id in self._windows:
            rep = self._pool.reps[rep_id]
            self._plan(now + self._windows[rep_id], 1, rep_id, lambda _: _forget(rep))
        owners = self._found.owners
        if owners[lead.past.lead_id] is None:
            owners[lead.past.lead_id] = rep_id
        self._found.attempts += 1
        known = lead.next
        if known is not None and known.rep_id == rep_id:
            self._as_in_truth(lead, known, now)
        else:
            self._as_usual(lead, rep_id, now)

    def _as_usual(self, lead: _Lead, rep_id: str, now: datetime) -> None:
        """Somebody else than in truth has it: they answer as they usually do."""
        lead.true = False
        habit, limit = self._habits(rep_id), self._limit(lead)
        self._found.breaches += habit.runs_out(limit)
        self._plan(now + habit.wait, 1, lead.past.lead_id, lambda later: self._off(rep_id, later))

    def _as_in_truth(self, lead: _Lead, known: Assignment, now: datetime) -> None:
        """They answer as they did."""
        lead.had.append(known)
        if known.closed_because == "SLA_BREACHED" or self._too_late(lead, known):
            self._found.breaches += 1
        off = off_the_list(known)
        if off is not None:
            self._plan(
                max(off, now),
                1,
                known.assignment_id,
                lambda later: self._answered(lead, known, later),
            )
        if known.closed_at is not None:
            self._plan(
                max(known.closed_at, now),
                1,
                f"{known.assignment_id}~",
                lambda later: self._ended(lead, known, later),
            )

    def _answered(self, lead: _Lead, known: Assignment, now: datetime) -> None:
        """Off the rep's list; whoever could not have had it is owed another one."""
        passed_on = known.reason is not None and goes_to_another_rep(known.reason)
        taken_away = known.state is State.EXPIRED and known.closed_because in _BY_PEOPLE
        self._pool.release(known.rep_id, closed=False)
        if passed_on or taken_away:
            self._pool.give_back(known.rep_id)
        if known.closed_at is None or known.closed_at > now:
            self._offer(now)

    def _ended(self, lead: _Lead, known: Assignment, now: datetime) -> None:
        """The attempt is over: on to whoever the policy, or a person, gives it to."""
        self._closed(known.rep_id)
        following = lead.next
        if known.closed_because in _BY_PEOPLE:
            if following is not None:
                group = self._policy_for(lead.past).group(lead.past.asked, self._pool)
                self._to(lead, following.rep_id, group, now)
        elif known.closed_because == "SLA_BREACHED" or (
            known.reason is not None and goes_to_another_rep(known.reason)
        ):
            self._passed_on(lead, following, now)
        self._offer(now)

    def _passed_on(self, lead: _Lead, following: Assignment | None, now: datetime) -> None:
        used = attempts_used(lead.had, lead.round_base)
        decision = self._decide(lead, kept_out(lead.had, lead.round_base), used)
        if decision.rep_id is not None:
            self._give(lead, decision.rep_id, decision.group, now)
        elif following is not None:  # it rests until the next round
            at = max(following.assigned_at, now)
            order = following.assignment_id
            self._plan(at, 2, order, lambda later: self._next_round(lead, later))

    def _next_round(self, lead: _Lead, now: datetime) -> None:
        for excluded in kept_out_of_new_round(lead.had, rested=True):
            decision = self._decide(lead, excluded)
            if decision.rep_id is not None:
                self._give(lead, decision.rep_id, decision.group, now)
                return

    def _to(self, lead: _Lead, rep_id: str, group: Group, now: datetime) -> None:
        if rep_id in self._pool.reps:
            self._give(lead, rep_id, group, now)

    def _limit(self, lead: _Lead) -> timedelta:
        return self._policy_for(lead.past).times(lead.past.grade).first_answer

    def _too_late(self, lead: _Lead, known: Assignment) -> bool:
        """Whether the first answer came after the time that the policy gives."""
        took = first_answer(known, self._calendars)
        return took is not None and took > self._limit(lead)


def _forget(rep: Standing) -> None:
    rep.recent = max(rep.recent - 1, 0)


def _pool(past: Past, reps: Sequence[Rep]) -> Pool:
    """The reps as they are to be, with the counts they had when the time began. Whoever had
    another weight then, or none, starts level."""
    settled: list[Standing] = []
    anew: list[Standing] = []
    for rep in reps:
        now = replace(rep, assigned=0, calibration=0.0, last_turn=0).standing()
        figures = past.standings.get(rep.rep_id)
        if figures is not None:
            then = standing(rep.rep_id, figures)
            for name in ("assigned", "calibration", "last_turn", "waiting", "owned", "recent"):
                setattr(now, name, getattr(then, name))
        if figures is None or (then.weight, then.shares) != (now.weight, now.shares):
            anew.append(now)
        else:
            settled.append(now)
    for one in anew if settled else ():
        one.calibration = level(one, settled)
    return Pool.of(sorted((*settled, *anew), key=lambda one: one.rep_id))
