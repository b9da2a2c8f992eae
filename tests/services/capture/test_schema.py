"""The migrations make the tables that the code uses."""

from services.capture.store.tables import metadata
from shared.db.migrations import drift
from tests.services.capture.conftest import Capture


async def test_migrations_and_tables_agree(capture: Capture) -> None:
    assert drift(capture.db, metadata) == []
