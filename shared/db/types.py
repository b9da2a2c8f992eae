"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

Json = JSON().with_variant(postgresql.JSONB(), "postgresql")
"""JSONB on PostgreSQL, JSON text on SQLite."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives."""


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


@lru_cache(maxsize=64)
def stored_time(moment: datetime | None) -> str | None:
    """A time as ``UtcDateTime`` stores it in SQLite. Raises ValueError for a naive one. Most rows
    of a transaction have its time, so it is worth remembering."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("naive datetime")
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:26]


def read_time(stored: str) -> datetime:
    """The time behind what ``stored_time`` gave."""
    return datetime.fromisoformat(stored + "+00:00")
