"""Reps, policies, leads, assignments, decisions and contacts."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import create_runtime_tables
from shared.db.types import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WAITING = sa.text("state IN ('ASSIGNED', 'ACKNOWLEDGED')")
OPEN = sa.text("closed_at IS NULL")
UNROUTED = sa.text("unrouted_at IS NOT NULL")


def upgrade() -> None:
    create_runtime_tables(op)
    pool_lock = op.create_table("pool_lock", sa.Column("id", sa.Integer, primary_key=True))
    op.bulk_insert(pool_lock, [{"id": 1}])
    _people()
    _leads()
    _assignments()
    _explanations()


def _people() -> None:
    op.create_table(
        "reps",
        sa.Column("rep_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320)),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("assigned", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("calibration", sa.Float, nullable=False, server_default=sa.text("0")),
        sa.Column("last_turn", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "policies",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "contacts",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("contact", Json, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_index("contacts_changes", "contacts", ["updated_at"])


def _leads() -> None:
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("grade", sa.String(8)),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("attribution", Json, nullable=False),
        sa.Column("contributions", Json, nullable=False),
        sa.Column("captured_at", UtcDateTime, nullable=False),
        sa.Column("qualified_at", UtcDateTime, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("round_base", sa.Integer, nullable=False),
        sa.Column("unrouted_at", UtcDateTime),
        sa.Column("unrouted_reason", sa.String(40)),
        sa.Column("retry_at", UtcDateTime),
        sa.Column("rest_until", UtcDateTime),
    )
    op.create_index(
        "leads_unrouted", "leads", ["retry_at"], sqlite_where=UNROUTED, postgresql_where=UNROUTED
    )


def _assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("assignment_id", sa.String(64), primary_key=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("rep_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("policy_version", sa.Integer, nullable=False),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("assigned_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("acknowledged_at", UtcDateTime),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("reason", sa.String(40)),
        sa.Column("note", sa.Text),
        sa.Column("closed_at", UtcDateTime),
        sa.Column("closed_because", sa.String(40)),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("lead_id", "cycle", "attempt", name="assignments_attempt"),
    )
    op.create_index(
        "assignments_one_owner",
        "assignments",
        ["lead_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index(
        "assignments_waiting",
        "assignments",
        ["due_at"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_index(
        "assignments_waiting_of_rep",
        "assignments",
        ["rep_id"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_index("assignments_of_rep", "assignments", ["rep_id", "assignment_id"])
    op.create_index("assignments_changes", "assignments", ["rep_id", "updated_at"])


def _explanations() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(64), primary_key=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("policy_version", sa.Integer, nullable=False),
        sa.Column("rule_id", sa.String(64)),
        sa.Column("rep_id", sa.String(64)),
        sa.Column("unrouted_reason", sa.String(40)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("candidates", Json, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=False),
    )
    op.create_index("decisions_of_lead", "decisions", ["lead_id", "decision_id"])
