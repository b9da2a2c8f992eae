"""Databases: settings that durability needs, isolation, types, and which errors may pass."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.db.engine import Database, UtcDateTime, for_update_skip_locked, insert, is_transient
from tests.shared.toy.service import NOW, Toy, effects
from tests.shared.toy.waiting import until

ROW: dict[str, Any] = {"lead_id": "l", "event_id": "e", "number": 1}
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def _pragma(conn: Any, name: str) -> Any:
    return (await conn.execute(text(f"PRAGMA {name}"))).scalar_one()


@ON_SQLITE
async def test_sqlite_is_durable_and_its_readers_cannot_write(toy: Toy) -> None:
    async with toy.db.write() as conn:
        assert await _pragma(conn, "journal_mode") == "wal"
        assert await _pragma(conn, "synchronous") == 2  # FULL
        assert await _pragma(conn, "foreign_keys") == 1
        assert await _pragma(conn, "wal_autocheckpoint") > 0
    async with toy.db.read() as conn:
        assert await _pragma(conn, "query_only") == 1
        assert await _pragma(conn, "wal_autocheckpoint") == 0  # one connection checkpoints
        with pytest.raises(DBAPIError, match="readonly"):
            await conn.execute(effects.insert(), [ROW])


@ON_SQLITE
async def test_a_second_process_may_look_without_checkpointing(toy: Toy, database_url: str) -> None:
    onlooker = Database.open(database_url, "qualify", checkpoints=False)
    async with onlooker.write() as conn:
        assert await _pragma(conn, "wal_autocheckpoint") == 0
    await onlooker.close()


@ON_SQLITE
async def test_a_database_that_refuses_durability_is_refused(database_url: str) -> None:
    """An application could build SQLite so that it ignores the setting: plant that."""
    db = Database.open(database_url, "careless")

    class Deaf:
        """Hears no ``synchronous=FULL``."""

        def __init__(self, real: Any) -> None:
            self.__dict__["real"] = real

        def cursor(self) -> Any:
            return Deaf(self.real.cursor())

        def execute(self, sql: str) -> Any:
            return self.real.execute(sql.replace("synchronous=FULL", "synchronous=OFF"))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def __setattr__(self, name: str, value: Any) -> None:
            setattr(self.real, name, value)

    @event.listens_for(db._reader.sync_engine, "do_connect")
    def careless(dialect: Any, _record: Any, given: Any, named: Any) -> Any:
        return Deaf(dialect.connect(*given, **named))

    with pytest.raises(RuntimeError, match="not be durable"):
        await db.ping()
    await db.close()


@ON_POSTGRESQL
async def test_postgresql_waits_for_the_disk_and_speaks_utc(toy: Toy) -> None:
    async with toy.db.write() as conn:
        for setting, expected in (
            ("synchronous_commit", "on"),
            ("TimeZone", "UTC"),
            ("search_path", "qualify"),
        ):
            assert (await conn.execute(text(f"SHOW {setting}"))).scalar_one() == expected


@pytest.mark.parametrize("url", ["mysql://x", "nothing", "sqlite3:/x"])
def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no known database"):
        Database.open(url, "qualify")


async def test_an_uncommitted_write_is_invisible_and_never_blocks_a_reader(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await conn.execute(effects.insert(), [ROW])
        async with asyncio.timeout(5):
            assert await toy.rows(effects) == []
    assert len(await toy.rows(effects)) == 1


async def test_an_error_rolls_everything_back(toy: Toy) -> None:
    with pytest.raises(LookupError):  # noqa: PT012
        async with toy.db.write() as conn:
            await conn.execute(effects.insert(), [ROW])
            raise LookupError
    assert await toy.rows(effects) == []


async def test_two_writers_count_without_losing_one(toy: Toy) -> None:
    """Read, think, write: forty times at once, on a row that is locked first."""
    async with toy.db.write() as conn:
        await conn.execute(effects.insert(), [{**ROW, "number": 0}])

    async def add_one() -> None:
        async with toy.db.write() as conn:
            query = select(effects.c.number).with_for_update()
            number = (await conn.execute(query)).scalar_one()
            await asyncio.sleep(0)
            await conn.execute(effects.update().values(number=number + 1))

    await asyncio.gather(*(add_one() for _ in range(40)))
    assert (await toy.rows(effects))[0].number == 40


@ON_SQLITE
async def test_two_sqlite_processes_queue_for_the_write_lock(toy: Toy, database_url: str) -> None:
    """Without BEGIN IMMEDIATE the second one would fail when it goes from reading to writing."""
    other = Database.open(database_url, "qualify", checkpoints=False)
    entered = asyncio.Event()

    async def second() -> int:
        async with other.write() as conn:
            entered.set()
            return (await conn.execute(select(func.count()).select_from(effects))).scalar_one()

    async with toy.db.write() as conn:
        await conn.execute(select(effects))
        waiting = asyncio.create_task(second())
        await conn.execute(effects.insert(), [ROW])
        assert not entered.is_set()
    assert await waiting == 1
    await other.close()


@ON_POSTGRESQL
async def test_claimed_rows_are_passed_over(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await conn.execute(effects.insert(), [ROW, {**ROW, "number": 2}])
    claim = for_update_skip_locked(select(effects.c.number).order_by(effects.c.id).limit(1))
    async with toy.db.write() as one, toy.db.write() as two:
        assert (await one.execute(claim)).scalar_one() == 1
        assert (await two.execute(claim)).scalar_one() == 2


async def test_inserts_know_conflicts_on_both_databases(toy: Toy) -> None:
    async with toy.db.write() as conn:
        for number in (1, 2):
            await conn.execute(
                insert(conn, effects)
                .values(**{**ROW, "id": 7, "number": number})
                .on_conflict_do_update(index_elements=["id"], set_={"number": number})
            )
    assert [row.number for row in await toy.rows(effects)] == [2]


async def test_times_come_back_as_they_went_and_sort_by_time(toy: Toy) -> None:
    east = timezone(timedelta(hours=13, minutes=45))
    times = [
        datetime(2026, 3, 1, 12, 0, 0, 1, UTC),
        datetime(2026, 3, 1, 12, 0, 0, 0, UTC),
        datetime(2026, 3, 2, 1, 44, 59, 999999, east),  # 11:59:59.999999 in UTC
        datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
    ]
    async with toy.db.write() as conn:
        for number, time in enumerate(times):
            await conn.execute(effects.insert(), [{**ROW, "number": number, "happened_at": time}])
        query = select(effects.c.number, effects.c.happened_at).order_by(effects.c.happened_at)
        found = list(await conn.execute(query))
        due = select(func.count()).where(effects.c.happened_at <= NOW)
        assert (await conn.execute(due)).scalar_one() == 3
    assert [row.number for row in found] == [3, 2, 1, 0]
    assert [row.happened_at for row in found] == sorted(times)
    assert all(row.happened_at.tzinfo is UTC for row in found)


async def test_a_naive_time_is_refused(toy: Toy) -> None:
    with pytest.raises(Exception, match="naive"):
        async with toy.db.write() as conn:
            await conn.execute(effects.insert(), [{**ROW, "happened_at": datetime(2026, 1, 1)}])


@given(st.datetimes(timezones=st.timezones()))
def test_binding_and_reading_a_time_are_inverse(time: datetime) -> None:
    kind = UtcDateTime()
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        bound = kind.process_bind_param(time, dialect)
        assert kind.process_result_value(bound, dialect) == time.astimezone(UTC)


async def test_json_comes_back_as_it_went(toy: Toy) -> None:
    value = {"a": [1, 2.5, None, True], "ü": "☃", "nested": {"x": {}}}
    async with toy.db.write() as conn:
        await conn.execute(effects.insert(), [{**ROW, "extra": value}])
    assert (await toy.rows(effects))[0].extra == value


async def test_errors_and_statement_logs_quote_no_values(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "jane.roe@example.com"
    caplog.set_level(logging.DEBUG, "sqlalchemy")
    with pytest.raises(IntegrityError) as failure:  # noqa: PT012
        async with toy.db.write() as conn:
            await conn.execute(effects.insert(), [{"id": 1, **ROW, "lead_id": secret}])
            await conn.execute(effects.insert(), [{"id": 1, **ROW, "lead_id": secret}])
    assert secret not in str(failure.value)
    assert secret not in caplog.text


async def test_a_value_that_fits_no_column_is_not_transient(toy: Toy) -> None:
    """Else one bad event would be tried for ever and hold up all others."""
    for value in (2**70, "no number"):
        with pytest.raises(Exception) as failure:  # noqa: PT011 - each driver has its own
            async with toy.db.write() as conn:
                await conn.execute(
                    effects.insert(), [{**ROW, "number": value, "happened_at": "no time"}]
                )
        assert not is_transient(failure.value)


@ON_POSTGRESQL
async def test_a_number_too_big_for_its_column_is_not_transient(toy: Toy) -> None:
    with pytest.raises(DBAPIError) as failure:
        async with toy.db.write() as conn:
            await conn.execute(effects.insert(), [{**ROW, "number": 2**40}])
    assert not is_transient(failure.value)


@ON_POSTGRESQL
async def test_a_deadlock_is_transient(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await conn.execute(effects.insert(), [{**ROW, "id": n} for n in (1, 2)])
    both = asyncio.Barrier(2)

    async def lock(first: int, then: int) -> None:
        async with toy.db.write() as conn:
            await conn.execute(effects.update().where(effects.c.id == first).values(number=9))
            await both.wait()
            await conn.execute(effects.update().where(effects.c.id == then).values(number=9))

    ends = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    (victim,) = [end for end in ends if isinstance(end, Exception)]
    assert is_transient(victim)


async def test_a_database_that_is_not_there_is_transient(tmp_path: Path) -> None:
    db = Database.open("postgresql://nobody@127.0.0.1:1/nothing", "qualify")
    with pytest.raises(OSError) as failure:  # noqa: PT011 - which one is the platform's choice
        await db.ping()
    assert is_transient(failure.value)
    await db.close()


async def test_closing_gives_every_connection_back(toy: Toy) -> None:
    async with toy.db.write() as conn:
        await conn.execute(effects.insert(), [ROW])
    await toy.db.close()
    await until(lambda: toy.db._writer.pool.checkedout() == 0)
