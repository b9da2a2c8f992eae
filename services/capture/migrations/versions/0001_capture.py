"""Leads, submissions, activities, bad submissions, custom fields and hosted forms."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import create_runtime_tables
from shared.db.types import Json, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_runtime_tables(op)
    _leads()
    _fields_and_forms()


def _leads() -> None:
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.String(36), primary_key=True),
        sa.Column("identity", sa.String(400), nullable=False, unique=True),
        sa.Column("contact", Json, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("attribution", Json, nullable=False),
        sa.Column("consent", Json, nullable=False),
        sa.Column("touches", sa.Integer, nullable=False),
        sa.Column("captured_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "submissions",
        sa.Column("submission_id", sa.String(36), primary_key=True),
        sa.Column("lead_id", sa.String(36), sa.ForeignKey("leads.lead_id"), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("contact", Json, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("attribution", Json, nullable=False),
        sa.Column("idempotency_key", sa.String(400)),
        sa.Column("digest", sa.LargeBinary),
    )
    op.create_index("submissions_by_lead", "submissions", ["lead_id"])
    given = sa.text("idempotency_key IS NOT NULL")
    op.create_index(
        "submissions_by_key",
        "submissions",
        ["idempotency_key"],
        unique=True,
        sqlite_where=given,
        postgresql_where=given,
    )
    op.create_table(
        "activities",
        sa.Column("activity_id", sa.String(36), primary_key=True),
        sa.Column("lead_id", sa.String(36), sa.ForeignKey("leads.lead_id"), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
    )
    op.create_index("activities_by_lead", "activities", ["lead_id", "activity_id"])
    op.create_table(
        "bad_submissions",
        sa.Column("bad_submission_id", sa.String(36), primary_key=True),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("errors", Json, nullable=False),
        sa.Column("content_type", sa.String(200), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
    )


def _fields_and_forms() -> None:
    op.create_table(
        "custom_fields",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("type", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("options", Json, nullable=False),
    )
    op.create_table(
        "seen_fields",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("first_seen_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "forms",
        sa.Column("form_id", sa.String(64), primary_key=True),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    """Drop capture's own tables, and with them every lead."""
    for table in (
        "forms",
        "seen_fields",
        "custom_fields",
        "bad_submissions",
        "activities",
        "submissions",
        "leads",
    ):
        op.drop_table(table)
