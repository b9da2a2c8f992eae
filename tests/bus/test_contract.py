"""The contract, on the embedded log and on a real Kafka."""

from collections.abc import Awaitable, Callable

import pytest

from tests.bus.contract import BROKERS, EVERY
from tests.bus.lab import Lab

Promise = Callable[[Lab], Awaitable[None]]


@pytest.mark.parametrize("promise", EVERY, ids=lambda promise: promise.__name__)
async def test_promise(lab: Lab, promise: Promise) -> None:
    await promise(lab)


@pytest.mark.parametrize("bus_url", ["kafka"], indirect=True)
@pytest.mark.parametrize("promise", BROKERS, ids=lambda promise: promise.__name__)
async def test_promise_of_a_broker(lab: Lab, promise: Promise) -> None:
    await promise(lab)
