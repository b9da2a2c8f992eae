"""Feedback's tables. Columns carry the names of the domain's fields where there are such."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from services.feedback.domain.people import WORD
from services.feedback.domain.stages import MILESTONES
from shared.db.tables import runtime_tables
from shared.db.types import Json, Serial, UtcDateTime

metadata = MetaData()
runtime_tables(metadata)


lead_stages = Table(
    "lead_stages",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("stage", String(16), nullable=False),
    Column("since", UtcDateTime),
    Column("place_cycle", Integer, nullable=False),
    Column("place_phase", Integer, nullable=False),
    Column("place_attempt", Integer, nullable=False),
    Column("place_step", Integer, nullable=False),
    Column("captured_at", UtcDateTime),
    Column("source", String(200)),
    Column("campaign", String(200)),
    Column("form_id", String(200)),
    Column("definition_version", Integer),
    Column("score", Integer),
    Column("criteria", Json, nullable=False),
    Column("rep_id", String(200)),
    *(Column(f"first_{stage.lower()}_at", UtcDateTime) for stage in MILESTONES),
    Index("lead_stages_by_stage", "stage", "since", "lead_id"),
    Index("lead_stages_of_stage", "stage", "lead_id"),
    Index("lead_stages_by_since", "since", "lead_id"),
    Index("lead_stages_by_score", "score", "lead_id"),
    Index("lead_stages_by_mql", "first_mql_at"),
    Index("lead_stages_by_rep", "rep_id", "lead_id"),
    Index(
        "lead_stages_by_campaign",
        "campaign",
        "lead_id",
        sqlite_where=text("campaign IS NOT NULL"),
        postgresql_where=text("campaign IS NOT NULL"),
    ),
)
"""One row per lead: the stage it is in, and the place in its life that put it there. Ids are
UUIDv7, so their order is that of capturing."""

people = Table(
    "people",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("name", String(400)),
    Column("email", String(320)),
    Column("phone", String(64)),
    Column("company", String(400)),
    Column("words", Json, nullable=False),
)
"""Who the leads are, for whoever looks for one: personal data, from the topic ``lead.contact``."""

people_words = Table(
    "people_words",
    metadata,
    Column(
        "word",
        String(WORD).with_variant(String(WORD, collation="C"), "postgresql"),
        primary_key=True,
    ),
    Column("lead_id", String(64), primary_key=True),
    sqlite_with_rowid=False,
)
"""What each lead is found by: a search is a range of words, in the order of their bytes."""

stage_changes = Table(
    "stage_changes",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("lead_id", String(64), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("rep_id", String(200)),
    Index("stage_changes_by_lead", "lead_id"),
)
"""Every step of every lead, also those that were read too late to move it."""

mqls = Table(
    "mqls",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("cycle", Integer, primary_key=True),
    Column("definition_version", Integer),
    Column("score", Integer),
    Column("criteria", Json, nullable=False),
    Column("source", String(200)),
    Column("campaign", String(200)),
    Column("qualified_at", UtcDateTime),
    Column("assigned_at", UtcDateTime),
    Column("accept_due_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("answer", String(10)),
    Column("reason_class", String(16)),
    Index("mqls_by_version", "definition_version", "answer"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("assignment_id", String(64), primary_key=True),
    Column("lead_id", String(64), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("rep_id", String(200), nullable=False),
    Column("definition_version", Integer),
    Column("source", String(200)),
    Column("assigned_at", UtcDateTime),
    Column("due_at", UtcDateTime),
    Column("acknowledged_at", UtcDateTime),
    Column("breached_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("answer", String(10)),
    Column("reason", String(32)),
    Column("reason_class", String(16)),
    Column("recorded_at", UtcDateTime),
    Index("attempts_by_lead", "lead_id"),
)
"""Every rep's turn with a lead, and the answers."""

