"""Which feedback events somebody wants."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What an event has to have: of each that is given one of its values, and all that are given.
    Empty is every event."""

    types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    lead_id: str | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return self != EventFilter()


EVERYTHING = EventFilter()
