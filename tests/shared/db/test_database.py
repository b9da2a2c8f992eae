"""Databases: settings that durability needs, isolation, threads, and which errors may pass."""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.contracts.ids import current_traceparent, follow
from shared.db.database import Database, database_now, insert
from shared.db.errors import is_transient, is_unstorable
from shared.db.types import UtcDateTime, read_time, stored_time
from tests.shared.toy.embedded import TRACE
from tests.shared.toy.service import NOW, Toy, effects
from tests.shared.toy.waiting import until

ROW: dict[str, Any] = {"effect_id": "x", "lead_id": "l", "event_id": "e", "number": 1}
JANE = "jane.roe@example.com"
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def _put(conn: Connection, *rows: dict[str, Any]) -> None:
    conn.execute(effects.insert(), list(rows or (ROW,)))


def _pragma(conn: Connection, name: str) -> Any:
    return conn.execute(text(f"PRAGMA {name}")).scalar_one()


@ON_SQLITE
async def test_sqlite_is_durable_and_its_readers_cannot_write(toy: Toy) -> None:
    with toy.db.begin() as conn:
        assert _pragma(conn, "journal_mode") == "wal"
        assert _pragma(conn, "synchronous") == 2  # FULL
        assert _pragma(conn, "foreign_keys") == 1
        assert _pragma(conn, "secure_delete") == 1
        assert _pragma(conn, "wal_autocheckpoint") > 0
    with toy.db.connect() as conn:
        assert _pragma(conn, "query_only") == 1
        assert _pragma(conn, "wal_autocheckpoint") == 0  # one connection checkpoints
        with pytest.raises(DBAPIError, match="readonly"):
            _put(conn)


@ON_SQLITE
async def test_a_second_process_may_look_without_checkpointing(toy: Toy, database_url: str) -> None:
    onlooker = Database.open(database_url, "qualify", checkpoints=False)
    with onlooker.begin() as conn:
        assert _pragma(conn, "wal_autocheckpoint") == 0
    onlooker.close()


@ON_SQLITE
@pytest.mark.parametrize("which", ["_reader", "_writer"])
async def test_a_database_that_refuses_durability_is_refused(database_url: str, which: str) -> None:
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

    @event.listens_for(getattr(db, which), "do_connect")
    def careless(dialect: Any, _record: Any, given: Any, named: Any) -> Any:
        return Deaf(dialect.connect(*given, **named))

    with pytest.raises(RuntimeError, match="not be durable"):
        await (db.ping() if which == "_reader" else db.write(lambda conn: None))
    db.close()


@ON_POSTGRESQL
async def test_postgresql_waits_for_the_disk_and_speaks_utc(toy: Toy) -> None:
    for opened in (toy.db.begin, toy.db.connect):
        with opened() as conn:
            for setting, expected in (
                ("synchronous_commit", "on"),
                ("TimeZone", "UTC"),
                ("search_path", "qualify"),
                ("statement_timeout", "1min"),
            ):
                assert conn.execute(text(f"SHOW {setting}")).scalar_one() == expected


@pytest.mark.parametrize("url", ["mysql://x", "nothing", "sqlite3:/x"])
def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no known database"):
        Database.open(url, "qualify")


async def test_an_uncommitted_write_is_invisible_and_never_blocks_a_reader(toy: Toy) -> None:
    with toy.db.begin() as conn:
        _put(conn)
        async with asyncio.timeout(5):
            assert await toy.rows(effects) == []
    assert len(await toy.rows(effects)) == 1


async def test_an_error_rolls_everything_back(toy: Toy) -> None:
    def fail(conn: Connection) -> None:
        _put(conn)
        raise LookupError

    with pytest.raises(LookupError):
        await toy.db.write(fail)
    assert await toy.rows(effects) == []


async def test_work_runs_whole_on_one_thread_with_the_callers_trace(toy: Toy) -> None:
    """And not on the event loop's, which must never wait for a database."""
    follow(TRACE)

    def work(conn: Connection) -> tuple[threading.Thread, str]:
        conn.execute(text("SELECT 1"))
        return threading.current_thread(), current_traceparent()

    for run in (toy.db.write, toy.db.read):
        thread, trace = await run(work)
        assert thread is not threading.main_thread()
        assert trace == TRACE


async def test_two_writers_count_without_losing_one(toy: Toy) -> None:
    """Read, think, write: forty times at once, on a row that is locked first."""
    with toy.db.begin() as conn:
        _put(conn, {**ROW, "number": 0})

    def add_one(conn: Connection) -> None:
        number = conn.execute(select(effects.c.number).with_for_update()).scalar_one()
        conn.execute(effects.update().values(number=number + 1))

    await asyncio.gather(*(toy.db.write(add_one) for _ in range(40)))
    assert (await toy.rows(effects))[0].number == 40


