"""Statements for hot paths: text that never changes, compiled once per dialect.

Building and caching SQLAlchemy expressions for each call costs more than SQLite and PostgreSQL take
to answer. A ``Statement`` goes to the driver as text; how many rows or keys it is about is never
part of the text, for they go as one JSON parameter (or, SQLite, through ``executemany``).
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Executable, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import JSON, BigInteger, Boolean, Float, Integer, LargeBinary, TypeEngine

from shared.db.types import UtcDateTime, stored_time

_named: Any = namedtuple  # the names are known when the first row comes

Build = str | Callable[[str], str | Executable]
"""SQL with ``:name`` parameters, or what gives it (or an expression) for a dialect's name."""

_POSTGRESQL: Final = (
    (UtcDateTime, "timestamptz"),
    (JSON, "jsonb"),
    (LargeBinary, "bytea"),
    (Boolean, "boolean"),
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Float, "double precision"),
)


class Found:
    """What a statement gave: its rows, and how many it changed or found."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        """Every row, a tuple whose members have the columns' names."""
        return self._rows

    def one(self) -> Any:
        """The only row. Raises ValueError if there is none, or another one."""
        (row,) = self._rows
        return row

    def scalar(self) -> Any:
        """The first column of the first row; None without one."""
        return self._rows[0][0] if self._rows else None

    def scalars(self) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self._rows]

    def scalar_one(self) -> Any:
        """The first column of the only row. Raises ValueError if there is none, or another one."""
        return self.one()[0]


class Statement:
    """One statement. Parameters are given by name: lists and dicts go as JSON, times as the
    dialect stores them; everything else goes to the driver as it is, and comes from it as it is.

    It runs on the driver's own cursor, in the transaction of the connection: what SQLAlchemy adds
    to a statement takes longer than the statement.
    """

    __slots__ = ("_build", "_compiled", "_row")

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}
        self._row: Any = None

    def run(self, conn: Connection, **params: Any) -> Found:
        """Run it once. Raises the driver's errors as SQLAlchemy's."""
        sql, order, constants = self._for(conn)
        given = {**constants, **params} if constants else params
        sqlite = order is not None
        for name, value in given.items():
            if isinstance(value, datetime):
                given[name] = stored_time(value) if sqlite else value
            elif isinstance(value, list | dict | tuple):
                given[name] = as_json(value)
        values = given if order is None else tuple([given[name] for name in order])
        cursor = _execute(conn, sql, values, many=False)
        described = cursor.description
        rows = cursor.fetchall() if described else []
        if rows:
            if self._row is None:
                names = [str(column[0]) for column in described]
                self._row = _named("Row", names, rename=True)._make
            rows = list(map(self._row, rows))
        return Found(rows, cursor.rowcount)

    def run_rows(self, conn: Connection, rows: Sequence[tuple[Any, ...]]) -> Found:
        """Run it for each row (SQLite); a row holds stored values in the order of the text."""
        sql, _, _ = self._for(conn)
        many = len(rows) > 1
        return Found([], _execute(conn, sql, rows if many else rows[0], many=many).rowcount)

    def _for(self, conn: Connection) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        dialect = conn.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            built = self._build if isinstance(self._build, str) else self._build(dialect.name)
            statement: Any = text(built) if isinstance(built, str) else built
            compiled = statement.compile(dialect=dialect)
            order = tuple(compiled.positiontup) if compiled.positional else None
            constants = {k: v for k, v in compiled.params.items() if v is not None}
            found = self._compiled[dialect.name] = (str(compiled), order, constants)
        return found


def _execute(conn: Connection, sql: str, values: Any, *, many: bool) -> Any:
    """The driver's cursor. Whoever listens for statements hears of this one too."""
    driver: Any = conn.connection.driver_connection
    told = conn.dispatch
    for listener in told.before_cursor_execute:
        listener(conn, None, sql, values, None, many)
    base = conn.dialect.loaded_dbapi.Error
    try:
        cursor = driver.executemany(sql, values) if many else driver.execute(sql, values)
    except base as error:
        dialect = conn.dialect
        raise DBAPIError.instance(
            sql, values, error, base, hide_parameters=True, dialect=dialect
        ) from error
    for listener in told.after_cursor_execute:
        listener(conn, cursor, sql, values, None, many)
    return cursor


def one_of(column: str, name: str, dialect: str) -> str:
    """SQL for: the column is one of the texts in the JSON list ``name``."""
    if dialect == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(:{name}))"  # noqa: S608
    return f"{column} = ANY (ARRAY(SELECT jsonb_array_elements_text(CAST(:{name} AS jsonb))))"


def recordset(columns: Sequence[tuple[str, TypeEngine[Any]]], name: str = "rows") -> str:
    """PostgreSQL's SQL for the rows in the JSON list ``name``, as the table ``r``."""
    typed = ", ".join(f'"{column}" {type_name(kind)}' for column, kind in columns)
    return f"jsonb_to_recordset(CAST(:{name} AS jsonb)) AS r({typed})"


def type_name(kind: TypeEngine[Any]) -> str:
    """A column type as PostgreSQL calls it."""
    return next((found for base, found in _POSTGRESQL if isinstance(kind, base)), "text")


def as_json(value: Any) -> str:
    """JSON text; dataclasses, enums and times as they are, bytes as PostgreSQL writes them."""
    return orjson.dumps(value, default=_bytes).decode()


def _bytes(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(type(value).__name__)
