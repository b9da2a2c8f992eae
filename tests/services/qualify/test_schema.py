"""The migrations make the tables that the code knows."""

from services.qualify.service import MIGRATIONS
from services.qualify.store import metadata
from shared.db.migrations import drift, migrate, pending


async def test_the_migrated_schema_is_the_one_in_the_code(qualify):
    assert await drift(qualify.db, metadata) == []
    assert await pending(qualify.db, MIGRATIONS) == []
    await migrate(qualify.db, MIGRATIONS)
