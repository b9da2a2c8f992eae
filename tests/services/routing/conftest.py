"""Routing on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.services.routing.desk import Desk, open_desk


@pytest_asyncio.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Routing with an empty database; its parts are not started."""
    async with open_desk(database_url, tmp_path) as made:
        yield made
