"""What the handlers need of a transaction. ``store`` has it on SQLAlchemy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from services.qualify.domain.decision import Decision
from services.qualify.domain.definition import Definition
from services.qualify.domain.lifecycle import Lead
from shared.contracts.envelope import Event
from shared.contracts.events import EventData
from shared.runtime.parts import NotYet

Status = Literal["draft", "published", "retired"]


@dataclass(frozen=True, slots=True)
class Version:
    """A stored definition: its document never changes, its status does."""

    version: int
    status: Status
    document: Mapping[str, Any]
    created_at: datetime
    published_at: datetime | None = None
    retired_at: datetime | None = None
    proposal_id: str | None = None

    def public(self) -> dict[str, Any]:
        """The definition in the shape of the public interface."""
        return {"version": self.version, "status": self.status, **self.document}


class NoDefinitionPublished(NotYet):
    """Nothing can be scored until somebody publishes a definition: worth waiting for."""


class Leads(Protocol):
    """The leads of this transaction."""

    def get(self, lead_id: str) -> Lead | None:
        """A prefetched lead, as changed in this transaction."""
        ...

    def put(self, lead: Lead) -> None:
        """Insert or replace a lead."""
        ...

    def first_time(self, lead_id: str, signal_id: str) -> bool:
        """Whether this signal is new; from now on it is not. Event ids do not tell: somebody may
        say the same thing twice in two events."""
        ...


class Decisions(Protocol):
    """Decisions are added and read, never changed."""

    def add(self, decision: Decision) -> None:
        """Keep a decision."""
        ...

    async def latest(self, lead_id: str) -> Decision | None:
        """A lead's newest decision, also one of this transaction."""
        ...


class Definitions(Protocol):
    """Definition versions."""

    async def published(self) -> Definition:
        """The one that scores, compiled. Raises NoDefinitionPublished."""
        ...

    async def lock(self) -> None:
        """Let nobody else add or publish versions until this transaction ends."""
        ...

    async def published_version(self) -> Version | None:
        """The one that scores, as stored."""
        ...

    async def get(self, version: int) -> Version | None:
        """One version."""
        ...

    async def of_proposal(self, proposal_id: str) -> Version | None:
        """The version that a proposal was made into."""
        ...

    async def of_request(self, request_key: str) -> Version | None:
        """The version that a request with this idempotency key made."""
        ...

    async def add(
        self,
        document: Mapping[str, Any],
        at: datetime,
        *,
        proposal_id: str | None = None,
        request_key: str | None = None,
    ) -> Version:
        """Store a draft under the next number; needs the lock."""
        ...

    async def set_published(self, version: int, at: datetime) -> None:
        """Retire what is published and publish this one; needs the lock."""
        ...


class Work(Protocol):
    """One transaction of qualify."""

    @property
    def leads(self) -> Leads: ...

    @property
    def decisions(self) -> Decisions: ...

    @property
    def definitions(self) -> Definitions: ...

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]:
        """Publish an event if this transaction commits."""
        ...
