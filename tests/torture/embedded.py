"""The embedded product: one process, SQLite files, the local bus."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from dev.stack import LEADLOOP, embedded
from shared.bus.api import Message
from shared.bus.local_log import LogFile, encode
from shared.contracts.topics import SERVICES
from tests.torture.history import Logged, logged
from tests.torture.stand import Place, read_data, unready

PREFIX = "torture."
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

    def __init__(self, folder: Path, command: Sequence[str] | None) -> None:
        self.folder = folder
        self.data = folder / "data"
        settings = {"LEADLOOP_TOPIC_PREFIX": PREFIX}
        process = embedded(folder, command=command or LEADLOOP, settings=settings)
        self.processes = {process.name: process}
        self._process = process
        self.admin_key = process.environment["LEADLOOP_ADMIN_KEY"]
        self.databases = SqliteReader(self.data)
        self._log: list[Logged] = []
        self._raw: dict[str, tuple[str, str, bytes, dict[str, str]]] = {}
        self._read: dict[Place, int] = {}
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
        """The bus belongs to one process, so events are put on it while that one is dead."""
        planned, self._planned = self._planned, {}
        if not planned:
            return
        file = LogFile(self.data / "bus.db")
        try:
            topics = file.topics()
            records = []
            for old, new in planned.items():
                topic, key, value, headers = self._raw[old]
                message = Message(topic, key, value, {**headers, "ce_id": new})
                records.append(encode(topics[PREFIX + topic], message))
            file.append(records, int(time.time() * 1000))
        finally:
            file.close()

    async def read_log(self) -> list[Logged]:
        for (topic, partition), end in (await self.ends()).items():
            start = self._read.get((topic, partition), 0)
            if start >= end:
                continue
            query = (
                "SELECT m.offset, m.key, m.value, m.headers FROM messages m"
                f" JOIN topics t ON t.id = m.topic_id WHERE t.name = '{PREFIX}{topic}'"
                f" AND m.partition = {partition} AND m.offset >= {start} ORDER BY m.offset"
            )
            for row in await self.databases.rows("bus", query):
                self._read[topic, partition] = row["offset"] + 1
                self._keep(topic, partition, row)
        return list(self._log)

    def _keep(self, topic: str, partition: int, row: Mapping[str, Any]) -> None:
        headers = orjson.loads(row["headers"])
        data = read_data(row["value"])
        event = logged(topic, partition, row["offset"], headers, row["key"], data)
        self._log.append(event)
        if event.type == "leadloop.lead.qualified.v1":
            self._raw[event.id] = (topic, row["key"], row["value"], headers)

    async def ends(self) -> dict[Place, int]:
        query = (
            "SELECT t.name, p.partition, p.next_offset"
            " FROM partitions p JOIN topics t ON t.id = p.topic_id"
        )
        return {
            (row["name"].removeprefix(PREFIX), row["partition"]): row["next_offset"]
            for row in await self.databases.rows("bus", query)
        }

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
