"""What a service is to the composition root: an application and its parts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI

from shared.access import Access
from shared.bus.api import Bus
from shared.contracts.topics import topics_of
from shared.db import inbox
from shared.db.engine import Database
from shared.runtime.clock import Clock
from shared.runtime.parts import Part, Timer
from shared.runtime.relay import Relay
from shared.runtime.unit_of_work import Transactions, U
from shared.web.links import Links

INBOX_DAYS = 45
"""Longer than any topic keeps a message, so that no repeat outlives its inbox row."""


@dataclass(slots=True)
class Infra:
    """What the composition root gives each service."""

    db: Database
    bus: Bus
    access: Access
    clock: Clock
    links: Links


@dataclass(slots=True)
class Service:
    """A built service. ``parts`` start in order and stop in reverse.

    ``seed`` fills an empty database with what a first visitor needs to see the product work; it
    does nothing where there is something already.
    """

    name: str
    app: FastAPI
    db: Database
    migrations: Path
    parts: list[Part] = field(default_factory=list)
    seed: Callable[[], Awaitable[None]] | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The logical topics that must exist."""
        return topics_of(self.name)


def standard_parts(infra: Infra, transactions: Transactions[U]) -> list[Part]:
    """What every service needs: its relay, and the pruning of its inbox."""

    async def prune_inbox() -> int:
        oldest = infra.clock.now() - timedelta(days=INBOX_DAYS)
        async with infra.db.write() as conn:
            await inbox.prune(conn, str(_first_id_of(int(oldest.timestamp()))))
        return 0

    name = transactions.service
    return [
        Relay(name, infra.db, infra.bus, transactions.woken),
        Timer(f"{name}.prune", every=3600, run=prune_inbox),
    ]


def _first_id_of(second: int) -> UUID:
    """The smallest UUIDv7 (RFC 9562: milliseconds in its first 48 bits) of a Unix second."""
    return UUID(int=(second * 1000) << 80)
