"""Synonyms, re-reading of declared fields, and other tools as sources."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "synonyms",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("written", sa.String(100), nullable=False),
        sa.Column("field", sa.String(20)),
    )
    op.create_table(
        "rereads",
        sa.Column("reread_id", sa.String(36), primary_key=True),
        sa.Column("names", Json, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("after", sa.String(36), nullable=False),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("finished_at", UtcDateTime),
    )
    op.create_table(
        "sources",
        sa.Column("source_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("secret", sa.String(500), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
