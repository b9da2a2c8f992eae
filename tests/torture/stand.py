"""What is tortured: the distributed set or the embedded product, behind the same few calls."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError
from urllib.request import urlopen

from dev.stack import Process
from shared.contracts.topics import SERVICES, topics_read_by
from tests.torture.history import Databases, Logged

Place = tuple[str, int]


class Stand(Protocol):
    """A running product with everything that can be done to it."""

    folder: Path
    admin_key: str
    relayed: bool
    """Whether outboxes empty into a broker; otherwise they are the log."""
    failpoints: Sequence[tuple[str, str]]
    """Name and service of every place at which a process of this stand may be told to die."""
    processes: dict[str, Process]

    @property
    def databases(self) -> Databases:
        """For reading."""
        ...

    async def install_watch(self) -> None:
        """Have every position noted that moves backwards, where ``start`` did not see to it."""
        ...

    def start(self) -> None:
        """Bring it up, ready, with the watch on positions installed."""
        ...

    def stop(self) -> None:
        """End every process that was started."""
        ...

    def parts(self) -> Sequence[str]:
        """Servers beside the product's own processes that can be killed: Kafka, PostgreSQL."""
        ...

    def kill_part(self, name: str) -> None: ...

    def start_part(self, name: str) -> None: ...

    def before_start(self) -> None:
        """Called while the one process is dead, before it is started again."""
        ...

    async def read_log(self) -> list[Logged]:
        """Everything on the log, from its beginning."""
        ...

    async def ends(self) -> dict[Place, int]:
        """The offset that each partition's next message gets."""
        ...

    async def redeliver(self, event_ids: Mapping[str, str]) -> None:
        """Publish these events (id → new id) once more, as other events of the same content."""
        ...

    async def close(self) -> None:
        """Give back connections to the log."""
        ...

    async def backwards(self) -> list[str]:
        """Positions that moved backwards, in words."""
        ...

    def environment(self) -> dict[str, str]:
        """What the command line needs."""
        ...


def urls(stand: Stand, service: str) -> list[str]:
    """Addresses of the processes that serve it."""
    found = [p.url for p in stand.processes.values() if p.service == service]
    return found or [p.url for p in stand.processes.values()]


def unready(stand: Stand) -> list[str]:
    """What is not ready, in words; processes that ended by themselves too."""
    troubles = []
    for process in stand.processes.values():
        if not process.running:
            status = process.popen.returncode if process.popen is not None else None
            troubles.append(f"{process.name} has ended by itself, status {status}")
            continue
        distributed = len(stand.processes) > 1
        for service in (process.service,) if distributed else SERVICES:
            address = f"{process.url}/{service}/health/loop"
            try:
                with urlopen(address, timeout=5):
                    pass
            except URLError as error:
                body = error.read().decode() if hasattr(error, "read") else str(error)
                troubles.append(f"{process.name}: {body}")
            except OSError as error:
                troubles.append(f"{process.name}: {error}")
    return troubles


def command_line(stand: Stand, *arguments: str) -> tuple[int, str]:
    """``leadloop <arguments>``: its exit status and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy", *arguments],
        env={**os.environ, **stand.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def lag(stand: Stand) -> dict[str, int]:
    """How many messages each service has not read yet, of those that have any."""
    ends = await stand.ends()
    behind: dict[str, int] = defaultdict(int)
    for service in SERVICES:
        topics = topics_read_by(service)
        if not topics:
            continue
        rows = await stand.databases.rows(
            service, "SELECT topic, partition, position FROM consumer_offsets"
        )
        at = {(row["topic"], row["partition"]): max(0, row["position"]) for row in rows}
        for place, end in ends.items():
            if place[0] in topics:
                behind[service] += max(0, end - at.get(place, 0))
    return {service: count for service, count in behind.items() if count}


async def outboxes(stand: Stand) -> dict[str, int]:
    """How many events wait for the broker, of those services that have any."""
    waiting = {}
    for service in SERVICES if stand.relayed else ():
        rows = await stand.databases.rows(service, "SELECT count(*) AS n FROM outbox")
        waiting[service] = int(rows[0]["n"])
    return {service: count for service, count in waiting.items() if count}


def read_data(value: bytes | None) -> Any:
    """A message's JSON; an empty object for a tombstone or garbage."""
    try:
        return json.loads(value or b"{}")
    except ValueError:
        return {}


async def until(seconds: float, ready: Any, every: float = 0.1) -> bool:
    """Wait for a condition (an async call) with a deadline."""
    deadline = time.monotonic() + seconds
    while not await ready():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every)
    return True
