"""A small service for the tests of what all services share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.shared.toy.service import Toy, toy_on


@pytest_asyncio.fixture
async def toy(database_url: str) -> AsyncIterator[Toy]:
    """The toy service on a migrated database of each kind."""
    async with toy_on(database_url) as service:
        yield service
