"""The outbox is the log; leads count their rounds, and decisions what they leave out."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import outbox_becomes_the_log

revision = "0002"
down_revision = "0001"

OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    """Change the tables."""
    outbox_becomes_the_log(op, "routing")
    op.drop_table("pool_lock")
    zero = sa.text("0")
    op.add_column("leads", sa.Column("rounds", sa.Integer, nullable=False, server_default=zero))
    op.add_column(
        "decisions", sa.Column("left_out", sa.Integer, nullable=False, server_default=zero)
    )
    op.create_index(
        "assignments_open_of_rep",
        "assignments",
        ["rep_id", "answered_at"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
