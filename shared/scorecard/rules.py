"""The four forms of a criterion: how many points each gives a lead, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from shared.conditions import Condition, FactValue, Test

DAY: Final = timedelta(days=1)
ANY: Final = "any"
MOMENTS: Final = 20
"""The newest activities of a kind whose moments are kept."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What a lead did of one kind: how often, when last, and its newest moments, oldest first."""

    count: int
    last_at: datetime
    recent: tuple[datetime, ...] = ()

    @property
    def moments(self) -> tuple[datetime, ...]:
        """The newest moments; of what was counted before they were kept, the last one."""
        return self.recent or (self.last_at,)

    def and_at(self, moment: datetime) -> "Activity":
        """With one more; order does not matter."""
        recent = tuple(sorted((*self.moments, moment))[-MOMENTS:])
        return Activity(self.count + 1, max(self.last_at, moment), recent)

    @classmethod
    def first(cls, moment: datetime) -> "Activity":
        """Done once."""
        return cls(1, moment, (moment,))


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a score depends on, beside the definition and the moment."""

    facts: Mapping[str, FactValue]
    attribution: Mapping[str, str | None] = field(default_factory=dict)
    activities: Mapping[str, Activity] = field(default_factory=dict)


class Earned(NamedTuple):
    """Points, why, and what they would be undecayed."""

    points: int
    because: str
    full: int


class Rule(Protocol):
    """How a criterion gives points. ``best`` and ``worst`` bound them; ``fields`` are what it looks
    at (``activity.<kind>`` for activities)."""

    @property
    def best(self) -> int: ...

    @property
    def worst(self) -> int: ...

    @property
    def fields(self) -> tuple[str, ...]: ...

    def earn(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> Earned | None:
        """What it gives; None when it gives nothing."""
        ...

    def because(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> str:
        """What was found, in a sentence, also when it gives nothing."""
        ...

    def sentence(self) -> str:
        """The rule itself in words, without its points."""
        ...


@dataclass(frozen=True, slots=True)
class Single:
    """A condition that is worth points; they fade with the age of the activity that it counts."""

    test: Test
    points: int
    half_life_days: float | None = None
    activity_kind: str | None = None
    """The kind of activity that it counts, ``any``, or None for another field."""

    @property
    def best(self) -> int:
        return max(self.points, 0)

    @property
    def worst(self) -> int:
        return min(self.points, 0)

    @property
    def fields(self) -> tuple[str, ...]:
        return self.test.fields

    def earn(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> Earned | None:
        """The points, decayed, when the condition holds."""
        because = self.test.reason(context)
        if because is None:
            return None
        points = self.points
        last = None if self.half_life_days is None else self._last(inputs)
        if last is not None and self.half_life_days is not None:
            age = age_days(last, at)
            points = decayed(points, age, self.half_life_days)
            if points != self.points:
                because += f"; {int(age)} days ago, so {points} of {self.points} points"
        return Earned(points, because, self.points)

    def because(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> str:
        """What the condition found."""
        return self.test.because(context)

    def sentence(self) -> str:
        """The condition in words."""
        return self.test.sentence() + _fades(self.half_life_days)

    def _last(self, inputs: Inputs) -> datetime | None:
        """The newest activity of the criterion's kind, else the newest of all."""
        kind = self.activity_kind
        own = inputs.activities.get(kind) if kind is not None else None
        if own is not None:
            return own.last_at
        return max((one.last_at for one in inputs.activities.values()), default=None)


