"""Routing's tables. The partial unique index on open assignments lets a lead have one owner."""

from sqlalchemy import (
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.db.tables import runtime_tables
from shared.db.types import Json, UtcDateTime

metadata = MetaData()
runtime_tables(metadata)

WAITING_SQL = "state IN ('ASSIGNED', 'ACKNOWLEDGED')"
"""Written out in queries too: with parameters neither database would use the partial index."""
UNWARNED_SQL = f"{WAITING_SQL} AND warned_at IS NULL"
OPEN_SQL = "closed_at IS NULL"
UNSENT_SQL = "state = 'waiting'"

reps = Table(
    "reps",
    metadata,
    Column("rep_id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("email", String(320)),
    Column("weight", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("status", String(12), nullable=False, server_default="available"),
    Column("time_zone", String(64), nullable=False),
    Column("team_id", String(64)),
    Column("open_limit", Integer),
    Column("window_limit", Integer),
    Column("window_hours", Integer),
    Column("skills", Json, nullable=False, server_default=text("'[]'")),
    Column("languages", Json, nullable=False, server_default=text("'[]'")),
    Column("territories", Json, nullable=False, server_default=text("'[]'")),
    Column("hours", Json),
    Column("holidays", String(16)),
    Column("leave", Json, nullable=False, server_default=text("'[]'")),
    Column("assigned", Integer, nullable=False, server_default=text("0")),
    Column("calibration", Float, nullable=False, server_default=text("0")),
    Column("last_turn", Integer, nullable=False, server_default=text("0")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("channels", Json),
)

teams = Table(
    "teams",
    metadata,
    Column("team_id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("manager_id", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("owner_id", String(64)),
    Column("stand_in_id", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

account_domains = Table(
    "account_domains",
    metadata,
    Column("domain", String(255), primary_key=True),
    Column("account_id", String(64), nullable=False),
    Index("account_domains_of", "account_id"),
)
"""Each domain belongs to one account."""

policies = Table(
    "policies",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("status", String(12), nullable=False, server_default="retired"),
    Column("document", Json, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64)),
    Column("updated_at", UtcDateTime),
    Column("updated_by", String(64)),
    Column("published_at", UtcDateTime),
    Column("published_by", String(64)),
    Index(
        "policies_one_published",
        "status",
        unique=True,
        sqlite_where=text("status = 'published'"),
        postgresql_where=text("status = 'published'"),
    ),
)
"""A draft may change; once published it holds, alone, and never changes again."""

leads = Table(
    "leads",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("cycle", Integer, nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("score", Integer, nullable=False),
    Column("grade", String(8)),
    Column("threshold", Integer, nullable=False),
    Column("facts", Json, nullable=False),
    Column("attribution", Json, nullable=False),
    Column("contributions", Json, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("qualified_at", UtcDateTime, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("round_base", Integer, nullable=False),
    Column("rounds", Integer, nullable=False, server_default=text("0")),
    Column("unrouted_at", UtcDateTime),
    Column("unrouted_reason", String(40)),
    Column("retry_at", UtcDateTime),
    Column("rest_until", UtcDateTime),
    Column("account_id", String(64)),
    Column("account_reason", String(200)),
    Column("escalated_at", UtcDateTime),
    Index(
        "leads_unrouted",
        "retry_at",
        sqlite_where=text("unrouted_at IS NOT NULL"),
        postgresql_where=text("unrouted_at IS NOT NULL"),
    ),
)

assignments = Table(
    "assignments",
    metadata,
    Column("assignment_id", String(64), primary_key=True),
    Column("lead_id", String(64), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("rep_id", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("assigned_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("reason", String(40)),
    Column("note", Text),
    Column("closed_at", UtcDateTime),
    Column("closed_because", String(40)),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("grade", String(8)),
    Column("cause", String(16), nullable=False, server_default="RULES"),
    Column("given_by", String(64)),
    Column("warn_at", UtcDateTime),
    Column("warned_at", UtcDateTime),
    UniqueConstraint("lead_id", "cycle", "attempt", name="assignments_attempt"),
    Index(
        "assignments_one_owner",
        "lead_id",
        unique=True,
        sqlite_where=text(OPEN_SQL),
        postgresql_where=text(OPEN_SQL),
    ),
    Index(
        "assignments_waiting",
        "due_at",
        sqlite_where=text(WAITING_SQL),
        postgresql_where=text(WAITING_SQL),
    ),
    Index(
        "assignments_waiting_of_rep",
        "rep_id",
        sqlite_where=text(WAITING_SQL),
        postgresql_where=text(WAITING_SQL),
    ),
    Index(
        "assignments_open_of_rep",
        "rep_id",
        "answered_at",
        sqlite_where=text(OPEN_SQL),
        postgresql_where=text(OPEN_SQL),
    ),
    Index("assignments_of_rep", "rep_id", "assignment_id"),
    Index("assignments_of_lead", "lead_id", "attempt"),
    Index(
        "assignments_to_warn",
        "warn_at",
        sqlite_where=text(UNWARNED_SQL),
        postgresql_where=text(UNWARNED_SQL),
    ),
    Index("assignments_changes", "rep_id", "updated_at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", String(64), primary_key=True),
    Column("lead_id", String(64), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("rule_id", String(64)),
    Column("rep_id", String(64)),
    Column("unrouted_reason", String(40)),
    Column("reason", Text, nullable=False),
    Column("candidates", Json, nullable=False),
    Column("left_out", Integer, nullable=False, server_default=text("0")),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("pool_id", String(64)),
    Column("inputs", Json),
    Index("decisions_of_lead", "lead_id", "decision_id"),
    Index("decisions_at", "decided_at", "decision_id"),
)

pools = Table(
    "pools",
    metadata,
    Column("pool_id", String(64), primary_key=True),
    Column("chain_id", String(64), nullable=False),
    Column("base_id", String(64)),
    Column("at", UtcDateTime, nullable=False),
    Column("document", Json, nullable=False),
    Index("pools_of_chain", "chain_id", "pool_id"),
)
"""The reps as decisions found them, one row a transaction that decided something."""

contacts = Table(
    "contacts",
    metadata,
    Column("lead_id", String(64), primary_key=True),
    Column("contact", Json, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("contacts_changes", "updated_at"),
)
"""Personal data, from the topic ``lead.contact``; shown to the owning rep and to admins only."""

notes = Table(
    "notes",
    metadata,
    Column("note_id", String(64), primary_key=True),
    Column("lead_id", String(64), nullable=False),
    Column("rep_id", String(64)),
    Column("written_by", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
    Index("notes_of_lead", "lead_id", "note_id"),
)
"""What people wrote about a lead while they worked on it: personal data, which stays here."""

notices = Table(
    "notices",
    metadata,
    Column("notice_id", String(128), primary_key=True),
    Column("rep_id", String(64), nullable=False),
    Column("medium", String(12), nullable=False),
    Column("tells", String(16), nullable=False),
    Column("destination", String(255), nullable=False),
    Column("state", String(12), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("lead_id", String(64)),
    Column("assignment_id", String(64)),
    Column("deadline", UtcDateTime),
    Column("error", String(300)),
    Column("done_at", UtcDateTime),
    Index(
        "notices_unsent",
        "next_at",
        sqlite_where=text(UNSENT_SQL),
        postgresql_where=text(UNSENT_SQL),
    ),
    Index("notices_of_rep", "rep_id", "created_at"),
    Index("notices_done", "done_at"),
)
"""Messages to reps about their leads, to be sent and sent."""
