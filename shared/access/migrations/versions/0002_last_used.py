"""When each key was last used."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("keys", sa.Column("last_used_at", UtcDateTime()))
