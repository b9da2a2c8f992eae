"""The tables every service has beside its own: outbox, inbox, positions and dead letters."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from shared.db.engine import UtcDateTime

Serial = BigInteger().with_variant(Integer, "sqlite")

runtime_metadata = MetaData()


def runtime_tables(metadata: MetaData) -> None:
    """Add the runtime's tables to a service's metadata."""
    for table in runtime_metadata.sorted_tables:
        table.to_metadata(metadata)


outbox = Table(
    "outbox",
    runtime_metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("event_id", String(64), nullable=False),
    Column("topic", String(120), nullable=False),
    Column("key", String(120), nullable=False),
    Column("headers", Text, nullable=False),
    Column("value", LargeBinary),
    Column("created_at", UtcDateTime, nullable=False),
)
"""Events that were decided and are not on the bus yet; a row leaves when the broker has it."""

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
    UniqueConstraint("consumer", "topic", "partition", "offset"),
    Index("dead_letters_by_key", "consumer", "key"),
)
"""What a consumer could not process (``dead``), and the later events of the same key that wait
behind it (``parked``). A row leaves when its replay succeeds."""
