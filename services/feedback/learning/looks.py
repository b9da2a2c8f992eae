"""How often may one look and still be wrong in few years only.

Every look is a test, and a test for every answer would propose something by chance sooner or later.
So there are few looks: the next one when there are a quarter more answers, or after four weeks with
some new ones; and look number k of the last 365 days may be wrong with chance α ÷ k(k + 1) only.
Those chances add up to less than α over any 365 days: of the looks within them, the j-th has at
least j − 1 before it in its own year, so its number is at least j, and Σ 1 ÷ j(j + 1) is 1 (a union
bound, as in Lan & DeMets' alpha spending, 1983, but free of any assumption about how looks depend
on each other). The count goes on whatever version is in force.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Any, Final

YEAR: Final = timedelta(days=365)
GROWTH: Final = 1.25
MONTH: Final = timedelta(days=28)
LEAST_NEW: Final = 25
LEAST_NEW_SHARE: Final = 0.03


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
        """How many more answers it takes until the next look; 0 when it is due."""
        if not self.taken:
            return max(minimum - answers, 0)
        last = self.taken[-1]
        wanted = max(int(last.answers * GROWTH + 0.999), minimum)
        if now - last.at >= MONTH:
            some = max(LEAST_NEW, int(last.answers * LEAST_NEW_SHARE))
            wanted = max(min(wanted, last.answers + some), minimum)
        return max(wanted - answers, 0)

    def allowed(self, alpha: float) -> float:
        """The error that the next look may make."""
        number = len(self.taken) + 1
        return alpha / (number * (number + 1))

    def with_look(self, now: datetime, answers: int, alpha: float) -> "Looks":
        """With one more, that has found nothing so far."""
        return Looks((*self.taken, Look(now, answers, alpha)))

    def with_proposal(self) -> "Looks":
        """The last look has led to a proposal."""
        return Looks((*self.taken[:-1], replace(self.taken[-1], proposed=True)))


def one_sided(alpha: float) -> float:
    """The standard normal point that is passed with chance ``alpha``."""
    return NormalDist().inv_cdf(1 - alpha)
