"""Who the leads are, so that people find them; and the form that they came by."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change the tables."""
    op.add_column("lead_stages", sa.Column("form_id", sa.String(200)))
    op.create_index("lead_stages_by_rep", "lead_stages", ["rep_id", "lead_id"])
    op.create_index(
        "lead_stages_by_campaign",
        "lead_stages",
        ["campaign", "lead_id"],
        sqlite_where=sa.text("campaign IS NOT NULL"),
        postgresql_where=sa.text("campaign IS NOT NULL"),
    )
    op.create_table(
        "people",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(400)),
        sa.Column("email", sa.String(320)),
        sa.Column("phone", sa.String(64)),
        sa.Column("company", sa.String(400)),
        sa.Column("words", Json, nullable=False),
    )
    # Ranges of words are ranges of bytes, whatever language the database sorts by.
    word = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "people_words",
        sa.Column("word", word, primary_key=True),
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError
