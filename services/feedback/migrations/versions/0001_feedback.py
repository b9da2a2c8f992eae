"""Stages and their history, answers, outcomes, the event log, definitions and proposals."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import create_runtime_tables
from shared.db.types import Json, Serial, UtcDateTime

revision = "0001"
down_revision = None

FIRSTS = (
    "mql",
    "assigned",
    "acknowledged",
    "accepted",
    "rejected",
    "sql",
    "opportunity",
    "won",
)


def upgrade() -> None:
    """Make every table."""
    create_runtime_tables(op)
    _leads()
    _answers()
    _log()
    _proposals()


def downgrade() -> None:
    """Nothing to go back to."""
    raise NotImplementedError


def _leads() -> None:
    op.create_table(
        "lead_stages",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("since", UtcDateTime()),
        sa.Column("place_cycle", sa.Integer, nullable=False),
        sa.Column("place_phase", sa.Integer, nullable=False),
        sa.Column("place_attempt", sa.Integer, nullable=False),
        sa.Column("place_step", sa.Integer, nullable=False),
        sa.Column("captured_at", UtcDateTime()),
        sa.Column("source", sa.String(200)),
        sa.Column("campaign", sa.String(200)),
        sa.Column("definition_version", sa.Integer),
        sa.Column("score", sa.Integer),
        sa.Column("criteria", Json, nullable=False),
        sa.Column("rep_id", sa.String(200)),
        *(sa.Column(f"first_{stage}_at", UtcDateTime()) for stage in FIRSTS),
    )
    op.create_index("lead_stages_by_stage", "lead_stages", ["stage", "since"])
    op.create_index("lead_stages_by_mql", "lead_stages", ["first_mql_at"])
    op.create_table(
        "stage_changes",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("rep_id", sa.String(200)),
    )
    op.create_index("stage_changes_by_lead", "stage_changes", ["lead_id", "at"])
    op.create_table(
        "mqls",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("cycle", sa.Integer, primary_key=True),
        sa.Column("definition_version", sa.Integer),
        sa.Column("score", sa.Integer),
        sa.Column("criteria", Json, nullable=False),
        sa.Column("source", sa.String(200)),
        sa.Column("campaign", sa.String(200)),
        sa.Column("qualified_at", UtcDateTime()),
        sa.Column("assigned_at", UtcDateTime()),
        sa.Column("accept_due_at", UtcDateTime()),
        sa.Column("answered_at", UtcDateTime()),
        sa.Column("answer", sa.String(10)),
        sa.Column("reason_class", sa.String(16)),
    )
    op.create_index("mqls_by_version", "mqls", ["definition_version", "answer"])


def _answers() -> None:
    op.create_table(
        "attempts",
        sa.Column("assignment_id", sa.String(64), primary_key=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("rep_id", sa.String(200), nullable=False),
        sa.Column("definition_version", sa.Integer),
        sa.Column("source", sa.String(200)),
        sa.Column("assigned_at", UtcDateTime()),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("acknowledged_at", UtcDateTime()),
        sa.Column("breached_at", UtcDateTime()),
        sa.Column("answered_at", UtcDateTime()),
        sa.Column("answer", sa.String(10)),
        sa.Column("reason", sa.String(32)),
        sa.Column("reason_class", sa.String(16)),
        sa.Column("recorded_at", UtcDateTime()),
    )
    op.create_index("attempts_by_lead", "attempts", ["lead_id"])
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.String(64), primary_key=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("amount", sa.Float),
        sa.Column("definition_version", sa.Integer),
        sa.Column("source", sa.String(200)),
        sa.Column("campaign", sa.String(200)),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
    )
    op.create_index("outcomes_by_lead", "outcomes", ["lead_id", "cycle", "step"], unique=True)
    op.create_table(
        "idempotency",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("answer", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )


def _log() -> None:
    op.create_table(
        "feedback_log",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
    )
    op.create_index("feedback_log_by_type", "feedback_log", ["type", "seq"])
    head = op.create_table(
        "log_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0}])


def _proposals() -> None:
    op.create_table(
        "definitions",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.Column("retired", sa.Boolean, nullable=False),
    )
    op.create_table(
        "proposals",
        sa.Column("proposal_id", sa.String(64), primary_key=True),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("base_version", sa.Integer, nullable=False),
        sa.Column("changes", Json, nullable=False),
        sa.Column("evidence", Json, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("made_from", sa.Integer, nullable=False),
        sa.Column("proposed_at", UtcDateTime(), nullable=False),
        sa.Column("evidence_at", UtcDateTime(), nullable=False),
        sa.Column("resolved_at", UtcDateTime()),
        sa.Column("resolved_by", sa.String(64)),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("published_version", sa.Integer),
    )
    op.create_index("proposals_by_base", "proposals", ["base_version", "status"])
    op.create_index(
        "one_open_proposal",
        "proposals",
        ["base_version"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
