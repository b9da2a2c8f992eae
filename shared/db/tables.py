"""The tables every service has beside its own: outbox, inbox, positions and dead letters."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.db.types import Serial, UtcDateTime

runtime_metadata = MetaData()


def runtime_tables(metadata: MetaData) -> None:
    """Add the runtime's tables to a service's metadata."""
    for table in runtime_metadata.sorted_tables:
        table.to_metadata(metadata)


outbox = Table(
    "outbox",
    runtime_metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("topic", String(120), nullable=False),
    Column("key", String(120), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("event_type", String(120), nullable=False),
    Column("event_time", String(40), nullable=False),
    Column("traceparent", String(60), nullable=False),
    Column("value", Text),
    Column("compacted", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("outbox_of_topic", "topic", "seq"),
    Index(
        "outbox_of_key",
        "topic",
        "key",
        sqlite_where=text("compacted"),
        postgresql_where=text("compacted"),
    ),
)
"""Events that were decided. Embedded, this is the log: readers follow it by ``seq`` and rows go by
their topic's retention. Otherwise it is a queue, and a row leaves when the broker has it."""

relay_lease = Table(
    "relay_lease",
    runtime_metadata,
    Column("name", String(40), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
"""Who may publish this service's outbox now, so that no key is ever in two relays' hands."""

inbox = Table(
    "inbox",
    runtime_metadata,
    Column("consumer", String(80), primary_key=True),
    Column("event_id", String(64), primary_key=True),
    sqlite_with_rowid=False,
)
"""Events whose effect is in this database. Ids are UUIDv7, so old ones are a range to prune."""

consumer_offsets = Table(
    "consumer_offsets",
    runtime_metadata,
    Column("consumer", String(80), primary_key=True),
    Column("topic", String(120), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
"""The next offset to read of each partition; -1 is the beginning of the log."""

dead_letters = Table(
    "dead_letters",
    runtime_metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("consumer", String(80), nullable=False),
    Column("state", String(10), nullable=False),
    Column("key", String(120), nullable=False),
    Column("topic", String(120), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("event_id", String(64)),
    Column("event_type", String(120)),
    Column("headers", Text, nullable=False),
    Column("value", LargeBinary),
    Column("reason", Text, nullable=False),
    Column("failed_at", UtcDateTime, nullable=False),
    UniqueConstraint("consumer", "topic", "partition", "offset", "event_id"),
    Index("dead_letters_by_key", "consumer", "key"),
)
"""What a consumer could not process or the broker would not take (``dead``), and the later events
of the same key that wait behind it (``parked``). A row leaves when its replay succeeds. A place is
given out again when a log begins anew, so it takes the event's id to know one."""
