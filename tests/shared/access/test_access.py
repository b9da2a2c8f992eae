"""Keys: stored as hashes, shown once, revoked everywhere within seconds."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from shared.access import Access, Principal, Role
from shared.access.keys import SHORTEST_KEY, hash_key, new_key
from shared.access.store import MIGRATIONS, AccessStore, keys, metadata, secrets
from shared.contracts.problems import Problem
from shared.db.engine import Database
from shared.db.migrations import drift

ADMIN_KEY = "ll_admin_" + "k" * 43


@pytest_asyncio.fixture
async def access(database_url: str) -> AsyncIterator[Access]:
    access = Access.open(database_url)
    await access.start()
    yield access
    await access.stop()


def bearer(key: str) -> str:
    return f"Bearer {key}"


async def becomes_unknown(access: Access, key: str) -> None:
    """Wait until ``access`` refuses the key; fail after ten seconds."""

    async def refused() -> None:
        while True:
            access.authenticate(bearer(key))
            await asyncio.sleep(0.05)

    with pytest.raises(Problem) as caught:
        await asyncio.wait_for(refused(), 10)
    assert caught.value.status == 401


def test_a_key_names_its_role_and_no_two_are_alike() -> None:
    made = {new_key(Role.REP) for _ in range(100)}
    assert len(made) == 100
    assert all(key.startswith("ll_rep_") and len(key) == len("ll_rep_") + 43 for key in made)


async def test_the_key_works_and_only_its_hash_is_stored(access: Access, database_url: str) -> None:
    key_id, key = await access.create_key(Role.REP, "anna", "Anna's laptop")
    assert access.authenticate(bearer(key)) == Principal(key_id, Role.REP, "anna")
    db = Database.open(database_url, "access")
    async with db.read() as conn:
        stored = [tuple(row) for row in await conn.execute(select(keys))]
    await db.close()
    assert hash_key(key) in stored[0]
    assert key not in repr(stored)
    assert key.rpartition("_")[2] not in repr(await access.list_keys())


async def test_the_tables_in_the_code_are_those_of_the_migrations(
    access: Access, database_url: str
) -> None:
    assert MIGRATIONS.is_dir()
    db = Database.open(database_url, "access")
    assert await drift(db, metadata) == []
    await db.close()


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "ll_admin_x", "Bearer ll_admin_nobody"]
)
async def test_without_a_valid_key_the_answer_is_401_with_a_challenge(
    access: Access, header: str | None
) -> None:
    with pytest.raises(Problem) as caught:
        access.authenticate(header)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    assert "nobody" not in str(caught.value)


async def test_a_revoked_key_stops_at_once_here_and_soon_elsewhere(
    access: Access, database_url: str
) -> None:
    key_id, key = await access.create_key(Role.MARKETER)
    elsewhere = Access.open(database_url, own=False)
    await elsewhere.start()
    try:
        assert elsewhere.authenticate(bearer(key)).key_id == key_id
        assert await access.revoke_key(key_id)
        with pytest.raises(Problem, match="revoked"):
            access.authenticate(bearer(key))
        await becomes_unknown(elsewhere, key)
    finally:
        await elsewhere.stop()
    assert not await access.revoke_key(key_id), "it is over already"
    [row] = await access.list_keys()
    assert row.revoked_at is not None


async def test_a_key_can_be_revoked_by_itself_too(access: Access) -> None:
    _, key = await access.create_key(Role.FORM)
    assert await access.revoke_key(key)
    assert not await access.revoke_key("key_of_nobody")


async def test_a_rep_key_names_its_rep_and_no_other_key_does(access: Access) -> None:
    with pytest.raises(ValueError, match="rep_id"):
        await access.create_key(Role.REP)
    with pytest.raises(ValueError, match="rep_id"):
        await access.create_key(Role.ADMIN, "anna")


async def test_roles_are_required_by_name(access: Access) -> None:
    rep = Principal("key_1", Role.REP, "anna")
    access.require(rep, Role.REP, Role.ADMIN)
    with pytest.raises(Problem, match="marketer, admin") as caught:
        access.require(rep, Role.MARKETER, Role.ADMIN)
    assert caught.value.status == 403


async def test_the_admin_key_of_the_settings_is_registered_once(database_url: str) -> None:
    for _ in range(2):
        async with Access.open(database_url, admin_key=ADMIN_KEY) as access:
            assert access.authenticate(bearer(ADMIN_KEY)).role is Role.ADMIN
            assert len(await access.list_keys()) == 1
    async with Access.open(database_url) as access:
        assert await access.revoke_key(ADMIN_KEY)
    async with Access.open(database_url, admin_key=ADMIN_KEY) as access:
        with pytest.raises(Problem, match="revoked"):
            access.authenticate(bearer(ADMIN_KEY))


def test_an_admin_key_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{SHORTEST_KEY} characters"):
        Access.open(f"sqlite:{tmp_path}", admin_key="admin")


async def test_two_processes_that_start_together_share_one_session_secret(
    database_url: str,
) -> None:
    first, second = Access.open(database_url), Access.open(database_url)
    await asyncio.gather(first.start(), second.start())
    await asyncio.gather(first.refresh(), second.refresh())
    cookie = first.sessions.begin("key_1")
    session = second.sessions.read(cookie)
    assert session is not None
    assert session.key_id == "key_1"
    await asyncio.gather(first.stop(), second.stop())
    db = Database.open(database_url, "access")
    async with db.read() as conn:
        assert len((await conn.execute(select(secrets))).all()) == 1
    await db.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_process_beside_the_product_never_checkpoints(database_url: str) -> None:
    async with Access.open(database_url) as product:
        async with Access.open(database_url, own=False) as beside:
            async with beside._store.db.write() as conn:
                row = (await conn.exec_driver_sql("PRAGMA wal_autocheckpoint")).one()
            assert row[0] == 0
            _, key = await beside.create_key(Role.ADMIN)
        await product.refresh()
        assert product.authenticate(bearer(key)).role is Role.ADMIN


class Unsteady(AccessStore):
    """A store that can be taken away."""

    away = False

    async def active(self) -> dict[str, Principal]:
        if self.away:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return await super().active()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_last_snapshot_serves_for_five_minutes_of_outage(database_url: str) -> None:
    now = 1000.0
    store = Unsteady(Database.open(database_url, "access"))
    access = Access(store, monotonic=lambda: now, refresh_seconds=3600)
    await access.start()
    _, key = await access.create_key(Role.ADMIN)
    store.away = True
    now += 299
    await access._try_refresh()
    assert access.authenticate(bearer(key)).role is Role.ADMIN
    assert await access.check() is None
    now += 2
    with pytest.raises(Problem) as caught:
        access.authenticate(bearer(key))
    assert caught.value.status == 503
    assert "Retry-After" in caught.value.headers
    assert await access.check() is not None
    store.away = False
    await access._try_refresh()
    assert access.authenticate(bearer(key)).role is Role.ADMIN
    await access.stop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_it_starts_without_its_store_and_lets_people_in_once_it_is_there(
    database_url: str,
) -> None:
    store = Unsteady(Database.open(database_url, "access"))
    await store.prepare()
    key = new_key(Role.ADMIN)
    await store.add_key("key_1", key, Role.ADMIN, None, "", datetime.now(UTC))
    store.away = True
    access = Access(store, refresh_seconds=0.02)
    await access.start()
    with pytest.raises(Problem) as caught:
        access.authenticate(bearer(key))
    assert caught.value.status == 503
    store.away = False

    async def well() -> None:
        while await access.check() is not None:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(well(), 10)
    assert access.authenticate(bearer(key)).key_id == "key_1"
    await access.stop()
