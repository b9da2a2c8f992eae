"""What a service is to the composition root: an application and its parts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from fastapi import FastAPI

from shared.access import Access
from shared.bus.api import Broker, Bus
from shared.bus.local import LocalBus
from shared.contracts.topics import topics_of
from shared.db.database import Database
from shared.runtime.clock import Clock
from shared.runtime.outward import Outward
from shared.runtime.parts import Part, Timer
from shared.runtime.peers import Peers
from shared.runtime.relay import Relay
from shared.runtime.retention import InboxKeeper, LogKeeper
from shared.runtime.unit import Transactions, U
from shared.web.links import Links

KEEP_SECONDS = 300
"""How often it is looked for what may be forgotten."""


@dataclass(slots=True)
class Infra:
    """What the composition root gives each service."""

    db: Database
    bus: Bus
    access: Access
    clock: Clock
    links: Links
    peers: Peers = field(default_factory=lambda: Peers(Links()))
    outward: Outward = field(default_factory=Outward)


@dataclass(slots=True)
class Service:
    """A built service. ``parts`` start in order and stop in reverse.

    ``seed`` fills an empty database with what a first visitor needs to see the product work; it
    does nothing where there is something already. It blocks.
    """

    name: str
    app: FastAPI
    db: Database
    migrations: Path
    parts: list[Part] = field(default_factory=list)
    seed: Callable[[], None] | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The logical topics that must exist."""
        return topics_of(self.name)


def standard_parts(infra: Infra, name: str, transactions: Transactions[U]) -> list[Part]:
    """What every service needs: events that leave with each commit, and old things forgotten."""
    bus, inbox = infra.bus, InboxKeeper(infra.db, name, infra.clock)
    parts: list[Part] = [Timer(f"{name}.prune", every=KEEP_SECONDS, run=inbox.run)]
    if isinstance(bus, LocalBus):
        transactions.told = partial(bus.committed, name)
        keeper = LogKeeper(name, infra.db, bus, infra.clock)
        return [*parts, Timer(f"{name}.log", every=KEEP_SECONDS, run=keeper.run)]
    relay = Relay(name, infra.db, cast(Broker, bus))
    transactions.told = lambda rows: relay.woken.set()
    return [*parts, relay]
