"""Qualify's tables."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    false,
    text,
)

from shared.db.tables import runtime_tables
from shared.db.types import Json, UtcDateTime

metadata = MetaData()
runtime_tables(metadata)

definitions = Table(
    "definitions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("status", String(10), nullable=False),
    Column("document", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime),
    Column("retired_at", UtcDateTime),
    Column("proposal_id", String(64), unique=True),
    Column("request_key", String(300), unique=True),
    Column("created_by", String(64)),
    Column("updated_at", UtcDateTime),
    Column("updated_by", String(64)),
    Column("published_by", String(64)),
    Column("published_reason", String(2000)),
    Column("published_before", Json, nullable=False, server_default=text("'[]'")),
    Column("challenging_since", UtcDateTime),
)
"""Versions. A trigger refuses to change or delete a document that is no draft."""


def _one(name: str, column: Column[str], status: str) -> None:
    """At most one row has this status."""
    only = text(f"status = '{status}'")
    Index(name, column, unique=True, postgresql_where=only, sqlite_where=only)


_one("one_published_definition", definitions.c.status, "published")
_one("one_challenging_definition", definitions.c.status, "challenger")

leads = Table(
    "leads",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("stage", String(16), nullable=False),
    Column("stage_since", UtcDateTime),
    Column("cycle", Integer, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("facts", Json, nullable=False),
    Column("attribution", Json, nullable=False),
    Column("activities", Json, nullable=False),
    Column("signals", Json, nullable=False, server_default=text("'[]'")),
    Column("declined_version", Integer),
    Column("declined_score", Integer),
)
"""What qualify knows of each lead now."""

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", String(40), primary_key=True),
    Column("lead_id", String(64), nullable=False),
    Column("trigger", String(120), nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("moved", Boolean, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reason", String(120), nullable=False),
    Column("score", Integer, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("grade", String(8)),
    Column("contributions", Json, nullable=False),
    Column("facts", Json, nullable=False),
    Column("attribution", Json, nullable=False),
    Column("activities", Json, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("explored", Boolean, nullable=False, server_default=false()),
    Column("exploration_rate", Float, nullable=False, server_default="0"),
    Column("shadow_version", Integer),
    Column("shadow_score", Integer),
    Column("shadow_verdict", String(16)),
    Index("decisions_of_lead", "lead_id", "decision_id"),
    Index("decisions_by_time", "decided_at", "decision_id"),
)
"""Every decision with its inputs, and what the challenger of the time would have said; ids are
UUIDv7, so they sort by time."""

answers = Table(
    "answers",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("rep_id", String(64)),
    Column("attempt", Integer),
    Column("assigned_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("answer", String(16)),
    Column("reason", String(40)),
    Column("reason_class", String(16)),
    Column("breached_at", UtcDateTime),
    Column("sql_at", UtcDateTime),
    Column("opportunity_at", UtcDateTime),
    Column("won_at", UtcDateTime),
    Column("lost_at", UtcDateTime),
    Column("disqualified_at", UtcDateTime),
    Column("recycled_at", UtcDateTime),
    Column("amount", Float),
)
"""What reps and deals said of each lead, each time it was an MQL."""

rescores = Table(
    "rescores",
    metadata,
    Column("rescore_id", String(40), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", String(12), nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("moved", Integer, nullable=False),
    Column("cursor", String(64), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("requested_by", String(64)),
)
"""Each time that a new version took on the open leads, and how far it has come."""

_one("one_running_rescore", rescores.c.status, "running")
