"""Definitions, leads, counted signals and decisions."""

import sqlalchemy as sa
from alembic import op

from shared.db.migrations import create_runtime_tables
from shared.db.types import Json, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_runtime_tables(op)
    _definitions()
    _leads()
    _decisions()
    if op.get_bind().dialect.name == "sqlite":
        _immutable_on_sqlite()
    else:
        _immutable_on_postgresql()


def _definitions() -> None:
    op.create_table(
        "definitions",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("published_at", UtcDateTime),
        sa.Column("retired_at", UtcDateTime),
        sa.Column("proposal_id", sa.String(64), unique=True),
        sa.Column("request_key", sa.String(300), unique=True),
    )
    op.create_index(
        "one_published_definition",
        "definitions",
        ["status"],
        unique=True,
        postgresql_where=sa.text("status = 'published'"),
        sqlite_where=sa.text("status = 'published'"),
    )
    head = op.create_table(
        "definition_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_version", sa.Integer, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "last_version": 0}])


def _leads() -> None:
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("stage_since", UtcDateTime),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("captured_at", UtcDateTime, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("facts_at", UtcDateTime),
        sa.Column("attribution", Json, nullable=False),
        sa.Column("activities", Json, nullable=False),
        sa.Column("declined_version", sa.Integer),
        sa.Column("declined_score", sa.Integer),
    )
    op.create_table(
        "signals",
        sa.Column("lead_id", sa.String(64), primary_key=True),
        sa.Column("signal_id", sa.String(160), primary_key=True),
    )


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(40), primary_key=True),
        sa.Column("lead_id", sa.String(64), nullable=False),
        sa.Column("trigger", sa.String(120), nullable=False),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("moved", sa.Boolean, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(120), nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("grade", sa.String(8)),
        sa.Column("contributions", Json, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("attribution", Json, nullable=False),
        sa.Column("activities", Json, nullable=False),
        sa.Column("captured_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=False),
    )
    op.create_index("decisions_of_lead", "decisions", ["lead_id", "decision_id"])


def _immutable_on_sqlite() -> None:
    for name, event in (
        ("definitions_stay", "UPDATE OF version, document, created_at, proposal_id ON definitions"),
        ("definitions_remain", "DELETE ON definitions"),
        ("decisions_stay", "UPDATE ON decisions"),
    ):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} "
            f"BEGIN SELECT RAISE(ABORT, 'what was decided is not changed'); END"
        )


def _immutable_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'what was decided is not changed' "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for name, event in (
        ("definitions_stay", "UPDATE OF version, document, created_at, proposal_id ON definitions"),
        ("definitions_remain", "DELETE ON definitions"),
        ("decisions_stay", "UPDATE ON decisions"),
    ):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
