"""An operator of the toy."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from shared.access import Access, Role
from shared.runtime.clock import FixedClock
from shared.runtime.http import create_app
from shared.runtime.service import Infra
from shared.web.links import Links
from tests.shared.runtime.operator import Operator
from tests.shared.toy.service import NOW, Toy


@pytest_asyncio.fixture
async def operator(toy: Toy, database_url: str) -> AsyncIterator[Operator]:
    async with Access.open(database_url) as access:
        _, key = await access.create_key(Role.ADMIN)
        given: Any = None
        infra = Infra(toy.db, given, access, FixedClock(NOW), Links.parse(""))
        app = create_app("qualify", "toy", infra)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://test",
            headers={"Authorization": f"Bearer {key}"},
        ) as client:
            yield Operator(toy, client, app)
