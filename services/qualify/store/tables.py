"""Qualify's tables."""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
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
)
"""Versions. A trigger refuses to change or delete a document."""

Index(
    "one_published_definition",
    definitions.c.status,
    unique=True,
    postgresql_where=text("status = 'published'"),
    sqlite_where=text("status = 'published'"),
)

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
    Index("decisions_of_lead", "lead_id", "decision_id"),
)
"""Every decision with its inputs; ids are UUIDv7, so they sort by time."""
