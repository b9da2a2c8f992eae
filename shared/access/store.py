"""The access store: hashed keys and the secret that signs sessions.

It is a small database of its own (the file ``access.db`` of the data folder, or the PostgreSQL
schema ``access``) because every service reads it and none owns it.
"""

import secrets as random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Column, MetaData, String, Table, or_, select, update

from shared.access.keys import hash_key
from shared.access.roles import Principal, Role
from shared.db.database import Database, insert
from shared.db.revisions import pending
from shared.db.types import UtcDateTime

MIGRATIONS = Path(__file__).parent / "migrations"
SESSION_SECRET = "session"  # noqa: S105 - the name of the secret, not its value

metadata = MetaData()

keys = Table(
    "keys",
    metadata,
    Column("key_id", String(40), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("rep_id", String(200)),
    Column("label", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known about a key. The key itself is not: only its hash is kept."""

    key_id: str
    role: Role
    rep_id: str | None
    label: str
    created_at: datetime
    revoked_at: datetime | None

    @property
    def active(self) -> bool:
        """Whether the key still opens anything."""
        return self.revoked_at is None


class AccessStore:
    """Reads and writes of the access store. Raises SQLAlchemy's errors when it can't be reached."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def prepare(self) -> None:
        """Bring the tables up to date."""
        if pending(self.db, MIGRATIONS):
            from shared.db.migrations import migrate  # Alembic is slow to import

            migrate(self.db, MIGRATIONS)

    def add_key(
        self,
        key_id: str,
        key: str,
        principal_role: Role,
        rep_id: str | None,
        label: str,
        at: datetime,
    ) -> bool:
        """Store a key's hash. False if the very same key is there already, even if revoked."""
        with self.db.begin() as conn:
            statement = (
                insert(conn, keys)
                .values(
                    key_id=key_id,
                    key_hash=hash_key(key),
                    role=principal_role.value,
                    rep_id=rep_id,
                    label=label,
                    created_at=at,
                )
                .on_conflict_do_nothing(index_elements=["key_hash"])
                .returning(keys.c.key_id)
            )
            return conn.execute(statement).first() is not None

    def revoke(self, key_id_or_key: str, at: datetime) -> bool:
        """Mark a key as revoked. False if no active key matches."""
        match = or_(keys.c.key_id == key_id_or_key, keys.c.key_hash == hash_key(key_id_or_key))
        with self.db.begin() as conn:
            statement = (
                update(keys)
                .where(match, keys.c.revoked_at.is_(None))
                .values(revoked_at=at)
                .returning(keys.c.key_id)
            )
            return conn.execute(statement).first() is not None

    def list_keys(self) -> list[KeyRow]:
        """Every key ever made, oldest first."""
        columns = [c for c in keys.c if c.name != "key_hash"]
        with self.db.connect() as conn:
            rows = conn.execute(select(*columns).order_by(keys.c.created_at, keys.c.key_id))
            return [
                KeyRow(r.key_id, Role(r.role), r.rep_id, r.label, r.created_at, r.revoked_at)
                for r in rows
            ]

    def active(self) -> dict[str, Principal]:
        """The caller behind each active key, by the key's hash."""
        statement = select(keys.c.key_hash, keys.c.key_id, keys.c.role, keys.c.rep_id).where(
            keys.c.revoked_at.is_(None)
        )
        with self.db.connect() as conn:
            rows = conn.execute(statement)
            return {r.key_hash: Principal(r.key_id, Role(r.role), r.rep_id) for r in rows}

    def find(self, key_hash: str, key_id: str) -> tuple[str, Principal] | None:
        """An active key by its hash or its id: the hash, and the caller behind it."""
        statement = select(keys).where(
            or_(keys.c.key_hash == key_hash, keys.c.key_id == key_id), keys.c.revoked_at.is_(None)
        )
        with self.db.connect() as conn:
            row = conn.execute(statement).first()
        return row and (row.key_hash, Principal(row.key_id, Role(row.role), row.rep_id))

    def session_secret(self, at: datetime) -> str:
        """The secret that signs sessions, made on the first call; the same for every process."""
        value = secrets.select().where(secrets.c.name == SESSION_SECRET)
        with self.db.connect() as conn:
            row = conn.execute(value).first()
        if row is None:
            fresh = {
                "name": SESSION_SECRET,
                "value": random.token_urlsafe(48),
                "created_at": at,
            }
            with self.db.begin() as conn:
                conn.execute(
                    insert(conn, secrets)
                    .values(**fresh)
                    .on_conflict_do_nothing(index_elements=["name"])
                )
                row = conn.execute(value).one()
        return str(row.value)
