"""The migrations make what the code expects."""

from services.feedback.store.tables import metadata
from shared.db.migrations import drift
from tests.services.feedback.lives import Feedback


async def test_migrations_and_tables_agree(feedback: Feedback) -> None:
    assert drift(feedback.db, metadata) == []
