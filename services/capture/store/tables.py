"""Capture's tables. Personal data lives in leads, submissions and bad_submissions alone."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from shared.db.tables import runtime_tables
from shared.db.types import Json, UtcDateTime

metadata = MetaData()
runtime_tables(metadata)

leads = Table(
    "leads",
    metadata,
    Column("lead_id", String(36), primary_key=True),
    Column("identity", String(400), nullable=False, unique=True),
    Column("contact", Json, nullable=False),
    Column("facts", Json, nullable=False),
    Column("attribution", Json, nullable=False),
    Column("consent", Json, nullable=False),
    Column("touches", Integer, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("field_order", Json, nullable=False, server_default=text("'[]'")),
    Column("fields_dropped", Integer, nullable=False, server_default=text("0")),
    Column("consents_dropped", Integer, nullable=False, server_default=text("0")),
)
"""One row per person; ``identity`` is what makes two submissions one lead."""

submissions = Table(
    "submissions",
    metadata,
    Column("submission_id", String(36), primary_key=True),
    Column("lead_id", String(36), ForeignKey("leads.lead_id"), nullable=False),
    Column("status", String(10), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("contact", Json, nullable=False),
    Column("facts", Json, nullable=False),
    Column("attribution", Json, nullable=False),
    Column("idempotency_key", String(400)),
    Column("digest", LargeBinary),
    Index("submissions_of_lead", "lead_id", "submission_id"),
    Index(
        "submissions_by_key",
        "idempotency_key",
        unique=True,
        sqlite_where=text("idempotency_key IS NOT NULL"),
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
)
"""Every accepted submission as it came, and the answer its idempotency key stands for."""

activities = Table(
    "activities",
    metadata,
    Column("activity_id", String(36), primary_key=True),
    Column("lead_id", String(36), ForeignKey("leads.lead_id"), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Index("activities_of_lead", "lead_id", "occurred_at", "activity_id"),
)

bad_submissions = Table(
    "bad_submissions",
    metadata,
    Column("bad_submission_id", String(36), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("errors", Json, nullable=False),
    Column("content_type", String(200), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("source", String(100), nullable=False),
    Column("sender", String(10), nullable=False),
    Index("bad_submissions_of_sender", "sender", "bad_submission_id"),
)
"""What could not be accepted, with the reason. ``body`` is cut to 64 KB. Ids are UUIDv7, so what is
old is a range of the primary key."""

custom_fields = Table(
    "custom_fields",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("label", String(200), nullable=False),
    Column("type", String(10), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("options", Json, nullable=False),
)

seen_fields = Table(
    "seen_fields",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("first_seen_at", UtcDateTime, nullable=False),
)
"""Names of custom fields that came without having been declared."""

forms = Table(
    "forms",
    metadata,
    Column("form_id", String(64), primary_key=True),
    Column("active", Boolean, nullable=False),
    Column("document", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("updated_at", UtcDateTime),
    Column("updated_by", String(64)),
)
"""Hosted forms: what they ask and say."""

synonyms = Table(
    "synonyms",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("written", String(100), nullable=False),
    Column("field", String(20)),
)
"""Names that somebody added to the table that comes with the product; ``name`` is folded. Without a
``field`` it is understood as none."""

rereads = Table(
    "rereads",
    metadata,
    Column("reread_id", String(36), primary_key=True),
    Column("names", Json, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("after", String(36), nullable=False),
    Column("changed", Integer, nullable=False),
    Column("finished_at", UtcDateTime),
)
"""Custom fields that are to be read anew on the leads that have them; ``after`` is the lead up to
which that is done."""

sources = Table(
    "sources",
    metadata,
    Column("source_id", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("document", Json, nullable=False),
    Column("secret", String(500), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)
"""Other tools that may post without a key of ours: what they are, and how they are believed."""
form_versions = Table(
    "form_versions",
    metadata,
    Column("form_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64)),
)
"""Every version a form has had: what somebody consented to is what they were shown."""
