"""The people leads are given to."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import available_timezones

from services.routing.domain.choice import Standing


@dataclass(frozen=True, slots=True)
class Rep:
    """A salesperson. ``capacity`` is the most leads that may wait for their answer at once."""

    rep_id: str
    name: str
    email: str | None
    weight: int
    capacity: int
    active: bool
    time_zone: str
    created_at: datetime
    assigned: int = 0
    """Leads handed to this rep so far, answered or not."""
    calibration: float = 0.0
    """Credit for leads this rep could not have had."""
    last_turn: int = 0
    """The pool's turn at which this rep got a lead last; 0: never."""

    @property
    def shares(self) -> bool:
        """Whether leads are shared out to this rep at all."""
        return self.active and self.weight > 0

    def standing(self, waiting: int) -> Standing:
        """This rep as the choice sees them, with so many leads waiting for an answer."""
        return Standing(
            self.rep_id,
            self.weight,
            self.capacity,
            self.active,
            self.assigned,
            self.calibration,
            waiting,
            self.last_turn,
        )


def starts_level(before: Rep, after: Rep) -> bool:
    """Whether a change brings a rep anew into the pool, so that what they missed must not flood
    them: back from leave, or with another weight."""
    return after.shares and (not before.shares or before.weight != after.weight)


def is_time_zone(name: str) -> bool:
    """Whether this is a name of the IANA time zone database."""
    return name in available_timezones()