@ON_SQLITE
async def test_two_sqlite_processes_queue_for_the_write_lock(toy: Toy, database_url: str) -> None:
    """Without BEGIN IMMEDIATE the second one would fail when it goes from reading to writing."""
    other = Database.open(database_url, "qualify", checkpoints=False)
    entered = threading.Event()

    def second(conn: Connection) -> int:
        entered.set()
        return conn.execute(select(func.count()).select_from(effects)).scalar_one()

    with toy.db.begin() as conn:
        conn.execute(select(effects))
        waiting = asyncio.create_task(other.write(second))
        await asyncio.sleep(0)
        _put(conn)
        assert not entered.is_set()
    assert await waiting == 1
    other.close()


async def test_a_caller_that_goes_away_takes_nothing_back(toy: Toy) -> None:
    """Neither what is under way nor what still waits for a thread."""
    held, go_on = threading.Event(), threading.Event()

    def first(conn: Connection) -> None:
        held.set()
        go_on.wait(10)
        _put(conn, {**ROW, "number": 1})

    def later(conn: Connection) -> None:
        _put(conn, {**ROW, "number": 2})

    running = [asyncio.create_task(toy.db.write(first)) for _ in range(4)]
    await asyncio.to_thread(held.wait, 10)
    running.append(asyncio.create_task(toy.db.write(later)))
    await asyncio.sleep(0)
    for task in running:
        task.cancel()
    ends = await asyncio.gather(*running, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert await toy.rows(effects) == []
    go_on.set()

    async def all_there() -> bool:
        return sorted(row.number for row in await toy.rows(effects)) == [1, 1, 1, 1, 2]

    await until(all_there)


async def test_closing_finishes_what_was_handed_in(database_url: str, toy: Toy) -> None:
    db = Database.open(database_url, "qualify")
    tasks = [
        asyncio.create_task(db.write(lambda conn, n=n: _put(conn, {**ROW, "number": n})))  # type: ignore[misc]
        for n in range(20)
    ]
    await asyncio.sleep(0)
    await asyncio.to_thread(db.close)
    await asyncio.gather(*tasks)
    assert sorted(row.number for row in await toy.rows(effects)) == list(range(20))
    assert db._writer.pool.checkedout() == db._reader.pool.checkedout() == 0  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="shutdown"):
        await db.write(lambda conn: None)


@ON_SQLITE
async def test_what_was_deleted_is_in_no_file_after_a_checkpoint(
    toy: Toy, database_url: str
) -> None:
    folder = Path(database_url.removeprefix("sqlite:"))

    def found() -> bool:
        return any(b"canary-" * 30 in path.read_bytes() for path in folder.iterdir())

    await toy.db.write(lambda conn: _put(conn, {**ROW, "extra": "canary-" * 30}))
    assert found()
    await toy.db.write(lambda conn: conn.execute(effects.delete()))
    assert found(), "the write-ahead log has it yet"
    await toy.db.checkpoint()
    assert not found()


async def test_a_checkpoint_hurts_nobody(toy: Toy) -> None:
    with toy.db.connect() as conn:
        conn.execute(select(effects))
        await toy.db.write(_put)
        await toy.db.checkpoint()
    assert len(await toy.rows(effects)) == 1


async def test_inserts_know_conflicts_on_both_databases(toy: Toy) -> None:
    with toy.db.begin() as conn:
        for number in (1, 2):
            conn.execute(
                insert(conn, effects)
                .values(**{**ROW, "id": 7, "number": number})
                .on_conflict_do_update(index_elements=["id"], set_={"number": number})
            )
    assert [row.number for row in await toy.rows(effects)] == [2]


async def test_the_databases_clock_is_aware_and_in_utc(toy: Toy) -> None:
    now = await toy.db.read(database_now)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


async def test_times_come_back_as_they_went_and_sort_by_time(toy: Toy) -> None:
    east = timezone(timedelta(hours=13, minutes=45))
    times = [
        datetime(2026, 3, 1, 12, 0, 0, 1, UTC),
        datetime(2026, 3, 1, 12, 0, 0, 0, UTC),
        datetime(2026, 3, 2, 1, 44, 59, 999999, east),  # 11:59:59.999999 in UTC
        datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
    ]
    with toy.db.begin() as conn:
        for number, time in enumerate(times):
            _put(conn, {**ROW, "number": number, "happened_at": time})
        query = select(effects.c.number, effects.c.happened_at).order_by(effects.c.happened_at)
        found = list(conn.execute(query))
        due = select(func.count()).where(effects.c.happened_at <= NOW)
        assert conn.execute(due).scalar_one() == 3
    assert [row.number for row in found] == [3, 2, 1, 0]
    assert [row.happened_at for row in found] == sorted(times)
    assert all(row.happened_at.utcoffset() == timedelta() for row in found)


