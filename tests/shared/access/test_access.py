"""Keys: stored as hashes, shown once, known at once and revoked everywhere within seconds."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.access import Access, Principal, Role
from shared.access import access as module
from shared.access.access import LOOKUPS_PER_SECOND, MIGRATIONS, REFRESH_SECONDS
from shared.access.keys import SHORTEST_KEY, hash_key, new_key
from shared.access.sessions import Session
from shared.access.store import AccessStore, KeyRow
from shared.contracts.problems import Problem
from shared.db.database import Database
from shared.db.errors import is_transient
from shared.db.migrations import migrate

ADMIN_KEY = "ll_admin_" + "k" * 43


class Clock:
    """A monotonic clock and a clock on the wall that stand until they are moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "_now", clock.now)
    return clock


@pytest_asyncio.fixture
async def access(database_url: str) -> AsyncIterator[Access]:
    async with Access.open(database_url) as access:
        yield access


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """The store's database with nothing between."""
    db = Database.open(database_url, "access")
    yield db
    db.close()


def bearer(key: str) -> str:
    return f"Bearer {key}"


async def refused(access: Access, key: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await access.authenticate(bearer(key))
    return caught.value


def looked_up(access: Access, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that are asked for from now on."""
    asked: list[str] = []
    find = access._store.find

    def finding(key_hash: str, key_id: str, at: datetime) -> Any:
        asked.append(key_hash or key_id)
        return find(key_hash, key_id, at)

    monkeypatch.setattr(access._store, "find", finding)
    return asked


def test_a_key_names_its_role_and_no_two_are_alike() -> None:
    made = {new_key(Role.REP) for _ in range(100)}
    assert len(made) == 100
    assert all(key.startswith("ll_rep_") and len(key) == len("ll_rep_") + 43 for key in made)


async def test_the_key_works_and_only_its_hash_is_stored(access: Access, db: Database) -> None:
    key_id, key = await access.create_key(Role.REP, "anna", "Anna's laptop")
    assert await access.authenticate(bearer(key)) == Principal(key_id, Role.REP, "anna")
    with db.connect() as conn:
        stored = [tuple(row) for row in conn.execute(text("SELECT * FROM keys"))]
    assert hash_key(key) in stored[0]
    assert key not in repr(stored)
    assert key.rpartition("_")[2] not in repr(await access.list_keys())


async def test_a_key_is_listed_with_all_that_is_known_of_it(access: Access) -> None:
    before = datetime.now(UTC)
    key_id, _ = await access.create_key(Role.REP, "anna", "Anna's laptop")
    [row] = await access.list_keys()
    assert before <= row.created_at <= datetime.now(UTC)
    assert row == KeyRow(key_id, Role.REP, "anna", "Anna's laptop", row.created_at, None, None)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "ll_admin_x", "Bearer ll_admin_nobody"]
)
async def test_without_a_valid_key_the_answer_is_401_with_a_challenge(
    access: Access, header: str | None
) -> None:
    with pytest.raises(Problem) as caught:
        await access.authenticate(header)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    assert "nobody" not in str(caught.value)


async def test_a_key_that_another_process_made_works_at_once(
    access: Access, database_url: str
) -> None:
    async with Access.open(database_url) as elsewhere:
        key_id, key = await elsewhere.create_key(Role.REP, "anna")
    assert await access.authenticate(bearer(key)) == Principal(key_id, Role.REP, "anna")


async def test_a_session_of_a_key_that_another_process_made_works_at_once(
    access: Access, database_url: str
) -> None:
    async with Access.open(database_url) as elsewhere:
        key_id, _ = await elsewhere.create_key(Role.ADMIN)
    assert await access.principal_of_session(Session(key_id, "t")) == Principal(key_id, Role.ADMIN)
    assert await access.principal_of_session(Session("key_of_nobody", "t")) is None


async def test_a_key_is_looked_up_once_and_then_known(
    access: Access, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Access.open(database_url) as elsewhere:
        _, key = await elsewhere.create_key(Role.ADMIN)
    asked = looked_up(access, monkeypatch)
    for _ in range(3):
        await access.authenticate(bearer(key))
    assert asked == [hash_key(key)]


async def test_a_key_that_is_known_is_never_looked_up(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id, key = await access.create_key(Role.ADMIN)
    asked = looked_up(access, monkeypatch)
    await access.authenticate(bearer(key))
    await access.principal_of_session(Session(key_id, "t"))
    assert asked == []


async def test_only_so_many_unknown_keys_a_second_are_looked_up(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database.open(database_url, "access")
    async with Access(db, monotonic=clock.monotonic) as access:
        asked = looked_up(access, monkeypatch)
        for n in range(10 * LOOKUPS_PER_SECOND):
            assert (await refused(access, f"ll_admin_made_up_{n}")).status == 401
        assert len(asked) == LOOKUPS_PER_SECOND
        async with Access.open(database_url) as elsewhere:
            _, key = await elsewhere.create_key(Role.ADMIN)
        assert (await refused(access, key)).status == 401, "no look-ups are left this second"
        clock.seconds += 1
        assert (await access.authenticate(bearer(key))).role is Role.ADMIN


async def test_a_revoked_key_stops_at_once_here_and_with_the_next_snapshot_elsewhere(
    access: Access, database_url: str
) -> None:
    key_id, key = await access.create_key(Role.MARKETER)
    async with Access.open(database_url) as elsewhere:
        assert (await elsewhere.authenticate(bearer(key))).key_id == key_id
        assert await access.revoke_key(key_id)
        assert "revoked" in str(await refused(access, key))
        assert REFRESH_SECONDS <= 2
        await elsewhere.refresh()
        assert (await refused(elsewhere, key)).status == 401
        assert await elsewhere.principal_of_session(Session(key_id, "t")) is None
    assert not await access.revoke_key(key_id), "it is over already"
    [row] = await access.list_keys()
    assert row.revoked_at is not None


async def test_a_key_found_by_looking_it_up_is_revoked_like_any_other(
    access: Access, database_url: str
) -> None:
    async with Access.open(database_url) as elsewhere:
        _, key = await elsewhere.create_key(Role.ADMIN)
        await access.authenticate(bearer(key))
        await elsewhere.revoke_key(key)
        await access.refresh()
        assert (await refused(access, key)).status == 401


async def test_a_key_can_be_revoked_by_itself_too(access: Access) -> None:
    _, key = await access.create_key(Role.FORM)
    assert await access.revoke_key(key)
    assert not await access.revoke_key("key_of_nobody")


async def test_a_rep_key_names_its_rep_and_no_other_key_does(access: Access) -> None:
    with pytest.raises(ValueError, match="rep_id"):
        await access.create_key(Role.REP)
    with pytest.raises(ValueError, match="rep_id"):
        await access.create_key(Role.ADMIN, "anna")
    assert await access.list_keys() == []


async def test_roles_are_required_by_name(access: Access) -> None:
    rep = Principal("key_1", Role.REP, "anna")
    access.require(rep, Role.REP, Role.ADMIN)
    with pytest.raises(Problem, match="marketer, admin") as caught:
        access.require(rep, Role.MARKETER, Role.ADMIN)
    assert caught.value.status == 403


async def test_when_a_key_was_last_used_is_written_once_a_minute(
    database_url: str, clock: Clock
) -> None:
    async def last_used() -> datetime | None:
        return (await access.list_keys())[0].last_used_at

    async with Access.open(database_url) as access:
        key_id, key = await access.create_key(Role.ADMIN)
        clock.seconds += 1  # the list is in the order in which they were made
        await access.create_key(Role.FORM)
        await access.authenticate(bearer(key))
        used = clock.now()
        assert await last_used() is None, "a request waits for no write"
        clock.seconds += 1
        await access.refresh()
        assert await last_used() == used
        await access.authenticate(bearer(key))
        await access.refresh()
        assert await last_used() == used
        clock.seconds += 60
        await access.principal_of_session(Session(key_id, "t"))
        await access.refresh()
        assert await last_used() == clock.now()
        assert (await access.list_keys())[1].last_used_at is None
        await refused(access, "ll_admin_made_up")
        assert len(access._used) == 1, "what is noted does not grow with keys that are made up"


async def test_the_newest_use_of_all_processes_counts(database_url: str, clock: Clock) -> None:
    async with Access.open(database_url) as one, Access.open(database_url) as two:
        _, key = await one.create_key(Role.ADMIN)
        await one.authenticate(bearer(key))
        clock.seconds += 30
        await two.authenticate(bearer(key))
        await two.refresh()
        await one.refresh()
        assert (await one.list_keys())[0].last_used_at == clock.now()


async def test_keys_made_before_their_uses_were_noted_are_kept(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    first = tmp_path / "migrations"
    (first / "versions").mkdir(parents=True)
    [file] = (MIGRATIONS / "versions").glob("0001*.py")
    (first / "versions" / file.name).write_text(file.read_text())
    migrate(db, first)
    key = new_key(Role.ADMIN)
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    with db.begin() as conn:
        stored = moment if db.dialect == "postgresql" else "2026-01-02 03:04:05.000678"
        conn.execute(
            text(
                "INSERT INTO keys (key_id, key_hash, role, label, created_at) "
                "VALUES ('key_1', :hash, 'admin', 'old', :at)"
            ),
            {"hash": hash_key(key), "at": stored},
        )
    async with Access.open(database_url) as access:
        assert (await access.authenticate(bearer(key))).key_id == "key_1"
        [row] = await access.list_keys()
        assert row == KeyRow("key_1", Role.ADMIN, None, "old", moment, None, None)


async def test_the_admin_key_of_the_settings_is_registered_once(database_url: str) -> None:
    for _ in range(2):
        async with Access.open(database_url, admin_key=ADMIN_KEY) as access:
            assert (await access.authenticate(bearer(ADMIN_KEY))).role is Role.ADMIN
            assert len(await access.list_keys()) == 1
    async with Access.open(database_url) as access:
        assert await access.revoke_key(ADMIN_KEY)
    async with Access.open(database_url, admin_key=ADMIN_KEY) as access:
        assert "revoked" in str(await refused(access, ADMIN_KEY))


def test_an_admin_key_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{SHORTEST_KEY} characters"):
        Access.open(f"sqlite:{tmp_path}", admin_key="admin")


async def test_two_processes_that_start_together_share_one_session_secret(
    database_url: str, db: Database
) -> None:
    first, second = Access.open(database_url), Access.open(database_url)
    # Two that make SQLite's file at once may be in each other's way: then it is tried again.
    started = await asyncio.gather(first.refresh(), second.refresh(), return_exceptions=True)
    assert all(is_transient(e) for e in started if isinstance(e, BaseException)), started
    await first.refresh()
    await second.refresh()
    cookie = first.sessions.begin("key_1")
    session = second.sessions.read(cookie)
    assert session is not None
    assert session.key_id == "key_1"
    first.close()
    second.close()
    with db.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM secrets")).scalar_one() == 1


class Unsteady:
    """Takes a store away, as an outage does."""

    def __init__(self, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = False
        run = access._run

        def running(sql: str, values: dict[str, Any], *, write: bool) -> Any:
            if self.away:
                raise OperationalError("SELECT", {}, Exception("gone"))
            return run(sql, values, write=write)

        store = AccessStore(running, postgresql=access._store._postgresql)
        monkeypatch.setattr(access, "_store", store)


async def test_the_last_snapshot_serves_for_five_minutes_of_outage(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database.open(database_url, "access")
    async with Access(db, monotonic=clock.monotonic) as access:
        store = Unsteady(access, monkeypatch)
        _, key = await access.create_key(Role.ADMIN)
        store.away = True
        clock.seconds += 299
        with pytest.raises(OperationalError):
            await access.refresh()
        assert (await access.authenticate(bearer(key))).role is Role.ADMIN
        assert (await refused(access, "ll_admin_made_up")).status == 401
        assert await access.check() is None
        clock.seconds += 2
        problem = await refused(access, key)
        assert problem.status == 503
        assert "Retry-After" in problem.headers
        assert await access.check() is not None
        store.away = False
        await access.refresh()
        assert (await access.authenticate(bearer(key))).role is Role.ADMIN
        assert await access.check() is None


async def test_it_starts_without_its_store_and_lets_people_in_once_it_is_there(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Access.open(database_url) as before:
        _, key = await before.create_key(Role.ADMIN)
    access = Access.open(database_url)
    store = Unsteady(access, monkeypatch)
    store.away = True
    with pytest.raises(OperationalError):
        await access.refresh()
    assert (await refused(access, key)).status == 503
    assert await access.check() is not None
    store.away = False
    await access.refresh()
    assert (await access.authenticate(bearer(key))).role is Role.ADMIN
    access.close()
