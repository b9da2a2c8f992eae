"""Whoever runs the product, at its HTTP interface."""

from typing import Any

import httpx

from tests.shared.toy.service import Toy


class Operator:
    """An admin at the HTTP interface of the toy."""

    def __init__(self, toy: Toy, client: httpx.AsyncClient, app: Any) -> None:
        self.toy, self.client, self.app = toy, client, app

    def use(self, part: Any) -> None:
        self.app.state.parts = [part]

    async def letters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = (
                await self.client.get(f"/qualify/v1/dead-letters?limit=2&cursor={cursor}")
            ).json()
            found += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    async def replay(self, which: str = "") -> dict[str, int]:
        answer = await self.client.post(f"/qualify/v1/dead-letters/replay{which}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
