"""Very many leads in the running product: a few real ones, copied inside the databases; then a look
at all answers and a back-test, by HTTP, with the memory of the processes that compute them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench.measure import of
from tests.bench.scale import IDS, multiply
from tests.bench_learning.product import Product, running
from tests.bench_learning.small import SmallWorld
from tests.bench_learning.worlds import Lead, World

REAL = 2000
PARTS = 4
"""The real leads come in parts that are answered before the next, so that there is a time."""
LOOK_EVERY = 0.02


@dataclass(frozen=True)
class Cost:
    """What a request and the process that it started took, and what was answered."""

    seconds: float
    peak_mb: float
    server_mb: float
    """What the serving process itself grew by."""
    answer: Any


async def measured(folder: Path, leads: int) -> tuple[int, Cost, Cost]:
    """How many leads there are, what a look at their answers costs, and what a back-test does."""
    world = SmallWorld(5, rate=0.3)
    starter = world.starter()
    async with running(folder) as product:
        await product.prepare(_world(world, 50), starter)
        for _ in range(PARTS):
            await product.take_in(_world(world, REAL // PARTS).leads)
            await product.answer()
        await product.learn()
    copies = max(1, leads // REAL)  # the real ones among them
    for service in ("qualify", "feedback"):
        multiply(folder / "data" / f"{service}.db", IDS[service], copies - 1)
    async with running(folder) as product:
        look = await _watched(product, "services.feedback.learning", product.look)
        candidate = {"version": (await product.definition())["version"], "against": 1}
        test = await _watched(product, "services.qualify.analysis",
                              lambda: product.back_test(candidate))  # fmt: skip
    return REAL * copies, look, test


def _world(world: SmallWorld, count: int) -> World:
    """So many of its leads as the product takes them in, with what reps will say."""
    found = world.leads(count)
    said = world.drawn(found.chances)
    leads = tuple(
        Lead({name.removeprefix("fields."): fact for name, fact in facts.items()}, bool(yes))
        for facts, yes in zip(found.facts, said, strict=True)
    )
    return World("small", leads, {}, frozenset())


async def _watched(product: Product, module: str, work: Callable[[], Awaitable[Any]]) -> Cost:
    """Do the work, and look at the memory of the server and of its child that runs ``module``."""
    server = of(product.process)
    before = server.memory_info().rss
    began = time.perf_counter()
    task = asyncio.ensure_future(work())
    peak = most = 0.0
    while not task.done():
        with contextlib.suppress(psutil.Error):
            most = max(most, server.memory_info().rss - before)
            for child in server.children():
                if module in child.cmdline():
                    peak = max(peak, child.memory_info().rss)
        await asyncio.sleep(LOOK_EVERY)
    return Cost(time.perf_counter() - began, peak / 1e6, most / 1e6, await task)
