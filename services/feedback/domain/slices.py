"""Which leads figures are of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class By(StrEnum):
    """What figures are told apart by."""

    SOURCE = "source"
    CAMPAIGN = "campaign"
    VERSION = "version"
    REP = "rep"


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the leads; all that is given has to hold. Each figure is of those who entered its
    stage in the period: captured, became an MQL, were given to a rep, or had their deadline."""

    since: datetime | None = None
    until: datetime | None = None
    """Before this time."""
    source: str | None = None
    campaign: str | None = None
    version: int | None = None
    rep_id: str | None = None
    """Who has the lead, or had it last."""

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return self != Slice()


ALL = Slice()
