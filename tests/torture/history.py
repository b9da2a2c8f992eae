"""What the product has, as plain data: read from its databases and its log, never through it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol


@dataclass(slots=True)
class Turn:
    """A row of routing's assignments: one rep's time with a lead."""

    assignment_id: str
    lead_id: str
    cycle: int
    attempt: int
    rep_id: str
    state: str
    reason: str | None
    assigned_at: datetime
    closed_at: datetime | None
    closed_because: str | None
    cause: str = "RULES"
    acknowledged_at: datetime | None = None


class Stored(NamedTuple):
    """A submission as capture has it. ``key`` is the Idempotency-Key the client sent."""

    submission_id: str
    lead_id: str
    status: str
    key: str | None


class Logged(NamedTuple):
    """An event on the log. ``subject`` says which effect it stands for; None: none of its own."""

    topic: str
    partition: int
    offset: int
    id: str
    type: str
    key: str
    subject: tuple[object, ...] | None
    order: tuple[int, int] | None
    """Cycle and attempt, of what routing says about a lead."""


@dataclass(slots=True)
class History:
    """Everything that the checks compare."""

    emails: dict[str, list[str]] = field(default_factory=dict)
    """E-mail → ids of its leads. One, one hopes."""
    touches: dict[str, int] = field(default_factory=dict)
    submissions: list[Stored] = field(default_factory=list)
    scored: dict[str, str] = field(default_factory=dict)
    """Lead → its stage, as qualify sees it, of those with a decision."""
    turns: list[Turn] = field(default_factory=list)
    unrouted: set[str] = field(default_factory=set)
    stages: dict[str, str] = field(default_factory=dict)
    """Lead → stage, of those whose capture feedback has seen."""
    recorded: set[str] = field(default_factory=set)
    """Assignments whose answer feedback has passed on."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """Outcome → lead."""
    kept: set[str] = field(default_factory=set)
    """Outcomes that wait for the acceptance of whoever has the lead now."""
    dead_letters: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    """Positions that moved backwards or were forgotten, in words."""
    log: list[Logged] = field(default_factory=list)


class Databases(Protocol):
    """Read-only access to the four databases, whichever they are."""

    async def rows(self, service: str, query: str) -> list[Mapping[str, Any]]:
        """Raises whatever the database raises."""
        ...


EFFECTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "leadloop.lead.captured.v1": ("captured", ("lead_id",)),
    "leadloop.lead.activity_recorded.v1": ("activity", ("activity_id",)),
    "leadloop.lead.qualified.v1": ("qualified", ("lead_id", "cycle")),
    "leadloop.lead.assigned.v1": ("assigned", ("lead_id", "cycle", "attempt")),
    "leadloop.lead.reassigned.v1": ("assigned", ("lead_id", "cycle", "attempt")),
    "leadloop.lead.acknowledged.v1": ("acknowledged", ("assignment_id",)),
    "leadloop.lead.accepted.v1": ("answered", ("assignment_id",)),
    "leadloop.lead.rejected.v1": ("answered", ("assignment_id",)),
    "leadloop.lead.sla_breached.v1": ("breached", ("assignment_id",)),
    "leadloop.feedback.recorded.v1": ("recorded", ("assignment_id",)),
    "leadloop.outcome.recorded.v1": ("outcome", ("outcome_id",)),
}
"""Of each event type: the effect it stands for, and what makes that effect the only one."""


def logged(
    topic: str, partition: int, offset: int, headers: Mapping[str, str], key: str, data: Any
) -> Logged:
    """A message of the log as the checks see it."""
    kind = headers.get("ce_type", "")
    effect = EFFECTS.get(kind)
    subject = None
    if effect is not None:
        name, members = effect
        subject = (name, *(data.get(member) for member in members))
    order = None
    if topic == "lead.handoff" and "attempt" in data:
        order = (data["cycle"], data["attempt"])
    return Logged(topic, partition, offset, headers.get("ce_id", ""), kind, key, subject, order)


async def read(databases: Databases, backwards: Iterable[str], log: list[Logged]) -> History:
    """The whole history as it is now."""
    found = History(backwards=list(backwards), log=log)
    for row in await databases.rows("capture", "SELECT lead_id, identity, touches FROM leads"):
        found.emails.setdefault(row["identity"].removeprefix("email:"), []).append(row["lead_id"])
        found.touches[row["lead_id"]] = row["touches"]
    query = "SELECT submission_id, lead_id, status, idempotency_key FROM submissions"
    for row in await databases.rows("capture", query):
        scoped = row["idempotency_key"]
        key = scoped.rpartition(":")[2] if scoped is not None else None
        found.submissions.append(Stored(row["submission_id"], row["lead_id"], row["status"], key))
    query = (
        "SELECT lead_id, stage FROM leads"
        " WHERE EXISTS (SELECT 1 FROM decisions WHERE decisions.lead_id = leads.lead_id)"
    )
    for row in await databases.rows("qualify", query):
        found.scored[row["lead_id"]] = row["stage"]
    for row in await databases.rows("routing", f"SELECT {_TURN} FROM assignments"):
        values = {name: row[name] for name in Turn.__slots__}
        values["assigned_at"] = moment(values["assigned_at"])
        for name in ("closed_at", "acknowledged_at"):
            values[name] = values[name] and moment(values[name])
        found.turns.append(Turn(**values))
    query = "SELECT lead_id FROM leads WHERE unrouted_at IS NOT NULL"
    found.unrouted = {row["lead_id"] for row in await databases.rows("routing", query)}
    query = "SELECT lead_id, stage FROM lead_stages WHERE captured_at IS NOT NULL"
    for row in await databases.rows("feedback", query):
        found.stages[row["lead_id"]] = row["stage"]
    query = "SELECT assignment_id FROM attempts WHERE recorded_at IS NOT NULL"
    found.recorded = {row["assignment_id"] for row in await databases.rows("feedback", query)}
    for row in await databases.rows("feedback", "SELECT outcome_id, lead_id FROM outcomes"):
        found.outcomes[row["outcome_id"]] = row["lead_id"]
    waiting = await databases.rows("feedback", "SELECT outcome_id FROM waiting_outcomes")
    found.kept = {row["outcome_id"] for row in waiting}
    for service in ("qualify", "routing", "feedback"):
        query = "SELECT state, key, event_type, reason FROM dead_letters"
        for row in await databases.rows(service, query):
            found.dead_letters.append(
                f"{service}: {row['state']} {row['event_type']} of {row['key']}: {row['reason']}"
            )
    return found


def moment(value: datetime | str) -> datetime:
    """A time as PostgreSQL (aware) or SQLite (text in UTC) has it."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


_TURN: Final = ", ".join(Turn.__slots__)
