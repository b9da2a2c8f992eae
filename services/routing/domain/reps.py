"""The people leads are given to."""

from dataclasses import dataclass
from zoneinfo import available_timezones


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

    @property
    def shares(self) -> bool:
        """Whether leads are shared out to this rep at all."""
        return self.active and self.weight > 0


def starts_level(before: Rep, after: Rep) -> bool:
    """Whether a change brings a rep anew into the pool, so that what they missed must not flood
    them: back from leave, or with another weight."""
    return after.shares and (not before.shares or before.weight != after.weight)


def is_time_zone(name: str) -> bool:
    """Whether this is a name of the IANA time zone database."""
    return name in available_timezones()
