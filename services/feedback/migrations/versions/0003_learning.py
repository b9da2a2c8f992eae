"""What learning learns from and how it stands; proposals hold a whole document."""

import orjson
import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "samples",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("cycle", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("attribution", Json, nullable=False),
        sa.Column("activities", Json, nullable=False),
        sa.Column("explored", sa.Boolean, nullable=False),
        sa.Column("exploration_rate", sa.Float, nullable=False),
    )
    op.create_table(
        "learning_settings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label", sa.String(12), nullable=False),
        sa.Column("target", Json),
        sa.Column("never", Json, nullable=False),
        sa.Column("fixed", Json, nullable=False),
        sa.Column("trusted", Json, nullable=False),
        sa.Column("limits", Json, nullable=False),
        sa.Column("signs", Json, nullable=False),
        sa.Column("updated_at", UtcDateTime()),
        sa.Column("updated_by", sa.String(64)),
    )
    op.create_table(
        "looks",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", Json, nullable=False),
        sa.Column("last", Json),
        sa.Column("looked_at", UtcDateTime()),
        sa.Column("asked_at", UtcDateTime()),
        sa.Column("lease", sa.String(64)),
        sa.Column("lease_until", UtcDateTime()),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("retry_at", UtcDateTime()),
    )
    _proposals()


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError


def _proposals() -> None:
    op.drop_index("one_open_proposal", "proposals")
    op.drop_index("proposals_by_base", "proposals")
    for column in (
        sa.Column("definition", Json),
        sa.Column("edited_at", UtcDateTime()),
        sa.Column("edited_by", sa.String(64)),
        sa.Column("publish_as", sa.String(12)),
        sa.Column("refusal", sa.Text),
        sa.Column("published_at", UtcDateTime()),
    ):
        op.add_column("proposals", column)
    op.drop_column("proposals", "made_from")
    conn = op.get_bind()
    # They hold points of single criteria and no document: there is nothing to approve any more.
    conn.execute(
        sa.text(
            "UPDATE proposals SET status = 'superseded', resolved_at = evidence_at "
            "WHERE status IN ('open', 'approved')"
        )
    )
    conn.execute(
        sa.text("UPDATE proposals SET published_at = resolved_at WHERE status = 'published'")
    )
    _in_words(conn)
    op.create_index(
        "one_open_proposal",
        "proposals",
        ["status"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )


def _in_words(conn: sa.Connection) -> None:
    """Changes of points become changes in words."""
    proposals = sa.table("proposals", sa.column("proposal_id"), sa.column("changes", Json))
    for row in conn.execute(sa.select(proposals)).all():
        changes = orjson.loads(row.changes) if isinstance(row.changes, str) else row.changes
        words = [
            {
                "what": f"Criterion {one['criterion_id']}: points",
                "before": f"{one['points_before']:+d}",
                "after": f"{one['points_after']:+d}",
                "why": "",
            }
            for one in changes
        ]
        conn.execute(
            proposals.update()
            .where(proposals.c.proposal_id == row.proposal_id)
            .values(changes=words)
        )
