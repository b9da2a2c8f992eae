"""What the handlers need from the outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.capture.domain.lead import Lead, Received, Status
from services.capture.domain.submission import Submission
from shared.contracts.envelope import Event
from shared.contracts.events import EventData


@dataclass(frozen=True, slots=True)
class Posted:
    """A submission on its way into the database."""

    submission: Submission
    idempotency_key: str | None = None
    """Scoped to the caller, so that two callers' keys never meet."""
    digest: bytes | None = None
    """Of the body; given with every idempotency key."""
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller is told, and told again when the same request comes twice."""

    lead_id: str
    submission_id: str
    status: Status


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer given under an idempotency key."""

    answer: Answer
    digest: bytes


@dataclass(frozen=True, slots=True)
class Activity:
    """Something a known lead did elsewhere."""

    activity_id: str
    lead_id: str
    kind: str
    occurred_at: datetime
    received_at: datetime


class Emits(Protocol):
    """Anything that carries events out with its transaction."""

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]: ...


class CaptureWork(Emits, Protocol):
    """One transaction over leads. Leads are locked from ``load`` to its end, in an order that all
    transactions share, so that two never wait for each other."""

    async def load(self, identities: Sequence[str], idempotency_keys: Sequence[str]) -> None:
        """Lock and fetch what is there of all of them, at once."""
        ...

    def lead(self, identity: str) -> Lead | None:
        """A loaded lead, or one that this transaction captured."""
        ...

    def answered(self, idempotency_key: str) -> Answered | None:
        """What was answered under this key, before or in this transaction."""
        ...

    def keep(self, posted: Posted, submission_id: str, received: Received, at: datetime) -> Answer:
        """Store the submission and the lead as it is now."""
        ...

    async def find(self, *, lead_id: str | None, identity: str | None) -> Lead | None:
        """Lock and fetch one lead."""
        ...

    async def activity(self, activity_id: str) -> Activity | None:
        """A stored activity, locked by its id whether it is there or not; after ``find``."""
        ...

    def add_activity(self, activity: Activity) -> None: ...
