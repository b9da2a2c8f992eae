"""Indexes that have leads in the orders of the list, in a stage and of all of them."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Change the tables."""
    op.drop_index("lead_stages_by_stage", "lead_stages")
    op.create_index("lead_stages_by_stage", "lead_stages", ["stage", "since", "lead_id"])
    op.create_index("lead_stages_of_stage", "lead_stages", ["stage", "lead_id"])
    op.create_index("lead_stages_by_since", "lead_stages", ["since", "lead_id"])
    op.create_index("lead_stages_by_score", "lead_stages", ["score", "lead_id"])


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError
