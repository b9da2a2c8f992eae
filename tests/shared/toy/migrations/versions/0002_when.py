"""When an effect happened, and whatever came with it."""

import sqlalchemy as sa
from alembic import op

from shared.db.engine import Json, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("effects", sa.Column("happened_at", UtcDateTime))
    op.add_column("effects", sa.Column("extra", Json))
