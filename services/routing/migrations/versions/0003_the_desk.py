"""Reps get hours, leave and limits; teams, accounts and notes; a policy is a draft at first."""

import sqlalchemy as sa
from alembic import op

from shared.db.types import Json, UtcDateTime

revision = "0003"
down_revision = "0002"

PUBLISHED = sa.text("status = 'published'")
UNWARNED = sa.text("state IN ('ASSIGNED', 'ACKNOWLEDGED') AND warned_at IS NULL")


def upgrade() -> None:
    """Change the tables."""
    _reps()
    _accounts()
    _policies()
    _leads()


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError


def _reps() -> None:
    op.create_table(
        "teams",
        sa.Column("team_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("manager_id", sa.String(64)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
    nothing = sa.text("'[]'")
    for column in (
        sa.Column("status", sa.String(12), nullable=False, server_default="available"),
        sa.Column("team_id", sa.String(64)),
        sa.Column("open_limit", sa.Integer),
        sa.Column("window_limit", sa.Integer),
        sa.Column("window_hours", sa.Integer),
        sa.Column("skills", Json, nullable=False, server_default=nothing),
        sa.Column("languages", Json, nullable=False, server_default=nothing),
        sa.Column("territories", Json, nullable=False, server_default=nothing),
        sa.Column("hours", Json),
        sa.Column("holidays", sa.String(16)),
        sa.Column("leave", Json, nullable=False, server_default=nothing),
    ):
        op.add_column("reps", column)
    op.execute(sa.text("UPDATE reps SET status = 'paused' WHERE NOT active"))
    op.drop_column("reps", "active")


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("owner_id", sa.String(64)),
        sa.Column("stand_in_id", sa.String(64)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "account_domains",
        sa.Column("domain", sa.String(255), primary_key=True),
        sa.Column("account_id", sa.String(64), nullable=False),
    )
    op.create_index("account_domains_of", "account_domains", ["account_id"])


def _policies() -> None:
    for column in (
        sa.Column("status", sa.String(12), nullable=False, server_default="retired"),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("created_by", sa.String(64)),
        sa.Column("updated_at", UtcDateTime()),
        sa.Column("updated_by", sa.String(64)),
        sa.Column("published_at", UtcDateTime()),
        sa.Column("published_by", sa.String(64)),
    ):
        op.add_column("policies", column)
    op.execute(sa.text("UPDATE policies SET published_at = created_at"))
    op.execute(
        sa.text(
            "UPDATE policies SET status = 'published' "
            "WHERE version = (SELECT max(version) FROM policies)"
        )
    )
    op.create_index(
        "policies_one_published",
        "policies",
        ["status"],
        unique=True,
        sqlite_where=PUBLISHED,
        postgresql_where=PUBLISHED,
    )


def _leads() -> None:
    op.add_column("leads", sa.Column("account_id", sa.String(64)))
    op.add_column("leads", sa.Column("account_reason", sa.String(200)))
    op.add_column("leads", sa.Column("escalated_at", UtcDateTime()))
    for column in (
        sa.Column("grade", sa.String(8)),
        sa.Column("cause", sa.String(16), nullable=False, server_default="RULES"),
        sa.Column("given_by", sa.String(64)),
        sa.Column("warn_at", UtcDateTime()),
        sa.Column("warned_at", UtcDateTime()),
    ):
        op.add_column("assignments", column)
    op.create_index(
        "assignments_to_warn",
        "assignments",
        ["warn_at"],
        sqlite_where=UNWARNED,
        postgresql_where=UNWARNED,
    )
    op.create_index("assignments_of_lead", "assignments", ["lead_id", "attempt"])
    op.create_table(
        "notes",
        sa.Column("note_id", sa.String(64), primary_key=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("rep_id", sa.String(64)),
        sa.Column("written_by", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
    )
    op.create_index("notes_of_lead", "notes", ["lead_id", "note_id"])
