"""What decisions rest on is kept with them, so that they can be made anew."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "pools",
        sa.Column("pool_id", sa.String(64), primary_key=True),
        sa.Column("chain_id", sa.String(64), nullable=False),
        sa.Column("base_id", sa.String(64)),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("document", Json, nullable=False),
    )
    op.create_index("pools_of_chain", "pools", ["chain_id", "pool_id"])
    op.add_column("decisions", sa.Column("pool_id", sa.String(64)))
    op.add_column("decisions", sa.Column("inputs", Json))
    op.create_index("decisions_at", "decisions", ["decided_at", "decision_id"])


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError
