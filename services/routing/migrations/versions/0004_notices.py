"""Reps are told of their leads: how they want to be, and the messages."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime

revision = "0004"
down_revision = "0003"

UNSENT = sa.text("state = 'waiting'")


def upgrade() -> None:
    """Change the tables."""
    op.add_column("reps", sa.Column("channels", Json))
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.String(128), primary_key=True),
        sa.Column("rep_id", sa.String(64), nullable=False),
        sa.Column("medium", sa.String(12), nullable=False),
        sa.Column("tells", sa.String(16), nullable=False),
        sa.Column("destination", sa.String(255), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("lead_id", sa.String(64)),
        sa.Column("assignment_id", sa.String(64)),
        sa.Column("deadline", UtcDateTime()),
        sa.Column("error", sa.String(300)),
        sa.Column("done_at", UtcDateTime()),
    )
    op.create_index(
        "notices_unsent",
        "notices",
        ["next_at"],
        sqlite_where=UNSENT,
        postgresql_where=UNSENT,
    )
    op.create_index("notices_of_rep", "notices", ["rep_id", "created_at"])
    op.create_index("notices_done", "notices", ["done_at"])


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError
