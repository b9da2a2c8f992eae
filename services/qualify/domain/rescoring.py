"""Re-scoring: a new version takes on the leads that are open, lead by lead."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.qualify.domain.lifecycle import Lead
from shared.contracts.vocabulary import Stage

OPEN: Final = (Stage.INQUIRY, Stage.NURTURE, Stage.RECYCLED, Stage.MQL)
"""The stages of leads that nobody works on yet. The score of an MQL is told anew, and moves it
nowhere: it is with routing."""


def may_move(lead: Lead) -> bool:
    """Whether another version may move the lead by itself. One that came back from a rep needs an
    activity since: for another version alone nobody is offered the same lead twice. To a recycled
    lead another version is as good a reason as a signal, once it has rested."""
    if lead.stage is not Stage.NURTURE or lead.cycle == 0:
        return True
    newest = max((one.last_at for one in lead.activities.values()), default=lead.captured_at)
    return newest > (lead.stage_since or lead.captured_at)


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