async def test_a_naive_time_is_refused(toy: Toy) -> None:
    with pytest.raises(Exception, match="naive"):
        await toy.db.write(lambda conn: _put(conn, {**ROW, "happened_at": datetime(2026, 1, 1)}))
    with pytest.raises(ValueError, match="naive"):
        stored_time(datetime(2026, 1, 1))


@given(st.datetimes(timezones=st.timezones()))
def test_binding_and_reading_a_time_are_inverse(time: datetime) -> None:
    kind = UtcDateTime()
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        bound = kind.process_bind_param(time, dialect)
        assert kind.process_result_value(bound, dialect) == time.astimezone(UTC)


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_sqlites_text_of_a_time_sorts_and_comes_back(one: datetime, two: datetime) -> None:
    """By the hot paths' own way, which must be the same text as the other's."""
    texts = [stored_time(one) or "", stored_time(two) or ""]
    assert [read_time(stored) for stored in texts] == [one.astimezone(UTC), two.astimezone(UTC)]
    assert (texts[0] < texts[1]) == (one.astimezone(UTC) < two.astimezone(UTC))
    bound = UtcDateTime().process_bind_param(one, sqlite.dialect())
    assert bound is not None
    assert texts[0] == bound.isoformat(" ", "microseconds")


async def test_json_comes_back_as_it_went(toy: Toy) -> None:
    value = {"a": [1, 2.5, None, True], "ü": "☃", "nested": {"x": {}}}
    await toy.db.write(lambda conn: _put(conn, {**ROW, "extra": value}))
    assert (await toy.rows(effects))[0].extra == value


async def test_errors_and_statement_logs_quote_no_values(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sqlalchemy")
    row = {"id": 1, **ROW, "lead_id": JANE}
    with pytest.raises(IntegrityError) as failure:
        await toy.db.write(lambda conn: _put(conn, row, row))
    assert JANE not in str(failure.value)
    assert JANE not in caplog.text


async def test_a_value_that_fits_no_column_is_not_transient(toy: Toy) -> None:
    """Else one bad event would be tried for ever and hold up all others."""
    for value in (2**70, "no number"):
        bad = {**ROW, "number": value, "happened_at": "no time"}
        with pytest.raises(Exception) as failure:  # noqa: PT011 - each driver has its own
            await toy.db.write(lambda conn, bad=bad: _put(conn, bad))  # type: ignore[misc]
        assert not is_transient(failure.value)


@ON_POSTGRESQL
@pytest.mark.parametrize(
    "bad", [{"number": 2**40}, {"number": 2**70}, {"lead_id": "nul\x00"}, {"extra": "nul\x00"}]
)
async def test_a_value_that_no_column_takes_is_unstorable(toy: Toy, bad: dict[str, Any]) -> None:
    """Whether the server refuses it or the driver itself: the request is to blame."""
    with pytest.raises(DBAPIError) as failure:
        await toy.db.write(lambda conn: _put(conn, {**ROW, **bad}))
    assert is_unstorable(failure.value)
    assert not is_transient(failure.value)


@ON_POSTGRESQL
async def test_a_deadlock_is_transient(toy: Toy) -> None:
    with toy.db.begin() as conn:
        _put(conn, {**ROW, "id": 1}, {**ROW, "id": 2})
    both = threading.Barrier(2)

    def lock(first: int, then: int) -> Callable[[Connection], None]:
        def work(conn: Connection) -> None:
            conn.execute(effects.update().where(effects.c.id == first).values(number=9))
            both.wait(10)
            conn.execute(effects.update().where(effects.c.id == then).values(number=9))

        return work

    ends = await asyncio.gather(
        toy.db.write(lock(1, 2)), toy.db.write(lock(2, 1)), return_exceptions=True
    )
    (victim,) = [end for end in ends if isinstance(end, Exception)]
    assert is_transient(victim)


@ON_POSTGRESQL
@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_a_connection_that_was_ended_is_transient_and_the_next_works(
    toy: Toy, how: str
) -> None:
    held = threading.Event()
    pids: list[int] = []

    def wait(conn: Connection) -> None:
        pids.append(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        held.set()
        conn.exec_driver_sql("SELECT pg_sleep(20)")

    waiting = asyncio.create_task(toy.db.write(wait))
    await asyncio.to_thread(held.wait, 10)
    await toy.db.read(lambda conn: conn.execute(text(f"SELECT {how}({pids[0]})")))
    with pytest.raises(DBAPIError) as failure:
        await waiting
    assert is_transient(failure.value)
    await toy.db.write(_put)


async def test_a_database_that_is_not_there_is_transient(tmp_path: Path) -> None:
    db = Database.open("postgresql://nobody@127.0.0.1:1/nothing", "qualify")
    with pytest.raises(Exception) as failure:  # noqa: PT011 - which one is the driver's choice
        await db.ping()
    assert is_transient(failure.value)
    db.close()
