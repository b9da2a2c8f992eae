"""The outbox is the log; leads know the age of their fields; indexes that bound what is read."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import outbox_becomes_the_log
from shared.db.types import Json

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change the tables."""
    outbox_becomes_the_log(op, "capture")
    _bound_leads()
    op.drop_index("submissions_by_lead", "submissions")
    op.create_index("submissions_of_lead", "submissions", ["lead_id", "submission_id"])
    op.drop_index("activities_by_lead", "activities")
    op.create_index("activities_of_lead", "activities", ["lead_id", "occurred_at", "activity_id"])
    op.add_column(
        "bad_submissions", sa.Column("sender", sa.String(10), nullable=False, server_default="key")
    )
    op.execute("UPDATE bad_submissions SET sender = 'form' WHERE source LIKE 'form:%'")
    op.drop_index("bad_submissions_by_source", "bad_submissions")
    op.create_index("bad_submissions_of_sender", "bad_submissions", ["sender", "bad_submission_id"])


def _bound_leads() -> None:
    op.add_column("leads", sa.Column("field_order", Json, nullable=False, server_default="[]"))
    for name in ("fields_dropped", "consents_dropped"):
        op.add_column("leads", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "sqlite":
        names = (
            "SELECT key FROM json_each(contact, '$.fields') UNION ALL "
            "SELECT substr(key, 8) FROM json_each(facts) WHERE key LIKE 'fields.%'"
        )
        order = f"SELECT json_group_array(key) FROM ({names})"  # noqa: S608
    else:
        names = (
            "SELECT jsonb_object_keys(contact->'fields') AS key UNION ALL "
            "SELECT substr(k, 8) FROM jsonb_object_keys(facts) AS k WHERE k LIKE 'fields.%'"
        )
        order = f"SELECT coalesce(jsonb_agg(key), '[]') FROM ({names}) AS n"  # noqa: S608
    op.execute(f"UPDATE leads SET field_order = ({order})")  # noqa: S608
