"""What feedback's handlers need of the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from services.feedback.domain.proposals import Earlier, Status
from services.feedback.domain.stages import Attempt, Lead, Move, Mql
from shared.contracts.definition import DefinitionDocument
from shared.contracts.envelope import Event
from shared.contracts.events import EventData, OutcomeRecorded


class Leads(Protocol):
    """Leads, their times as MQLs and the attempts at them. What ``prefetch`` named is loaded."""

    def lead(self, lead_id: str) -> Lead | None:
        """The lead; None when nothing is known of it."""
        ...

    def keep_lead(self, lead: Lead) -> None: ...

    def note(self, move: Move) -> None:
        """Add a step to the lead's history."""
        ...

    def mql(self, lead_id: str, cycle: int) -> Mql:
        """The lead's time as an MQL; an empty one when nothing is known of it."""
        ...

    def keep_mql(self, mql: Mql) -> None: ...

    def attempt(self, assignment_id: str) -> Attempt | None: ...

    def waiting(self, lead_id: str, cycle: int) -> list[Attempt]:
        """Answers of this cycle that nobody has been told of, in their order."""
        ...

    def keep_attempt(self, attempt: Attempt) -> None: ...

    async def outcome(self, lead_id: str, cycle: int, stage: str) -> OutcomeRecorded | None:
        """The newest outcome of this stage in this cycle."""
        ...

    def add_outcome(
        self, outcome: OutcomeRecorded, cycle: int, step: int, at: datetime
    ) -> None: ...


class Proposals(Protocol):
    """Definitions in force and what was proposed of them."""

    async def publish(self, definition: DefinitionDocument, at: datetime) -> None: ...

    async def retire(self, version: int) -> None: ...

    async def in_force(self, *, lock: bool = False) -> DefinitionDocument | None:
        """The published definition. ``lock`` makes others who decide about it wait."""
        ...

    async def of(self, base_version: int) -> list[Earlier]:
        """All proposals of a version, oldest first."""
        ...

    async def find(self, proposal_id: str) -> dict[str, Any] | None: ...

    async def add(self, row: dict[str, Any]) -> None: ...

    async def refresh(
        self, proposal_id: str, evidence: dict[str, Any], answers: int, at: datetime
    ) -> None: ...

    async def resolve(
        self, proposal_id: str, status: Status, at: datetime, **values: Any
    ) -> None: ...

    async def unresolved(self) -> list[tuple[str, Status, int]]:
        """Id, status and base version of every proposal that is open or approved."""
        ...

    async def tally(self, version: int) -> list[tuple[Sequence[str], str, int]]:
        """Labelled answers of a version: criteria that gave points, answer, how many."""
        ...


class Unit(Protocol):
    """One transaction."""

    @property
    def leads(self) -> Leads: ...

    @property
    def proposals(self) -> Proposals: ...

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]: ...

    async def answered_before(self, caller: str, key: str) -> tuple[str, dict[str, Any]] | None:
        """Fingerprint and answer of a request with this idempotency key."""
        ...

    async def remember(
        self, caller: str, key: str, fingerprint: str, answer: dict[str, Any], at: datetime
    ) -> None: ...
