"""Challengers, drafts that change, exploration, shadow scores, answers, re-scoring."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change the tables."""
    _definitions()
    _decisions()
    _answers()
    _rescores()
    if op.get_bind().dialect.name == "sqlite":
        _drafts_change_on_sqlite()
    else:
        _drafts_change_on_postgresql()


def _definitions() -> None:
    for column in (
        sa.Column("created_by", sa.String(64)),
        sa.Column("updated_at", UtcDateTime),
        sa.Column("updated_by", sa.String(64)),
        sa.Column("published_by", sa.String(64)),
        sa.Column("published_reason", sa.String(2000)),
        sa.Column("published_before", Json, nullable=False, server_default="[]"),
        sa.Column("challenging_since", UtcDateTime),
    ):
        op.add_column("definitions", column)
    _one("one_challenging_definition", "definitions", "challenger")


def _decisions() -> None:
    for column in (
        sa.Column("explored", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("exploration_rate", sa.Float, nullable=False, server_default="0"),
        sa.Column("shadow_version", sa.Integer),
        sa.Column("shadow_score", sa.Integer),
        sa.Column("shadow_verdict", sa.String(16)),
    ):
        op.add_column("decisions", column)
    op.create_index("decisions_by_time", "decisions", ["decided_at", "decision_id"])


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("cycle", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rep_id", sa.String(64)),
        sa.Column("attempt", sa.Integer),
        sa.Column("assigned_at", UtcDateTime),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("answer", sa.String(16)),
        sa.Column("reason", sa.String(40)),
        sa.Column("reason_class", sa.String(16)),
        sa.Column("breached_at", UtcDateTime),
        sa.Column("sql_at", UtcDateTime),
        sa.Column("opportunity_at", UtcDateTime),
        sa.Column("won_at", UtcDateTime),
        sa.Column("lost_at", UtcDateTime),
        sa.Column("disqualified_at", UtcDateTime),
        sa.Column("recycled_at", UtcDateTime),
        sa.Column("amount", sa.Float),
    )


def _rescores() -> None:
    op.create_table(
        "rescores",
        sa.Column("rescore_id", sa.String(40), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("moved", sa.Integer, nullable=False),
        sa.Column("cursor", sa.String(64), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("requested_by", sa.String(64)),
    )
    _one("one_running_rescore", "rescores", "running")


def _one(name: str, table: str, status: str) -> None:
    """At most one row has this status."""
    only = sa.text(f"status = '{status}'")
    op.create_index(name, table, ["status"], unique=True, postgresql_where=only, sqlite_where=only)


_FIXED = ("version", "created_at", "proposal_id", "created_by")
"""What never changes of a version, whatever its status."""


def _drafts_change_on_sqlite() -> None:
    op.execute("DROP TRIGGER definitions_stay")
    op.execute("DROP TRIGGER definitions_remain")
    columns = ", ".join((*_FIXED, "document"))
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _FIXED)
    op.execute(
        f"CREATE TRIGGER definitions_stay BEFORE UPDATE OF {columns} ON definitions "
        f"WHEN {changed} OR (json(NEW.document) IS NOT json(OLD.document) "
        "AND (OLD.status <> 'draft' OR NEW.status <> 'draft')) "
        "BEGIN SELECT RAISE(ABORT, 'what was decided is not changed'); END"
    )
    op.execute(
        "CREATE TRIGGER definitions_remain BEFORE DELETE ON definitions "
        "WHEN OLD.status <> 'draft' "
        "BEGIN SELECT RAISE(ABORT, 'what was decided is not changed'); END"
    )


def _drafts_change_on_postgresql() -> None:
    op.execute("DROP TRIGGER definitions_stay ON definitions")
    op.execute("DROP TRIGGER definitions_remain ON definitions")
    columns = ", ".join((*_FIXED, "document"))
    changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in _FIXED)
    op.execute(
        f"CREATE TRIGGER definitions_stay BEFORE UPDATE OF {columns} ON definitions FOR EACH ROW "
        f"WHEN ({changed} OR (NEW.document IS DISTINCT FROM OLD.document "
        "AND (OLD.status <> 'draft' OR NEW.status <> 'draft'))) EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER definitions_remain BEFORE DELETE ON definitions FOR EACH ROW "
        "WHEN (OLD.status <> 'draft') EXECUTE FUNCTION refuse_change()"
    )