outcomes = Table(
    "outcomes",
    metadata,
    Column("outcome_id", String(64), primary_key=True),
    Column("lead_id", String(64), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("reason", String(32)),
    Column("amount", Float),
    Column("definition_version", Integer),
    Column("source", String(200)),
    Column("campaign", String(200)),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Index("outcomes_by_lead", "lead_id", "cycle", "step", unique=True),
)

waiting_outcomes = Table(
    "waiting_outcomes",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("outcome_id", String(64), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("reason", String(32)),
    Column("amount", Float),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("rep_id", String(200)),
    Column("recorded_at", UtcDateTime, nullable=False),
    Index("waiting_outcomes_by_age", "recorded_at"),
)
"""Outcomes that came before the acceptance they follow, for thirty days."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("caller", String(64), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("answer", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("idempotency_by_age", "created_at"),
)
"""What was answered to a request that may come again, for thirty days."""

feedback_log = Table(
    "feedback_log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(120), nullable=False),
    Column("event", Text, nullable=False),
    Index("feedback_log_by_type", "type", "seq"),
)
"""The events of ``lead.feedback`` in the order of their commits, for readers with a cursor."""

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)
"""One row: the newest number of the log. Whoever writes to the log holds it until the commit, so
numbers become visible in their order and a cursor never passes one that is still to come."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", String(64), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("url", Text, nullable=False),
    Column("wanted", Json, nullable=False),
    Column("secret", String(120), nullable=False),
    Column("old_secret", String(120)),
    Column("old_secret_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("edition", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("ended_because", String(200)),
    Column("ended_at", UtcDateTime),
    Column("place", BigInteger, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Column("error", String(200)),
    Column("lease", String(64)),
    Column("lease_until", UtcDateTime),
)
"""Where events are sent, how far each address has come, and who sends to it right now."""

definitions = Table(
    "definitions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Json, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    Column("retired", Boolean, nullable=False),
)
"""Definitions that were published; the newest that is not retired is the one in force."""

proposals = Table(
    "proposals",
    metadata,
    Column("proposal_id", String(64), primary_key=True),
    Column("status", String(12), nullable=False),
    Column("base_version", Integer, nullable=False),
    Column("definition", Json),
    Column("changes", Json, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("proposed_at", UtcDateTime, nullable=False),
    Column("evidence_at", UtcDateTime, nullable=False),
    Column("edited_at", UtcDateTime),
    Column("edited_by", String(64)),
    Column("publish_as", String(12)),
    Column("refusal", Text),
    Column("resolved_at", UtcDateTime),
    Column("resolved_by", String(64)),
    Column("note", Text, nullable=False),
    Column("published_version", Integer),
    Column("published_at", UtcDateTime),
    Index(
        "one_open_proposal",
        "status",
        unique=True,
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
)

samples = Table(
    "samples",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("score", Integer, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("facts", Json, nullable=False),
    Column("attribution", Json, nullable=False),
    Column("activities", Json, nullable=False),
    Column("explored", Boolean, nullable=False),
    Column("exploration_rate", Float, nullable=False),
)
"""What each decision about a lead looked at: one row for each time it became an MQL, and one of
cycle 0 for a lead that never did."""

learning_settings = Table(
    "learning_settings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("label", String(12), nullable=False),
    Column("target", Json),
    Column("never", Json, nullable=False),
    Column("fixed", Json, nullable=False),
    Column("trusted", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("signs", Json, nullable=False),
    Column("updated_at", UtcDateTime),
    Column("updated_by", String(64)),
)
"""One row, once somebody has chosen something: what marketing wants of learning."""

looks = Table(
    "looks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("state", Json, nullable=False),
    Column("last", Json),
    Column("looked_at", UtcDateTime),
    Column("asked_at", UtcDateTime),
    Column("lease", String(64)),
    Column("lease_until", UtcDateTime),
    Column("failures", Integer, nullable=False),
    Column("failure", Text),
    Column("retry_at", UtcDateTime),
)
"""One row: the account of the looks at the answers, and who looks right now."""
