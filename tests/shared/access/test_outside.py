"""The access store as a command beside the running product sees it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.access import Access, Role
from shared.access.outside import NoStore, open_store
from shared.access.sessions import Sessions
from shared.db.database import Database

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


async def test_what_is_done_outside_counts_inside_and_the_other_way_round(
    database_url: str,
) -> None:
    async with Access.open(database_url) as product:
        inside, _ = await product.create_key(Role.FORM)
        with open_store(database_url) as store:
            outside, key = store.create_key(Role.REP, "anna", "hers", NOW)
            listed = store.list_keys()
            assert Sessions(store.session_secret(NOW)).read(product.sessions.begin("x")) is not None
            assert store.revoke(inside, NOW)
        assert {row.key_id for row in listed} == {inside, outside}
        assert next(row for row in listed if row.key_id == outside).created_at == NOW
        principal = await product.authenticate(f"Bearer {key}")
        assert (principal.key_id, principal.rep_id) == (outside, "anna")
        rows = {row.key_id: row for row in await product.list_keys()}
        assert rows[outside].created_at == NOW
        assert rows[inside].revoked_at == NOW


def test_a_folder_without_a_store_stays_as_it_is(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "data"):
        with pytest.raises(NoStore, match="run this in the folder"), open_store(f"sqlite:{folder}"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_tables_are_not_made(database_url: str) -> None:
    db = Database.open(database_url, "access")
    with db.begin() as conn:
        conn.execute(text("SELECT 1"))  # with SQLite this makes the file
    for work in (
        lambda store: store.create_key(Role.ADMIN, None, "", NOW),
        lambda store: store.list_keys(),
    ):
        with open_store(database_url) as store, pytest.raises(NoStore, match="leadloop migrate"):
            work(store)
    db.close()


async def test_tables_of_an_older_version_are_told_from_an_outage(database_url: str) -> None:
    async with Access.open(database_url):
        pass
    db = Database.open(database_url, "access")
    with db.begin() as conn:
        conn.execute(text("ALTER TABLE keys DROP COLUMN last_used_at"))
    db.close()
    with open_store(database_url) as store, pytest.raises(NoStore, match="not of this version"):
        store.list_keys()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_only_the_product_moves_the_log_into_the_file(database_url: str) -> None:
    """Two connections that checkpoint can corrupt a WAL (SQLite before 3.51.3)."""
    file = Path(database_url.partition(":")[2]) / "access.db"
    async with Access.open(database_url):
        before = file.read_bytes()
        with open_store(database_url) as store:
            for _ in range(1500):  # past the thousand pages at which SQLite does it by itself
                store.create_key(Role.ADMIN, None, "x" * 200, NOW)
        assert file.read_bytes() == before
