"""Processes that die on purpose at named places, each in its turn."""

import asyncio
import time
from collections import Counter
from typing import Final

from tests.torture.chaos import Turns
from tests.torture.ledger import Ledger
from tests.torture.stand import Stand

DIES_WITHIN: Final = 4.0
"""Seconds of load in which a process should come to the place it is to die at."""


class Failpoints:
    """Goes round the failpoints of a stand: restarts a process that is to die at the next one,
    waits until it has, and starts it again. Counts the deaths by name."""

    def __init__(self, stand: Stand, ledger: Ledger, turns: Turns, wanted: bool) -> None:
        self._stand = stand
        self._ledger = ledger
        self._turns = turns
        self._left = list(stand.failpoints) if wanted else []
        self.deaths: Counter[str] = Counter({name: 0 for name, _ in self._left})

    async def strike(self, until: float, *, busy: bool) -> int:
        """Kill at failpoints until then; returns how many deaths there were."""
        before = self.deaths.total()
        if busy:
            await asyncio.sleep(1.0)  # the blows first
        while self._left and time.monotonic() < until - 0.5:
            # The rarest first, so that all are hit as often.
            self._left.sort(key=lambda place: self.deaths[place[0]])
            await self._one(*self._left[0])
        return self.deaths.total() - before

    async def _one(self, name: str, service: str) -> None:
        self._left.append(self._left.pop(0))
        process = next(
            (p for p in self._stand.processes.values() if p.service == service),
            next(iter(self._stand.processes.values())),
        )
        async with self._turns[process.name]:
            await asyncio.to_thread(process.kill)
            self._stand.before_start()
            process.environment["LEADLOOP_FAILPOINT"] = f"{name}:{service}:1"
            process.start()
            deadline = time.monotonic() + DIES_WITHIN
            while process.running and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            died = not process.running
            del process.environment["LEADLOOP_FAILPOINT"]
            if died:
                self.deaths[name] += 1
                self._ledger.note("failpoint", target=process.name, place=f"{name}:{service}")
            else:
                await asyncio.to_thread(process.kill)
            self._stand.before_start()
            process.start()

    def line(self) -> str:
        """How often each was hit."""
        counted = ", ".join(f"{name} {n}" for name, n in sorted(self.deaths.items()))
        return f"failpoints: {counted or 'none'}"
