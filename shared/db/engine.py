"""One service's database: a SQLite file or a PostgreSQL schema, behind the same few calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import JSON, DateTime, Dialect, Select, Table, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

Json = JSON().with_variant(postgresql.JSONB(), "postgresql")
"""JSONB on PostgreSQL, JSON text on SQLite."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC with microseconds; SQLite sorts its text form rightly."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: the database is away, busy, or chose us as the
    victim of a deadlock."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError | TimeoutError):
        return True
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or state.startswith(("40", "08", "53", "57"))
    return False


def is_unstorable(error: BaseException) -> bool:
    """Whether the database refused a value: a NUL in a text, a number out of its column's range."""
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return str(state or "").startswith("22")  # SQL's class "data exception"


class Database:
    """Transactions on one service's database.

    SQLite has one writer connection, so writes queue in this process and only it checkpoints;
    readers have connections of their own and never wait. ``synchronous=FULL`` and WAL (SQLite) and
    ``synchronous_commit=on`` (PostgreSQL) make a commit survive a power cut; both are asserted on
    connecting.
    """

    def __init__(self, service: str, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self.service = service
        self.dialect: str = writer.dialect.name
        self._writer = writer
        self._reader = reader
        self._turn: asyncio.Lock | None = asyncio.Lock() if self.dialect == "sqlite" else None

    @classmethod
    def open(
        cls, url: str, service: str, *, pool_size: int = 10, checkpoints: bool = True
    ) -> "Database":
        """Connect lazily to ``sqlite:FOLDER`` or ``postgresql://…``.

        ``checkpoints=False`` is for a second process that looks into a running product's SQLite
        file: two checkpointing connections can corrupt a WAL (SQLite before 3.51.3). Raises
        ValueError for another scheme.
        """
        scheme, _, rest = url.partition(":")
        if scheme == "sqlite":
            folder = Path(rest)
            folder.mkdir(parents=True, exist_ok=True)
            target = URL.create("sqlite+aiosqlite", database=str(folder / f"{service}.db"))
            return cls(
                service,
                _sqlite(target, write=True, checkpoints=checkpoints),
                _sqlite(target, write=False, checkpoints=False),
            )
        if scheme in ("postgresql", "postgres"):
            engine = _postgresql(make_url(url), service, pool_size)
            return cls(service, engine, engine)
        raise ValueError(f"{scheme!r} is no known database; use sqlite: or postgresql:")

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction; commits when the block ends without an error."""
        if self._turn is None:
            async with self._writer.begin() as conn:
                yield conn
            return
        async with self._turn, self._writer.begin() as conn:
            yield conn

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """For reading; never waits for a writer. On SQLite the block sees one state; on PostgreSQL
        (READ COMMITTED) each statement sees what is committed when it begins."""
        async with self._reader.connect() as conn:
            yield conn

    async def ping(self) -> None:
        """Raises whatever keeps the database from answering."""
        async with self.read() as conn:
            await conn.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()


async def database_now(conn: AsyncConnection) -> datetime:
    """The database's clock, which all processes share."""
    if conn.dialect.name == "sqlite":
        return datetime.now(UTC)  # SQLite has no clock of its own: it asks this process's
    now = (await conn.execute(select(func.clock_timestamp()))).scalar_one()
    return now.astimezone(UTC)


def insert(conn: AsyncConnection | str, table: Table) -> Any:
    """The dialect's own INSERT, which knows ON CONFLICT and RETURNING."""
    name = conn if isinstance(conn, str) else conn.dialect.name
    return sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)


def for_update_skip_locked(query: Select[Any]) -> Select[Any]:
    """Claim rows and pass over those somebody else has claimed. SQLite, with its one writer, has
    no such clause and needs none."""
    return query.with_for_update(skip_locked=True)


def _sqlite(target: URL, *, write: bool, checkpoints: bool) -> AsyncEngine:
    engine = create_async_engine(
        target,
        pool_size=1 if write else 4,
        max_overflow=0 if write else 8,
        hide_parameters=True,  # statements in errors must not quote leads
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # else the driver delays BEGIN, and loses the write lock
        cursor = connection.cursor()
        for setting, expected in (
            ("busy_timeout=10000", 10000),
            ("journal_mode=WAL", "wal"),
            ("synchronous=FULL", None),
            ("foreign_keys=ON", None),
            ("cache_size=-16000", None),
            *(() if checkpoints else (("wal_autocheckpoint=0", 0),)),
            *(() if write else (("query_only=ON", None),)),
        ):
            cursor.execute(f"PRAGMA {setting}")
            row = cursor.fetchone()
            if expected is not None and (row is None or row[0] != expected):
                raise RuntimeError(f"SQLite refused PRAGMA {setting}: {row}")
        cursor.execute("PRAGMA synchronous")
        if cursor.fetchone()[0] != 2:
            raise RuntimeError("SQLite is not in synchronous=FULL: commits would not be durable")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql(target: URL, service: str, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        target.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=5,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,  # statements in errors must not quote leads
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": 5,
            "command_timeout": 60,
            "server_settings": {
                "search_path": service,
                "timezone": "UTC",
                "synchronous_commit": "on",
                "application_name": f"leadloop-{service}",
            },
        },
    )


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
