"""The people leads are given to."""

import itertools
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.routing.domain.channels import Channel
from services.routing.domain.choice import Standing

Hours = Mapping[str, Sequence[tuple[str, str]]]
"""Working periods by weekday (``mon`` … ``sun``), each from and to ``HH:MM`` in the rep's time
zone; ``24:00`` is the end of a day, and a weekday that is missing is a day off."""


class Status(StrEnum):
    """Whether a rep gets leads."""

    AVAILABLE = "available"
    PAUSED = "paused"
    """Gets no new leads until somebody sets them available."""
    GONE = "gone"
    """Works here no longer."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Days away, both included, in the rep's time zone."""

    first: date
    last: date
    note: str = ""

    @property
    def words(self) -> str:
        """What somebody is told who wants to give something to whoever is on it."""
        return f"on leave until {self.last:%-d %b %Y}"

    def holds(self, moment: datetime, zone: str) -> bool:
        """Whether this moment is one of the days, where the rep is."""
        return self.first <= moment.astimezone(ZoneInfo(zone)).date() <= self.last


@dataclass(frozen=True, slots=True)
class Team:
    """Reps who work for one manager, who is one of the reps (of weight 0 if they get no leads)."""

    team_id: str
    name: str
    manager_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Plate:
    """What a rep has: leads that wait for their answer, all that are theirs, and those given to
    them within their window."""

    waiting: int = 0
    owned: int = 0
    recent: int = 0


@dataclass(frozen=True, slots=True)
class Rep:
    """A salesperson. ``capacity`` is the most leads that may wait for their answer at once."""

    rep_id: str
    name: str
    email: str | None
    weight: int
    capacity: int
    status: Status
    time_zone: str
    created_at: datetime
    team_id: str | None = None
    open_limit: int | None = None
    """Most leads that may be theirs at once, answered or not."""
    window_limit: int | None = None
    """Most new leads in any ``window_hours`` hours."""
    window_hours: int | None = None
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """ISO 639-1, in lower case."""
    territories: tuple[str, ...] = ()
    """ISO 3166-1 alpha-2 countries, or names of your own."""
    hours: Hours | None = None
    """None: always at work."""
    holidays: str | None = None
    """Whose public holidays are days off: ``DE``, or ``DE-BY`` for a part of the country."""
    leave: tuple[Leave, ...] = ()
    assigned: int = 0
    """Leads handed to this rep so far, answered or not."""
    calibration: float = 0.0
    """Credit for leads this rep could not have had."""
    last_turn: int = 0
    """The pool's turn at which this rep got a lead last; 0: never."""
    channels: tuple[Channel, ...] | None = None
    """How they want to be told of leads; None: they have not said."""

    @property
    def active(self) -> bool:
        """Whether this rep gets leads, at the times when they work."""
        return self.status is Status.AVAILABLE

    @property
    def shares(self) -> bool:
        """Whether leads are shared out to this rep at all."""
        return self.active and self.weight > 0

    def leave_at(self, moment: datetime) -> Leave | None:
        """The leave this rep is on at a moment; of several the one that ends last."""
        found = [one for one in self.leave if one.holds(moment, self.time_zone)]
        return max(found, key=lambda one: one.last, default=None)

    def standing(self, plate: Plate = Plate()) -> Standing:
        """This rep as the choice sees them, at work, with this on their plate."""
        return Standing(
            self.rep_id,
            self.weight,
            self.capacity,
            self.active,
            self.assigned,
            self.calibration,
            plate.waiting,
            self.last_turn,
            owned=plate.owned,
            owns_at_most=self.open_limit,
            recent=plate.recent,
            recent_at_most=self.window_limit,
            team_id=self.team_id,
            skills=_folded(self.skills),
            languages=_folded(self.languages),
            territories=_folded(self.territories),
        )


def too_much(rep: Rep, plate: Plate) -> list[str]:
    """What a rep has beyond their limits, in words. That is allowed: they get no more meanwhile."""
    told = []
    if plate.waiting > rep.capacity:
        told.append(
            f"{plate.waiting} leads wait for an answer of {rep.name}, more than the capacity of "
            f"{rep.capacity}: they get none until there are fewer."
        )
    if rep.open_limit is not None and plate.owned > rep.open_limit:
        told.append(
            f"{rep.name} has {plate.owned} open leads, more than the limit of {rep.open_limit}: "
            "they get none until there are fewer."
        )
    return told


_NONE: frozenset[str] = frozenset()


def _folded(words: Sequence[str]) -> frozenset[str]:
    """Words to be compared."""
    return frozenset(map(str.casefold, words)) if words else _NONE


def readable_id(name: str, taken: Collection[str], prefix: str = "") -> str | None:
    """An id that people can read, made of a name: ``rep-ana-almeida``, or with a number after it
    when there is one already. None for a name without any letter that ASCII has a form of."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    if not words:
        return None
    first = prefix + "-".join(words)[:48].rstrip("-")
    tries = itertools.chain([first], (f"{first}-{number}" for number in itertools.count(2)))
    return next(one for one in tries if one not in taken)


def starts_level(before: Rep, after: Rep) -> bool:
    """Whether a change brings a rep anew into the pool, so that what they missed must not flood
    them: back from leave, or with another weight."""
    return after.shares and (not before.shares or before.weight != after.weight)
