"""What a form was: a consent is to the words that were shown."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Change the tables."""
    op.add_column("forms", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.add_column("forms", sa.Column("updated_at", UtcDateTime()))
    op.add_column("forms", sa.Column("updated_by", sa.String(64)))
    op.create_table(
        "form_versions",
        sa.Column("form_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(64)),
    )
    op.execute(
        "INSERT INTO form_versions (form_id, version, document, created_at) "
        "SELECT form_id, 1, document, created_at FROM forms"
    )


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError
