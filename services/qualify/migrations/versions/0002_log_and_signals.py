"""The outbox is the log; a lead remembers its newest signals itself, and no clock of its facts."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import outbox_becomes_the_log
from shared.db.types import Json

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change the tables."""
    outbox_becomes_the_log(op, "qualify")
    op.drop_table("definition_head")
    op.drop_column("leads", "facts_at")
    op.add_column("leads", sa.Column("signals", Json, nullable=False, server_default="[]"))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "UPDATE leads SET signals = (SELECT json_group_array(signal_id) FROM (SELECT * FROM "
            "(SELECT signal_id FROM signals WHERE signals.lead_id = leads.lead_id "
            "ORDER BY signal_id DESC LIMIT 64) ORDER BY signal_id))"
        )
    else:
        op.execute(
            "UPDATE leads SET signals = coalesce(("
            "SELECT jsonb_agg(s.signal_id ORDER BY s.signal_id) FROM "
            "(SELECT signal_id FROM signals WHERE signals.lead_id = leads.lead_id "
            "ORDER BY signal_id DESC LIMIT 64) AS s), '[]')"
        )
    op.drop_table("signals")
