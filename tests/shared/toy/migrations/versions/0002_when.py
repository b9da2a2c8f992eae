"""When an effect happened, and whatever came with it; the outbox is the log."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import outbox_becomes_the_log
from shared.db.types import Json, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    outbox_becomes_the_log(op, "qualify")
    op.add_column("effects", sa.Column("happened_at", UtcDateTime))
    op.add_column("effects", sa.Column("extra", Json))
