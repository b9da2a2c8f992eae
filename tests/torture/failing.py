"""Processes that die on purpose at named places, each in its turn."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Final

from dev.stack import Process
from tests.torture.chaos import Turns
from tests.torture.ledger import Ledger
from tests.torture.stand import Stand

DIES_WITHIN: Final = 8.0
"""Seconds after its start in which a process should come to the place it is to die at."""
LEASE_SECONDS: Final = 7.0
"""How much longer that takes where the lease of one that was killed has to lapse first."""
SESSION_SECONDS: Final = 12.0
"""How much longer where Kafka has to give up one that was killed, and share its partitions out."""
AT_ONCE: Final = 3
"""Failpoints that are gone for at the same time, in different services."""
_OF_THE_LEASE: Final = frozenset(
    {"before-publish", "published-not-removed", "removed", "lease-taken"}
)
"""Places that only the holder of the relay's lease comes to: whichever process that will be."""
_OF_THE_GROUP: Final = frozenset({"positions-moved", "batch-half-done", "seek"})
"""Places that a process comes to once it has partitions and messages."""


class Failpoints:
    """Goes round the failpoints of a stand: restarts a process that is to die at the next one,
    waits until it has, and starts it again. Counts the deaths by name."""

    def __init__(self, stand: Stand, ledger: Ledger, turns: Turns, wanted: bool) -> None:
        self._stand = stand
        self._ledger = ledger
        self._turns = turns
        self._left = list(stand.failpoints) if wanted else []
        self.deaths: Counter[str] = Counter({name: 0 for name, _ in self._left})
        self._tries: Counter[str] = Counter()

    async def strike(self, until: float, *, busy: bool) -> int:
        """Kill at failpoints until then; returns how many deaths there were."""
        before = self.deaths.total()
        if busy:
            await asyncio.sleep(1.0)  # the blows first
        number = AT_ONCE if len(self._stand.processes) > 1 else 1
        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                group.create_task(self._go_round(until))
        return self.deaths.total() - before

    async def _go_round(self, until: float) -> None:
        while self._left and time.monotonic() < until - 0.5:
            # The one tried least often first; each then goes to the end.
            place = min(self._left, key=lambda place: self._tries[place[0]])
            self._tries[place[0]] += 1
            self._left.remove(place)
            await self._one(*place)
            self._left.append(place)

    async def _one(self, name: str, service: str) -> None:
        processes = self._that_may_die(name, service)
        async with AsyncExitStack() as held:
            for process in processes:
                await held.enter_async_context(self._turns[process.name])
            await self._restart(processes, f"{name}:{service}:1")
            deadline = time.monotonic() + DIES_WITHIN + _longer(name)
            while all(p.running for p in processes) and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            if not all(p.running for p in processes):
                self.deaths[name] += 1
                self._ledger.note("failpoint", place=f"{name}:{service}")
            await self._restart(processes, "")

    def _that_may_die(self, name: str, service: str) -> list[Process]:
        found = [p for p in self._stand.processes.values() if p.service == service]
        if not found or len(self._stand.processes) == 1:
            return list(self._stand.processes.values())
        return found if name in _OF_THE_LEASE else found[:1]

    async def _restart(self, processes: list[Process], failpoint: str) -> None:
        for process in processes:
            await asyncio.to_thread(process.kill)
        self._stand.before_start()
        for process in processes:
            process.environment["LEADLOOP_FAILPOINT"] = failpoint
            process.start()

    def line(self) -> str:
        """How often each was hit."""
        counted = ", ".join(f"{name} {n}" for name, n in sorted(self.deaths.items()))
        return f"failpoints: {counted or 'none'}"


def _longer(name: str) -> float:
    if name in _OF_THE_LEASE:
        return LEASE_SECONDS
    return SESSION_SECONDS if name in _OF_THE_GROUP else 0.0
