"""The outbox is the log; outcomes may wait for an acceptance; indexes."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import outbox_becomes_the_log
from shared.db.types import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change the tables."""
    outbox_becomes_the_log(op, "feedback")
    op.drop_index("stage_changes_by_lead", "stage_changes")
    op.create_index("stage_changes_by_lead", "stage_changes", ["lead_id"])
    op.create_index("idempotency_by_age", "idempotency", ["created_at"])
    op.create_table(
        "waiting_outcomes",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("outcome_id", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("amount", sa.Float),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("rep_id", sa.String(200)),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
    )
    op.create_index("waiting_outcomes_by_age", "waiting_outcomes", ["recorded_at"])
