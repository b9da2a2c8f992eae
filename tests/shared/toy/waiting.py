"""Waiting for conditions, with a deadline instead of a hope."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def until(
    condition: Callable[[], Awaitable[Any]] | Callable[[], Any], seconds: float = 30.0
) -> Any:
    """Returns what the condition returns once that is true. Fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {condition}")
        await asyncio.sleep(0.02)
