"""What the handlers need of a transaction. ``store`` has it on SQLAlchemy."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from services.routing.domain.assignment import Assignment, Attempt, Move
from services.routing.domain.choice import Decision, Pool
from services.routing.domain.lead import Lead
from services.routing.domain.policy import Policy
from services.routing.domain.reps import Rep
from shared.contracts.envelope import Event
from shared.contracts.events import ContactUpdated, EventData


class Leads(Protocol):
    """The leads of this transaction, and who has them. Loaded by ``load``; written at its end."""

    async def load(self, lead_ids: Collection[str]) -> None:
        """Fetch leads and their open assignments at once."""
        ...

    def get(self, lead_id: str) -> Lead | None:
        """A loaded lead, as changed in this transaction."""
        ...

    def owner(self, lead_id: str) -> Assignment | None:
        """A loaded lead's open assignment."""
        ...

    def put(self, lead: Lead) -> None:
        """Insert or replace a lead."""
        ...

    def assign(self, assignment: Assignment) -> None:
        """Add an open assignment."""
        ...

    def close(self, assignment: Assignment, why: str, at: datetime) -> None:
        """The rep owns the lead no longer; a waiting attempt counts as expired."""
        ...

    def decided(self, lead: Lead, decision: Decision, policy_version: int, at: datetime) -> None:
        """Keep who was chosen, and why not the others."""
        ...

    def contact(self, data: ContactUpdated) -> None:
        """Keep who the lead is, in place of what was known before."""
        ...

    async def histories(self, lead_ids: Collection[str]) -> Mapping[str, Sequence[Attempt]]:
        """The closed attempts of the running cycle of loaded leads."""
        ...


class Assignments(Protocol):
    """Changes of existing assignments; each is one conditional statement."""

    async def get(self, assignment_id: str) -> Assignment | None:
        """One assignment."""
        ...

    async def answer(
        self,
        assignment_id: str,
        move: Move,
        at: datetime,
        *,
        rep_id: str | None,
        attempt: int | None,
        due_at: datetime | None = None,
        reason: str | None = None,
        note: str | None = None,
    ) -> Assignment | None:
        """Make a move if state, owner and attempt allow it; None when they do not."""
        ...

    async def expire(self, now: datetime, limit: int) -> Sequence[Assignment]:
        """Claim and expire attempts whose deadline has passed; nobody else gets the same ones."""
        ...

    async def claim_unrouted(self, now: datetime, limit: int) -> Sequence[Lead]:
        """Claim leads nobody has that are due for another look, longest waiting first."""
        ...

    async def retry_unrouted(self, now: datetime) -> None:
        """Have all leads nobody has looked at again at once, and offer them to everybody."""
        ...


class Reps(Protocol):
    """The people leads are given to."""

    async def get(self, rep_id: str) -> Rep | None:
        """One rep."""
        ...

    async def ids(self) -> Collection[str]:
        """Everybody's id."""
        ...

    async def add(self, rep: Rep) -> bool:
        """Add a rep; False if the id is taken."""
        ...

    async def update(self, rep: Rep, calibration: float) -> None:
        """Change a rep."""
        ...


class Work(Protocol):
    """One transaction of routing."""

    @property
    def leads(self) -> Leads: ...
    @property
    def assignments(self) -> Assignments: ...
    @property
    def reps(self) -> Reps: ...

    async def now(self) -> datetime:
        """The database's clock, read once per transaction."""
        ...

    async def policy(self) -> Policy:
        """The newest policy."""
        ...

    async def add_policy(self, document: Mapping[str, Any]) -> int:
        """Write the next version of the policy; returns its number."""
        ...

    async def pool(self) -> Pool:
        """All reps with their counts, locked until the transaction ends.

        Take it before touching any assignment that will be handed on: everybody locks in the same
        order, so nobody deadlocks.
        """
        ...

    def emit(self, data: EventData, *, at: datetime | None = None) -> Event[Any]:
        """Queue an event; it leaves with the commit."""
        ...
