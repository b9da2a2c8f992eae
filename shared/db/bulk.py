"""Many rows into one table, as fast as the driver goes.

SQLAlchemy prepares each value of each row in Python, which costs more than the database does. Here
the values go to the driver as they are: text for JSON columns, ``stamp`` for times. Everything but
the busiest tables is better served by an ordinary insert.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Boolean, Integer, LargeBinary, Table, exc
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import JSON, BigInteger

from shared.db.engine import UtcDateTime

_POSTGRESQL: Final = (
    (UtcDateTime, "timestamptz"),
    (JSON, "text"),
    (LargeBinary, "bytea"),
    (Boolean, "boolean"),
    (BigInteger, "bigint"),
    (Integer, "integer"),
)


class BulkInsert:
    """``INSERT`` of whole rows (tuples in the order of ``columns``) in one round trip."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" for _ in columns)
        types = [_type_of(table, name) for name in columns]
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
        # Rows get their serial numbers in the order they were given in.
        values = ", ".join(
            f"c{n}::jsonb" if isinstance(table.c[name].type, JSON) else f"c{n}"
            for n, name in enumerate(columns, 1)
        )
        aliases = ", ".join(f"c{n}" for n in range(1, len(columns) + 1))
        self._sqlite = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608
        self._postgresql = (
            f"INSERT INTO {table.name} ({names}) SELECT {values} FROM unnest({arrays}) "  # noqa: S608
            f"WITH ORDINALITY AS u({aliases}, n) ORDER BY n"
        )

    async def run(self, conn: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in their order. Raises the driver's errors as SQLAlchemy's."""
        if not rows:
            return
        if conn.dialect.name == "sqlite":
            # Each call to the driver changes threads twice: this is one call in place of three.
            driver = (await conn.get_raw_connection()).driver_connection
            assert driver is not None
            try:
                await driver.executemany(self._sqlite, rows)
            except sqlite3.Error as error:
                raise _as_sqlalchemys(self._sqlite, error) from error
        else:
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            await conn.exec_driver_sql(self._postgresql, columns)


async def present(
    conn: AsyncConnection, table: Table, column: str, values: Sequence[str]
) -> Sequence[str]:
    """Those of ``values`` that may be in a column: all of them on PostgreSQL, where asking costs
    as much as reading; on SQLite those that are, so that the read after it can often be saved."""
    if conn.dialect.name != "sqlite" or not values:
        return values
    driver = (await conn.get_raw_connection()).driver_connection
    assert driver is not None
    query = (
        f'SELECT "{column}" FROM {table.name} '  # noqa: S608
        f'WHERE "{column}" IN (SELECT value FROM json_each(?))'
    )
    try:
        rows = await driver.execute_fetchall(query, (orjson.dumps(list(values)).decode(),))
    except sqlite3.Error as error:
        raise _as_sqlalchemys(query, error) from error
    return [row[0] for row in rows]


def _as_sqlalchemys(statement: str, error: sqlite3.Error) -> DBAPIError:
    """The driver's error under SQLAlchemy's name for it: both follow the DB-API. Without values."""
    kind: type[DBAPIError] = getattr(exc, type(error).__name__, DBAPIError)
    return kind(statement, None, error, hide_parameters=True)


def stamp(conn: AsyncConnection, moment: datetime) -> Any:
    """An aware time as the driver takes it for a ``UtcDateTime`` column."""
    if conn.dialect.name != "sqlite":
        return moment
    return UtcDateTime().bind_processor(conn.dialect)(moment)  # type: ignore[misc]


def _type_of(table: Table, name: str) -> str:
    kind = table.c[name].type
    return next((found for base, found in _POSTGRESQL if isinstance(kind, base)), "text")
