"""How often may one look and still be wrong in few years only.

Every look is a test, and a test for every answer would propose something by chance sooner or
later. So there are at most twelve looks in any 365 days, and each may be wrong with chance α ÷ 12:
whatever the looks have to do with each other, the chance that one of a year's is wrong is at most α
(a union bound: alpha spending in equal parts). The next look comes with half as many answers again,
when they are worth most; or after a month with some new ones, as long as enough looks are left for
the rest of the year. The count goes on whatever version is in force.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Any, Final

YEAR: Final = timedelta(days=365)
MOST: Final = 12
GROWTH: Final = 1.5
MONTH: Final = timedelta(days=30)
LEAST_NEW: Final = 25
NEW_SHARE: Final = 0.03


@dataclass(frozen=True, slots=True)
class Look:
    """One look: when, on how many answers, the error it was allowed, and what came of it."""

    at: datetime
    answers: int
    alpha: float
    proposed: bool = False

    def document(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "at": self.at.isoformat(),
            "answers": self.answers,
            "alpha": self.alpha,
            "proposed": self.proposed,
        }


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks of the last year, oldest first."""

    taken: tuple[Look, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> "Looks":
        """From what ``document`` made."""
        listed: Sequence[Mapping[str, Any]] = (document or {}).get("taken", ())
        return cls(
            tuple(
                Look(
                    datetime.fromisoformat(one["at"]),
                    one["answers"],
                    one["alpha"],
                    one.get("proposed", False),
                )
                for one in listed
            )
        )

    def document(self) -> dict[str, Any]:
        """As JSON keeps it, with the error spent so far."""
        return {"taken": [one.document() for one in self.taken], "spent": round(self.spent, 6)}

    @property
    def spent(self) -> float:
        """The chance of a false proposal that the looks of the last year have used up."""
        return sum(one.alpha for one in self.taken)

    @property
    def proposals(self) -> int:
        """How many of them led to a proposal."""
        return sum(one.proposed for one in self.taken)

    def at(self, now: datetime) -> "Looks":
        """Without those that are a year old."""
        return Looks(tuple(one for one in self.taken if now - one.at < YEAR))

    def missing(self, answers: int, now: datetime, minimum: int) -> int:
        """How many more answers it takes until the next look; 0 when it is due. When all looks of
        the year are used up, one answer is always missing."""
        taken = self.at(now).taken
        if not taken:
            return max(minimum - answers, 0)
        last = taken[-1]
        wanted = math.ceil(last.answers * GROWTH)
        if now - last.at >= self._pace(taken):
            wanted = min(wanted, last.answers + max(LEAST_NEW, int(last.answers * NEW_SHARE)))
        missing = max(max(wanted, minimum) - answers, 0)
        return missing if len(taken) < MOST else max(missing, 1)

    @staticmethod
    def _pace(taken: Sequence[Look]) -> timedelta:
        """A month, or longer when the looks left have to last until the oldest is a year old."""
        left = MOST - len(taken)
        if left <= 0:
            return YEAR
        return max(MONTH, (taken[0].at + YEAR - taken[-1].at) / (left + 1))

    def allowed(self, alpha: float) -> float:
        """The error that a look may make."""
        return alpha / MOST

    def with_look(self, now: datetime, answers: int, alpha: float) -> "Looks":
        """With one more, that has found nothing so far."""
        return Looks((*self.taken, Look(now, answers, alpha)))

    def with_proposal(self) -> "Looks":
        """The last look has led to a proposal."""
        return Looks((*self.taken[:-1], replace(self.taken[-1], proposed=True)))


def one_sided(alpha: float) -> float:
    """The standard normal point that is passed with chance ``alpha``."""
    return NormalDist().inv_cdf(1 - alpha)
