"""Statements for hot paths: text that never changes, compiled once per dialect.

Building and caching SQLAlchemy expressions for each call costs more than SQLite and PostgreSQL take
to answer. A ``Statement`` goes to the driver as text; how many rows or keys it is about is never
part of the text, for they go as one JSON parameter (or, SQLite, through ``executemany``).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, CursorResult, Executable, text
from sqlalchemy.types import JSON, BigInteger, Boolean, Float, Integer, LargeBinary, TypeEngine

from shared.db.types import UtcDateTime, stored_time

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


class Statement:
    """One statement. Parameters are given by name: lists and dicts go as JSON, times as the
    dialect stores them; everything else goes to the driver as it is, and comes from it as it is."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def run(self, conn: Connection, **params: Any) -> CursorResult[Any]:
        """Run it once. Raises the driver's errors as SQLAlchemy's."""
        sql, order, constants = self._for(conn)
        given = {**constants, **params} if constants else params
        sqlite = order is not None
        for name, value in given.items():
            if isinstance(value, datetime):
                given[name] = stored_time(value) if sqlite else value
            elif isinstance(value, list | dict | tuple):
                given[name] = as_json(value)
        if order is None:
            return conn.exec_driver_sql(sql, given) if given else conn.exec_driver_sql(sql)
        return conn.exec_driver_sql(sql, tuple(given[name] for name in order))

    def run_rows(self, conn: Connection, rows: Sequence[tuple[Any, ...]]) -> CursorResult[Any]:
        """Run it for each row (SQLite); a row holds stored values in the order of the text."""
        sql, _, _ = self._for(conn)
        return conn.exec_driver_sql(sql, rows if len(rows) > 1 else rows[0])

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
