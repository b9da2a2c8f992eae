"""The contract, on the local bus and on a real Kafka."""

from collections.abc import Awaitable, Callable

import pytest

from tests.bus.contract import CONTRACT
from tests.bus.lab import Lab


@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
async def test_promise(lab: Lab, promise: Callable[[Lab], Awaitable[None]]) -> None:
    await promise(lab)
