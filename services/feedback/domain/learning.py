"""How learning is set by marketing, and where its looks at the answers stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from services.feedback.domain.samples import Label
from services.feedback.learning.looks import Looks

ROW: Final = 1
"""There is one row of each."""

MIN_ANSWERS: Final = 100
"""With fewer, hardly anything could be told from chance."""

LEASE: Final = timedelta(seconds=60)
"""A process that looks says so again before this is over; one that died is not waited for."""

AGAIN_WITH: Final = 10
AGAIN_AFTER: Final = timedelta(hours=1)

RETRY_FIRST: Final = timedelta(minutes=1)
RETRY_MOST: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Choices:
    """What marketing chose; ``document`` is what the learner is given beside the label.

    ``target``: ``{"acceptance": share}``, ``{"per_rep_week": leads}`` or None, as many MQLs as
    today. ``never`` are facts that are not used, ``fixed`` criteria that do not change.
    """

    label: Label = Label.ACCEPTED
    target: Mapping[str, float] | None = None
    never: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    signs: Mapping[str, str] = field(default_factory=dict)
    updated_at: datetime | None = None
    updated_by: str | None = None
    id: int = ROW

    @property
    def min_answers(self) -> int:
        """Answers before the first look."""
        return int(self.limits.get("min_answers", MIN_ANSWERS))

    def document(self) -> dict[str, Any]:
        """The choices as the interface shows them."""
        return {
            "label": self.label.value,
            "target": self.target,
            "locks": {"facts": list(self.never), "criteria": list(self.fixed)},
            "trusted": list(self.trusted),
            "limits": dict(self.limits),
            "signs": dict(self.signs),
            "updated_at": self.updated_at,
            "updated_by": self.updated_by,
        }

    def for_learner(self, reps: int) -> dict[str, Any]:
        """The choices as the learner reads them; ``reps`` is how many take leads."""
        target = dict(self.target or {})
        if "per_rep_week" in target:
            target = {"leads_per_rep": target["per_rep_week"], "reps": max(reps, 1)}
        return {
            "label": self.label.value,
            "target": target,
            "never": list(self.never),
            "fixed": list(self.fixed),
            "trusted": list(self.trusted),
            "signs": dict(self.signs),
            "min_answers": self.min_answers,
            **self.limits,
        }


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where the looks at the answers stand.

    ``state`` is the learner's account of the error it has spent, ``last`` what the look of
    ``looked_at`` found, with ``too_early`` when there was one since that could say nothing.
    ``asked_at`` is when somebody asked for one. ``lease`` names the process that looks,
    until ``lease_until``. A look that failed is tried again at ``retry_at``.
    """

    state: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] | None = None
    looked_at: datetime | None = None
    asked_at: datetime | None = None
    lease: str | None = None
    lease_until: datetime | None = None
    failures: int = 0
    failure: str | None = None
    retry_at: datetime | None = None
    id: int = ROW

    def running(self, now: datetime) -> bool:
        """Whether somebody is looking."""
        return self.lease is not None and self.lease_until is not None and now < self.lease_until

    def waits_until(self, now: datetime) -> datetime | None:
        """Until when no look may begin: somebody is at it, or it failed a moment ago."""
        until = self.lease_until if self.running(now) else self.retry_at
        return until if until is not None and until > now else None

    def due(self, missing: int, now: datetime) -> bool:
        """Whether a look may begin: no answer is ``missing``, or somebody asked for it."""
        return self.waits_until(now) is None and (self.asked_at is not None or missing == 0)


def missing_answers(schedule: Schedule, choices: Choices, answers: int, now: datetime) -> int:
    """How many more answers it takes until the next look; 0 when it is due.

    When the last one came too early after all (all answers equal, say), it is tried again with some
    more answers, or after a while.
    """
    missing = Looks.of(schedule.state).missing(answers, now, choices.min_answers)
    early = too_early(schedule)
    if early is None or now - early.at >= AGAIN_AFTER:
        return missing
    some = max(AGAIN_WITH, early.answers // 20)
    return max(missing, early.answers + some - answers)


@dataclass(frozen=True, slots=True)
class TooEarly:
    """A look that was taken and found that it could say nothing yet."""

    at: datetime
    answers: int
    missing: str
    """What was missing, in words."""

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {"at": self.at.isoformat(), "answers": self.answers, "missing": self.missing}


def too_early(schedule: Schedule) -> TooEarly | None:
    """The newest look, if it came too early; the last one that did not is kept beside it."""
    told = (schedule.last or {}).get("too_early")
    if told is None:
        return None
    return TooEarly(datetime.fromisoformat(told["at"]), told["answers"], told["missing"])


def after_look(schedule: Schedule, last: Mapping[str, Any], now: datetime) -> Schedule:
    """The looks with what the newest found; one that came too early leaves the one before it."""
    if last["looked"]:
        return replace(schedule, last=last, looked_at=now)
    early = TooEarly(now, last["answers"], last["missing"] or last["why"])
    return replace(schedule, last={**(schedule.last or {}), "too_early": early.document()})


def claimed(looks: Schedule, lease: str, now: datetime) -> Schedule:
    """The looks with one begun."""
    return replace(looks, lease=lease, lease_until=now + LEASE)


def failed(looks: Schedule, why: str, now: datetime) -> Schedule:
    """The looks after one that failed: it is tried again later, each time twice as late."""
    wait = min(RETRY_FIRST * 2 ** min(looks.failures, 10), RETRY_MOST)
    return replace(
        looks,
        lease=None,
        lease_until=None,
        failures=looks.failures + 1,
        failure=why,
        retry_at=now + wait,
    )


def stopped(looks: Schedule) -> Schedule:
    """The looks after one that was broken off, to be begun again at once."""
    return replace(looks, lease=None, lease_until=None)
