"""Asking for computations: nobody computes for somebody who has gone."""

import asyncio
from typing import Any, cast

import pytest

from services.qualify.web.analyst import while_there


class Asker:
    """A request of somebody who goes away when told."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def test_work_is_done_for_whoever_stays() -> None:
    async def work() -> str:
        return "found"

    assert await while_there(cast(Any, Asker()), work()) == "found"

    async def failing() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await while_there(cast(Any, Asker()), failing())


async def test_work_ends_when_whoever_asked_goes_away() -> None:
    asker, ended = Asker(), asyncio.Event()

    async def work() -> None:
        asker.gone.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    assert await while_there(cast(Any, asker), work()) is None
    assert ended.is_set()
