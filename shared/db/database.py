"""One service's database: a SQLite file or a PostgreSQL schema, behind the same few calls.

Everything that talks to it is synchronous and runs whole on a worker thread: a transaction changes
threads once, however many statements it has. ``async`` code hands such work in with ``write`` and
``read``.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

R = TypeVar("R")


class Database:
    """Transactions on one service's database.

    SQLite has one writer connection and one writer thread, so writes queue in this process and only
    it checkpoints; readers have connections of their own and never wait. ``synchronous=FULL`` and
    WAL (SQLite) and ``synchronous_commit=on`` (PostgreSQL) make a commit survive a power cut; both
    are asserted on connecting.
    """

    def __init__(
        self, service: str, url: str, writer: Engine, reader: Engine, writers: int
    ) -> None:
        self.service = service
        self.url = url
        """What ``open`` was given, for a process of its own; it may hold a password."""
        self.dialect: str = writer.dialect.name
        self._writer = writer
        self._reader = reader
        # Threads are started when there is work for them.
        self._writing = ThreadPoolExecutor(writers, f"{service}-write")
        self._reading = ThreadPoolExecutor(4, f"{service}-read")

    @classmethod
    def open(
        cls, url: str, service: str, *, writers: int = 4, checkpoints: bool = True
    ) -> "Database":
        """Connect lazily to ``sqlite:FOLDER`` or ``postgresql://…``.

        ``writers`` is the most transactions at once on PostgreSQL; SQLite has one.
        ``checkpoints=False`` is for a second process that looks into a running product's SQLite
        file: two checkpointing connections can corrupt a WAL (SQLite before 3.51.3). Raises
        ValueError for another scheme.
        """
        scheme, _, rest = url.partition(":")
        if scheme == "sqlite":
            folder = Path(rest)
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{service}.db"
            return cls(
                service,
                url,
                _sqlite(file, write=True, checkpoints=checkpoints),
                _sqlite(file, write=False, checkpoints=False),
                writers=1,
            )
        if scheme in ("postgresql", "postgres"):
            engine = _postgresql(make_url(url), service, writers + 4)
            return cls(service, url, engine, engine, writers)
        raise ValueError(f"{scheme!r} is no known database; use sqlite: or postgresql:")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction; commits when the block ends without an error."""
        with self._writer.begin() as conn:
            yield conn

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """For reading; never waits for a writer. On SQLite the block sees one state; on PostgreSQL
        (READ COMMITTED) each statement sees what is committed when it begins."""
        with self._reader.connect() as conn:
            conn.begin()  # a Statement goes past SQLAlchemy, which would begin by itself
            yield conn

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Run ``work`` as one transaction, whole on a worker thread. Once handed in it is carried
        out, whether the caller still waits or not."""

        def transaction() -> R:
            with self.begin() as conn:
                return work(conn)

        return await self.on_writer(transaction)

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run ``work`` on a reading connection, whole on a worker thread."""

        def reading() -> R:
            with self.connect() as conn:
                return work(conn)

        return await asyncio.wrap_future(_hand_in(self._reading, reading))

    async def on_writer(self, work: Callable[[], R]) -> R:
        """Run ``work``, which begins its transactions itself, on a thread for writing."""
        # Shielded: what still waits for its thread would else go with a caller that goes.
        return await asyncio.shield(asyncio.wrap_future(_hand_in(self._writing, work)))

    async def checkpoint(self) -> None:
        """Move SQLite's write-ahead log into the file and empty it: what was deleted is gone then.
        Does nothing while somebody reads, and on PostgreSQL."""
        if self.dialect == "sqlite":
            await self.on_writer(self._checkpoint)

    def _checkpoint(self) -> None:
        connection: Any = self._writer.raw_connection()
        try:
            connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    async def ping(self) -> None:
        """Raises whatever keeps the database from answering."""
        await self.read(lambda conn: conn.execute(text("SELECT 1")))

    def close(self) -> None:
        """Finish what was handed in and close every connection."""
        self._writing.shutdown()
        self._reading.shutdown()
        self._reader.dispose()
        self._writer.dispose()


def _hand_in(threads: ThreadPoolExecutor, work: Callable[[], R]) -> "Future[R]":
    context = copy_context()  # the trace goes with it
    return threads.submit(context.run, work)


def database_now(conn: Connection) -> datetime:
    """The database's clock, which all processes share."""
    if conn.dialect.name == "sqlite":
        return datetime.now(UTC)  # SQLite has no clock of its own: it asks this process's
    now: datetime = conn.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return now.astimezone(UTC)


def insert(conn: Connection | str, table: Table) -> Any:
    """The dialect's own INSERT, which knows ON CONFLICT and RETURNING."""
    name = conn if isinstance(conn, str) else conn.dialect.name
    return sqlite.insert(table) if name == "sqlite" else postgresql.insert(table)


def _sqlite(file: Path, *, write: bool, checkpoints: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        pool_size=1 if write else 4,
        max_overflow=0 if write else 8,
        hide_parameters=True,  # statements in errors must not quote leads
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # else the driver delays BEGIN, and loses the write lock
        cursor = connection.cursor()
        for setting, expected in (
            ("busy_timeout=10000", 10000),
            ("journal_mode=WAL", "wal"),
            ("synchronous=FULL", None),
            ("foreign_keys=ON", None),
            ("cache_size=-4000", None),
            *((("secure_delete=ON", 1),) if write else (("query_only=ON", None),)),
            *(() if checkpoints else (("wal_autocheckpoint=0", 0),)),
        ):
            cursor.execute(f"PRAGMA {setting}")
            row = cursor.fetchone()
            if expected is not None and (row is None or row[0] != expected):
                raise RuntimeError(f"SQLite refused PRAGMA {setting}: {row}")
        cursor.execute("PRAGMA synchronous")
        if cursor.fetchone()[0] != 2:
            raise RuntimeError("SQLite is not in synchronous=FULL: commits would not be durable")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql(target: URL, service: str, connections: int) -> Engine:
    settings = {
        "search_path": service,
        "timezone": "UTC",
        "synchronous_commit": "on",
        "statement_timeout": "60000",
    }
    return create_engine(
        target.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=4,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,  # statements in errors must not quote leads
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "connect_timeout": 5,
            "application_name": f"leadloop-{service}",
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        },
    )


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
