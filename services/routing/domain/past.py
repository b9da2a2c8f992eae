"""A past time to be played again: what came, what became of it, and how reps answered."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from services.routing.domain.asked import Asked
from services.routing.domain.assignment import Assignment
from services.routing.domain.calendar import Calendar
from services.routing.domain.pool_record import Figures

ENOUGH: Final = 5
"""Attempts of a rep that say how they answer."""
_USUAL: Final = timedelta(hours=1)
"""How long a lead waits for an answer where nothing is known at all."""


@dataclass(frozen=True, slots=True)
class PastLead:
    """A lead of the time, and all that happened with it in routing since."""

    lead_id: str
    order: str
    """Of two that came at once, who was decided about first."""
    at: datetime
    grade: str | None
    asked: Asked
    policy_version: int
    """The policy that it was first given by."""
    unrouted: str | None
    """Why nobody got it at first."""
    attempts: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """A time to be played again."""

    first: datetime
    last: datetime
    leads: Sequence[PastLead]
    """In the order in which they came."""
    standings: Mapping[str, Figures]
    """The reps' counts when it began; empty where nobody kept them."""
    open_before: Sequence[Assignment]
    """What reps had then already."""


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    owners: dict[str, str | None] = field(default_factory=dict)
    """Who had each lead first; None: nobody until the end."""
    waited: Counter[str] = field(default_factory=Counter)
    """Leads that nobody could take when they came, by reason."""
    attempts: int = 0
    breaches: float = 0.0
    """Attempts that ran out, or would have: a sum of probabilities."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How a rep answers."""

    answers: tuple[timedelta | None, ...]
    """Working time to each first answer; None: it ran out."""
    wait: timedelta
    """How long a lead is on their list, usually."""

    def runs_out(self, limit: timedelta) -> float:
        """The share of attempts that would run out with so much time."""
        if not self.answers:
            return 0.0
        late = sum(took is None or took > limit for took in self.answers)
        return late / len(self.answers)


def happened(past: Past) -> Outcome:
    """What came of it in truth."""
    found = Outcome()
    for lead in past.leads:
        attempts = [one for one in lead.attempts if one.assigned_at < past.last]
        found.owners[lead.lead_id] = attempts[0].rep_id if attempts else None
        if lead.unrouted is not None:
            found.waited[lead.unrouted] += 1
        found.attempts += len(attempts)
        found.breaches += sum(one.closed_because == "SLA_BREACHED" for one in attempts)
    return found


def habits(past: Past, calendars: Mapping[str, Calendar]) -> Callable[[str], Habit]:
    """How each rep answers, by what they had in that time."""
    answers: dict[str, list[timedelta | None]] = defaultdict(list)
    waits: dict[str, list[timedelta]] = defaultdict(list)
    for lead in past.leads:
        for one in lead.attempts:
            breached = one.closed_because == "SLA_BREACHED"
            took = None if breached else first_answer(one, calendars)
            if breached or took is not None:
                answers[one.rep_id].append(took)
            if (off := off_the_list(one)) is not None:
                waits[one.rep_id].append(off - one.assigned_at)
    everybody = _habit(
        [one for some in answers.values() for one in some],
        [one for some in waits.values() for one in some],
    )
    known = {
        rep_id: _habit(some, waits[rep_id])
        for rep_id, some in answers.items()
        if len(some) >= ENOUGH
    }
    return lambda rep_id: known.get(rep_id, everybody)


def _habit(answers: Sequence[timedelta | None], waits: Sequence[timedelta]) -> Habit:
    usual = timedelta(seconds=median(one.total_seconds() for one in waits)) if waits else _USUAL
    return Habit(tuple(answers), usual)


def off_the_list(one: Assignment) -> datetime | None:
    """When it waited for the rep's answer no longer."""
    return one.answered_at or one.closed_at


def first_answer(one: Assignment, calendars: Mapping[str, Calendar]) -> timedelta | None:
    """Working time to the rep's first answer; None: there was none."""
    at = one.acknowledged_at or one.answered_at
    calendar = calendars.get(one.rep_id)
    if at is None:
        return None
    return at - one.assigned_at if calendar is None else calendar.between(one.assigned_at, at)


def compared(
    past: Past, truth: Outcome, after: Outcome, same: Outcome, *, listed: int
) -> dict[str, Any]:
    """The outcome beside the truth, as JSON has it: the first ``listed`` leads that would have had
    somebody else. ``same`` is the outcome of what really was in force: it tells how near the model
    comes to the truth."""
    moved = [
        (lead, truth.owners[lead.lead_id], after.owners[lead.lead_id])
        for lead in past.leads
        if truth.owners[lead.lead_id] != after.owners[lead.lead_id]
    ]
    before_counts, after_counts = Counter(truth.owners.values()), Counter(after.owners.values())
    pairs = Counter((before, now) for _, before, now in moved)
    return {
        "leads": len(past.leads),
        "per_rep": [
            {"rep_id": rep_id, "before": before_counts[rep_id], "after": after_counts[rep_id]}
            for rep_id in sorted({*before_counts, *after_counts} - {None}, key=str)
        ],
        "changed": {
            "count": len(moved),
            "pairs": [
                {"from": pair[0], "to": pair[1], "leads": count}
                for pair, count in pairs.most_common(listed)
            ],
            "items": [
                {"lead_id": lead.lead_id, "from": before, "to": now}
                for lead, before, now in moved[:listed]
            ],
        },
        "waited": {"before": dict(truth.waited), "after": dict(after.waited)},
        "never": {"before": before_counts[None], "after": after_counts[None]},
        "breaches": {
            "before": truth.breaches,
            "after": round(after.breaches, 1),
            "attempts_before": truth.attempts,
            "attempts_after": after.attempts,
        },
        "off": sum(truth.owners[name] != owner for name, owner in same.owners.items()),
    }