@dataclass(frozen=True, slots=True)
class Level:
    """One bin or group: the condition, its points, and what people call it."""

    condition: Condition
    points: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """Bins of a number or groups of a category: the first level that holds gives its points."""

    field: str
    levels: tuple[Level, ...]
    otherwise: int = 0

    @property
    def best(self) -> int:
        return max(self.otherwise, *(level.points for level in self.levels))

    @property
    def worst(self) -> int:
        return min(self.otherwise, *(level.points for level in self.levels))

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)

    def earn(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> Earned | None:
        """The points of the level that holds; None where they are 0."""
        found = self.level(context)
        points = self.otherwise if found is None else found.points
        if points == 0:
            return None
        return Earned(points, self.because(context, inputs, at), points)

    def level(self, context: Mapping[str, FactValue]) -> Level | None:
        """The first level that holds."""
        return next((one for one in self.levels if one.condition.matches(context)), None)

    def because(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> str:
        """Which level holds, or that none does."""
        found = self.level(context)
        if found is not None:
            return found.condition.because(context)
        shown = self.levels[0].condition.because(context)
        return shown if len(self.levels) == 1 else f"{self.field} is in no other level"

    def sentence(self) -> str:
        """The levels in words, with their points."""
        parts = [f"{one.label or one.condition.sentence()}: {one.points:+d}" for one in self.levels]
        return "; ".join([*parts, f"otherwise {self.otherwise:+d}"] if self.otherwise else parts)


@dataclass(frozen=True, slots=True)
class Engagement:
    """Activities of a kind: enough of them within the window give points that fade with age.

    Without ``cap`` the points are given once and fade with the newest activity; with it each
    activity of the newest 20 gives them and fades by itself, up to ``cap`` together.
    """

    kind: str
    points: int
    count: int = 1
    window_days: float | None = None
    half_life_days: float | None = None
    cap: int | None = None

    @property
    def best(self) -> int:
        return max(self.points if self.cap is None else self.cap, 0)

    @property
    def worst(self) -> int:
        return min(self.points if self.cap is None else self.cap, 0)

    @property
    def fields(self) -> tuple[str, ...]:
        return ("activity." + self.kind,)

    def earn(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> Earned | None:
        """The faded points, when there were enough activities."""
        number, ages = self._found(inputs, at)
        if number < self.count or not ages:
            return None
        total = 0.0
        for age in ages if self.cap is not None else ages[:1]:
            total += self.points * (
                1.0 if self.half_life_days is None else 0.5 ** (age / self.half_life_days)
            )
        full = self.points
        if self.cap is not None:
            total = max(-abs(self.cap), min(abs(self.cap), total))
            full = self.cap
        points = round(total)
        because = f"{_times(self.kind, number)}, last {_ago(ages[0])}"
        if points != full:
            because += f", so {points} of {full} points"
        return Earned(points, because, full)

    def because(self, context: Mapping[str, FactValue], inputs: Inputs, at: datetime) -> str:
        """How often it was done."""
        number, _ = self._found(inputs, at)
        window = f" in {self.window_days:g} days" if self.window_days is not None else ""
        if number >= self.count:
            return f"{_times(self.kind, number)}{window}"
        return f"{_times(self.kind, number)}{window}, {self.count} needed"

    def sentence(self) -> str:
        """The rule in words."""
        window = f" in the last {self.window_days:g} days" if self.window_days is not None else ""
        least = f"at least {self.count}" if self.count > 1 else "some"
        cap = f", each counts, up to {self.cap:+d}" if self.cap is not None else ""
        return f"{least} {_name(self.kind)}{window}{cap}{_fades(self.half_life_days)}"

    def _found(self, inputs: Inputs, at: datetime) -> tuple[int, list[float]]:
        """How many count, and their ages in days, newest first."""
        if self.kind == ANY:
            done: Sequence[Activity] = list(inputs.activities.values())
        else:
            one = inputs.activities.get(self.kind)
            done = [] if one is None else [one]
        ages = sorted(age_days(moment, at) for one in done for moment in one.moments)[:MOMENTS]
        if self.window_days is None:
            return sum(one.count for one in done), ages
        ages = [age for age in ages if age <= self.window_days]
        return len(ages), ages


def decayed(points: int, days: float, half_life_days: float) -> int:
    """``points`` × ½^(age ÷ half-life), rounded half to even, so that scores stay whole numbers."""
    return round(points * 0.5 ** (days / half_life_days))


def age_days(moment: datetime, at: datetime) -> float:
    """Days since; what lies in the future (a wrong clock) is now."""
    return max((at - moment) / DAY, 0.0)


def _name(kind: str) -> str:
    return "activity" if kind == ANY else kind


def _times(kind: str, number: int) -> str:
    if number == 0:
        return f"no {_name(kind)}"
    return f"{_name(kind)} once" if number == 1 else f"{_name(kind)} {number} times"


def _fades(half_life_days: float | None) -> str:
    return "" if half_life_days is None else f"; half after {half_life_days:g} days"


def _ago(days: float) -> str:
    whole = int(days)
    return "today" if whole == 0 else "1 day ago" if whole == 1 else f"{whole} days ago"
