"""The embedded bus with outboxes of real databases to write to."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from shared.bus.api import Message
from shared.bus.local import LocalBus
from shared.contracts.ids import new_id
from shared.contracts.topics import TOPICS
from shared.db import outbox
from shared.db.database import Database
from shared.db.migrations import migrate

MIGRATIONS = Path(__file__).parent / "migrations"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class EmbeddedLog(LocalBus):
    """``publish`` does what the product's transactions do: it writes to the outbox of a topic's
    owner, and hands over what it has committed."""

    def __init__(self, folder: Path, *given: Database) -> None:
        super().__init__(self.database)
        self._folder = folder
        self._given = {db.service: db for db in given}
        self._opened: dict[str, Database] = {}

    def database(self, service: str) -> Database:
        """A writer's database, migrated."""
        if service in self._given:
            return self._given[service]
        if service not in self._opened:
            db = self._opened[service] = Database.open(f"sqlite:{self._folder}", service)
            migrate(db, MIGRATIONS)
        return self._opened[service]

    async def publish(self, messages: Sequence[Message], at: datetime | None = None) -> None:
        """Write messages, one transaction for each run of one owner."""
        for owner, run in groupby(messages, key=lambda m: TOPICS[m.topic].owner):
            db = self.database(owner)
            await db.on_writer(partial(self.write, db, list(run), at))

    def write(self, db: Database, messages: Sequence[Message], at: datetime | None = None) -> None:
        """``publish`` on the thread of the caller, to one owner's outbox."""
        with db.begin() as conn:
            events: list[Any] = [_Raw(message) for message in messages]
            rows = outbox.add(conn, db.service, events, at or datetime.now(UTC))
        self.committed(db.service, rows)

    async def stop(self) -> None:
        await super().stop()
        for db in self._opened.values():
            db.close()
        self._opened.clear()


class _Raw:
    """Any bytes, in the shape of an event."""

    def __init__(self, message: Message) -> None:
        headers = message.headers
        self.data = self
        self.topic = message.topic
        self.id = headers.get("ce_id") or new_id()
        self.type = headers.get("ce_type", "test")
        self.traceparent = headers.get("traceparent", TRACE)
        self._message = message

    def key(self) -> str:
        return self._message.key

    def stamp(self) -> str:
        return self._message.headers.get("ce_time", "2026-03-01T12:00:00Z")

    def value(self) -> bytes:
        return self._message.value or b""
