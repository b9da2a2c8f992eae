"""What goes wrong in a round, and when: drawn from the seed, carried out on the stand."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.torture.ledger import Ledger
from tests.torture.stand import Stand

FREEZE_SECONDS: Final = 12.5
"""Longer than the session of a consumer (10 s), so that its partitions go to another one."""


@dataclass(frozen=True, slots=True)
class Blow:
    """``at`` seconds into the round, ``target`` goes down for ``down`` seconds. ``kind``: kill (a
    process), stop (SIGTERM, as in an update), freeze (SIGSTOP, then SIGCONT), part (PostgreSQL or
    Kafka, killed)."""

    at: float
    kind: str
    target: str
    down: float


def plan(random: Random, number: int, stand: Stand, seconds: float, only: str = "") -> list[Blow]:
    """The blows of round ``number`` (from 1). ``only`` restricts them to one kind: ``freeze``
    or ``none``."""
    names = sorted(stand.processes)
    if only == "none":
        return []
    if only == "freeze":
        return [Blow(1.0, "freeze", "qualify-1", FREEZE_SECONDS)]
    if len(names) == 1:
        times = sorted(random.uniform(0.4, seconds * 0.9) for _ in range(random.choice([1, 1, 2])))
        kind = "stop" if number % 5 == 4 else "kill"
        return [Blow(at, kind, names[0], random.uniform(0, 0.3)) for at in times]
    blows = [
        Blow(
            at=random.uniform(0.2, seconds * 0.6),
            kind=random.choice(["kill", "kill", "kill", "stop"]),
            target=name,
            down=random.uniform(0, 1.0),
        )
        for name in random.sample(names, random.choice([1, 2, 2, 3]))
    ]
    hit = {blow.target for blow in blows}
    whole = [name for name in names if name not in hit]
    if number % 5 == 3 and whole:
        at = random.uniform(0.2, 1.0)
        blows.append(Blow(at, "freeze", random.choice(whole), FREEZE_SECONDS))
    parts = sorted(stand.parts())
    if number % 5 in (2, 4) and parts:
        part = parts[number // 2 % len(parts)]
        at = random.uniform(0.5, seconds * 0.5)
        blows.append(Blow(at, "part", part, random.uniform(0.2, 1.5)))
    return sorted(blows, key=lambda blow: blow.at)


def length(blows: Sequence[Blow], seconds: float) -> float:
    """How long the load goes on: past every freeze, since zombies must meet fresh work."""
    freezes = [blow.at + blow.down + 1.5 for blow in blows if blow.kind == "freeze"]
    return max([seconds, *freezes])


Turns = Mapping[str, asyncio.Lock]
"""Whoever ends and starts a process holds its lock."""


async def strike(stand: Stand, ledger: Ledger, blows: Sequence[Blow], turns: Turns) -> None:
    """Carry a plan out. Returns when everything has been started again (not when it is ready)."""
    async with asyncio.TaskGroup() as group:
        for blow in blows:
            group.create_task(_after(stand, ledger, blow, turns[blow.target]))


async def _after(stand: Stand, ledger: Ledger, blow: Blow, turn: asyncio.Lock) -> None:
    await asyncio.sleep(blow.at)
    async with turn:  # the same one twice: again once it is back
        await _one(stand, ledger, blow)


async def _one(stand: Stand, ledger: Ledger, blow: Blow) -> None:
    ledger.note(blow.kind, target=blow.target)
    if blow.kind == "part":
        await asyncio.to_thread(stand.kill_part, blow.target)
        await asyncio.sleep(blow.down)
        await asyncio.to_thread(stand.start_part, blow.target)
    elif blow.kind == "freeze":
        stand.processes[blow.target].signal(signal.SIGSTOP)
        await asyncio.sleep(blow.down)
        stand.processes[blow.target].signal(signal.SIGCONT)
    else:
        process = stand.processes[blow.target]
        if blow.kind == "stop":
            status = await asyncio.to_thread(process.stop)
            if status not in (0, -signal.SIGTERM):  # it may not yet be far enough to do better
                ledger.refusal(f"SIGTERM to {blow.target}", status or -1, process.tail(5))
        else:
            await asyncio.to_thread(process.kill)
        await asyncio.sleep(blow.down)
        stand.before_start()
        stand.processes[blow.target].start()
    ledger.note("back", target=blow.target)


def words(blows: Sequence[Blow]) -> str:
    """``capture-2, postgres, ~routing-1, (qualify-1)`` (``~``: frozen, in brackets: SIGTERM)."""
    patterns = {"freeze": "~{}", "stop": "({})"}
    return ", ".join(patterns.get(b.kind, "{}").format(b.target) for b in blows) or "nothing"
