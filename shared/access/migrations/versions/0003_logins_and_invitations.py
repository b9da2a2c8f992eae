"""Keys that end by themselves, which logins without a key are, and invitations."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("keys", sa.Column("expires_at", UtcDateTime()))
    op.create_table(
        "invitations",
        sa.Column("rep_id", sa.String(200), primary_key=True),
        sa.Column("link_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
    )
