"""Re-scoring: a new version takes on the leads that are open, lead by lead."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from shared.contracts.vocabulary import Stage

OPEN: Final = (Stage.INQUIRY, Stage.NURTURE, Stage.RECYCLED, Stage.MQL)
"""The stages of leads that nobody works on yet. The score of an MQL is told anew, and moves it
nowhere: it is with routing."""


@dataclass(frozen=True, slots=True)
class Rescore:
    """One run over the open leads, in the order of their ids, and how far it has come."""

    rescore_id: str
    version: int
    status: Literal["running", "done", "superseded"]
    total: int
    """Leads to be scored, as counted when it began."""
    done: int
    moved: int
    """Of those done, the ones that came to another stage."""
    cursor: str
    """The last lead that was done."""
    started_at: datetime
    finished_at: datetime | None = None
    requested_by: str | None = None
