"""The embedded product: one process, SQLite files, whose outboxes are the log."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dev.stack import LEADLOOP, embedded
from shared.bus.local import place_of
from shared.contracts.envelope import headers_of
from shared.contracts.topics import SERVICES
from tests.torture.history import Logged, logged
from tests.torture.stand import Place, read_data, unready

WATCH = """
CREATE TABLE torture_backwards (text TEXT NOT NULL);
CREATE TRIGGER torture_moves AFTER UPDATE ON consumer_offsets
  WHEN NEW.position < OLD.position
BEGIN
  INSERT INTO torture_backwards VALUES (OLD.consumer || ': ' || OLD.topic || '[' || OLD.partition
    || '] went from ' || OLD.position || ' to ' || NEW.position || ' at ' || datetime('now'));
END;
CREATE TRIGGER torture_deletes AFTER DELETE ON consumer_offsets
BEGIN
  INSERT INTO torture_backwards VALUES (OLD.consumer || ': ' || OLD.topic || '[' || OLD.partition
    || '] went from ' || OLD.position || ' to nothing at ' || datetime('now'));
END;
"""


class SqliteReader:
    """Reads the running product's files; never writes, never checkpoints."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def rows(self, service: str, query: str) -> list[Mapping[str, Any]]:
        return await asyncio.to_thread(self.read, service, query)

    def read(self, service: str, query: str) -> list[Mapping[str, Any]]:
        connection = sqlite3.connect(f"file:{self._folder / service}.db?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA busy_timeout=5000")
            return [dict(row) for row in connection.execute(query)]
        finally:
            connection.close()


class Embedded:
    """See ``Stand``."""

    relayed = False
    failpoints = (
        *(("before-commit", service) for service in SERVICES),
        *(("after-commit", service) for service in SERVICES),
        *((name, "capture") for name in ("group-gathered", "group-committed")),
        *(
            (name, service)
            for name in ("positions-moved", "batch-half-done", "seek")
            for service in SERVICES[1:]
        ),
        *(("retention", service) for service in SERVICES),
        *(("compaction", service) for service in ("capture", "qualify")),
    )

    def __init__(self, folder: Path, command: Sequence[str] | None) -> None:
        self.folder = folder
        self.data = folder / "data"
        process = embedded(folder, command=command or LEADLOOP)
        self.processes = {process.name: process}
        self._process = process
        self.admin_key = process.environment["LEADLOOP_ADMIN_KEY"]
        self.databases = SqliteReader(self.data)
        self._log: list[Logged] = []
        self._read: dict[str, int] = {}
        self._planned: dict[str, str] = {}

    def start(self) -> None:
        """Started twice: the files must be there, and nobody at work, to put the watch on them."""
        self._process.start()
        self._wait()
        self._process.stop()
        for service in SERVICES:
            connection = sqlite3.connect(self.data / f"{service}.db")
            connection.executescript(WATCH)
            connection.close()
        self._process.start()
        self._wait()

    def _wait(self, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while trouble := unready(self):
            if time.monotonic() > deadline or not self._process.running:
                raise TimeoutError(f"{trouble}\n{self._process.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.stop()

    def parts(self) -> Sequence[str]:
        return ()

    def kill_part(self, name: str) -> None:
        raise ValueError(name)

    def start_part(self, name: str) -> None:
        raise ValueError(name)

    def before_start(self) -> None:
        """A log has one writer, so events are put on it while that one is dead."""
        planned, self._planned = self._planned, {}
        if not planned:
            return
        with closing(sqlite3.connect(self.data / "qualify.db")) as connection, connection:
            for old, new in planned.items():
                connection.execute(
                    "INSERT INTO outbox (topic, key, event_id, event_type, event_time, "
                    "traceparent, value, compacted, created_at) SELECT topic, key, ?, event_type, "
                    "event_time, traceparent, value, compacted, created_at FROM outbox "
                    "WHERE event_id = ?",
                    (new, old),
                )

    async def read_log(self) -> list[Logged]:
        for service in SERVICES:
            query = f"SELECT * FROM outbox WHERE seq > {self._read.get(service, 0)} ORDER BY seq"
            for row in await self.databases.rows(service, query):
                self._read[service] = row["seq"]
                self._keep(service, row)
        return list(self._log)

    def _keep(self, service: str, row: Mapping[str, Any]) -> None:
        headers = headers_of(
            row["event_id"], row["event_type"], service, row["event_time"], row["key"], ""
        )
        value = row["value"]
        data = read_data(value.encode() if value is not None else None)
        place = place_of(row["topic"])
        event = logged(row["topic"], place.partition, row["seq"], headers, row["key"], data)
        self._log.append(event)

    async def ends(self) -> dict[Place, int]:
        found: dict[Place, int] = {}
        for service in SERVICES:
            query = "SELECT topic, max(seq) AS seq FROM outbox GROUP BY topic"
            for row in await self.databases.rows(service, query):
                found[tuple(place_of(row["topic"]))] = row["seq"] + 1
        return found

    async def redeliver(self, event_ids: Mapping[str, str]) -> None:
        self._planned |= event_ids

    async def close(self) -> None:
        """Nothing is held."""

    async def backwards(self) -> list[str]:
        found = []
        for service in SERVICES:
            found += await self.databases.rows(service, "SELECT text FROM torture_backwards")
        return [row["text"] for row in found]

    async def install_watch(self) -> None:
        """It is there since the start."""

    def environment(self) -> dict[str, str]:
        return dict(self._process.environment)
