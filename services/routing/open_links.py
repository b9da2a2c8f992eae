"""Addresses in messages: pages, and the signed link that opens one attempt without a login."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.routing.domain.assignment import Assignment
from shared.access import Access

PLACE: Final = "/routing/open/"
PURPOSE: Final = "leadloop.open-lead.v1"
HOLDS_FOR: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link is for: one attempt at one lead, until then."""

    assignment_id: str
    attempt: int
    until: datetime


class OpenLinks:
    """Makes and reads them. The link itself is the authority: whoever has it may answer that
    attempt, as whoever reads the rep's mail can anyhow; nothing else."""

    def __init__(self, access: Access, base: str) -> None:
        self._access = access
        self._base = base.rstrip("/")

    def page(self, path: str) -> str:
        """The whole address of one of our pages."""
        return self._base + path

    def to(self, attempt: Assignment) -> str:
        """The link that opens an attempt. Raises Problem 503 while the access store is away."""
        until = int((attempt.assigned_at + HOLDS_FOR).timestamp())
        payload = [attempt.assignment_id, attempt.attempt, until]
        return self._base + PLACE + self._access.sessions.sign(PURPOSE, payload)

    def read(self, token: str) -> Opened | None:
        """What a link is for; None when it is none of ours. Raises Problem 503 as ``to`` does."""
        match self._access.sessions.unsign(PURPOSE, token):
            case [str(assignment_id), int(attempt), int(until)]:
                return Opened(assignment_id, attempt, datetime.fromtimestamp(until, UTC))
        return None
