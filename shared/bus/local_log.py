"""The local bus's file: topics, their partitions' messages, and how far each group is.

Everything here blocks: ``LocalBus`` calls it on threads, writes on one and reads on another. One
connection writes and checkpoints; the other is read-only and never does.
"""

import fcntl
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

import orjson

from shared.bus.api import BusUnavailable, Message, Received, TopicPartition
from shared.bus.keys import partition_of

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS topics (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL,
        retention_ms INTEGER, compacted INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS partitions (
        topic_id INTEGER NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic_id, partition)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS messages (
        topic_id INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
        key TEXT NOT NULL, value BLOB, headers BLOB NOT NULL, written_ms INTEGER NOT NULL,
        PRIMARY KEY (topic_id, partition, offset)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS group_positions (
        group_name TEXT NOT NULL, topic_id INTEGER NOT NULL, partition INTEGER NOT NULL,
        position INTEGER NOT NULL, PRIMARY KEY (group_name, topic_id, partition)) WITHOUT ROWID""",
)
_FULL: Final = 2  # PRAGMA synchronous
_TOMBSTONES_KEPT_MS: Final = 24 * 60 * 60 * 1000
"""How long a compacted topic still shows that a key was deleted; Kafka's delete.retention.ms."""


class StoredTopic(NamedTuple):
    """A topic as the file has it. ``name`` is physical."""

    id: int
    name: str
    partitions: int
    retention_ms: int | None
    compacted: bool


class Wanted(NamedTuple):
    """A piece of a partition to read: offsets from ``start`` up to, not including, ``end``."""

    place: TopicPartition
    topic_id: int
    start: int
    end: int


class Piece(NamedTuple):
    """What was read of a partition, and the offset to read on from."""

    place: TopicPartition
    messages: list[Received]
    next: int


class Encoded(NamedTuple):
    """A message as it is written."""

    topic_id: int
    partition: int
    key: str
    value: bytes | None
    headers: bytes


def encode(topic: StoredTopic, message: Message) -> Encoded:
    """The message as it is written. Raises what a message that can't be written deserves."""
    partition = partition_of(message.key.encode(), topic.partitions)
    headers = orjson.dumps(dict(message.headers))
    return Encoded(topic.id, partition, message.key, message.value, headers)


class LogFile:
    """An open log. Raises BusUnavailable when another process has it, sqlite3.Error otherwise."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path)
        try:
            self._writer = _connect(path)
            for statement in _SCHEMA:
                self._writer.execute(statement)
            self._reader = _connect(path)
            self._reader.execute("PRAGMA query_only=ON")
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Close the reader first: the last connection checkpoints, and that is the writer's."""
        self._reader.close()
        self._writer.close()
        self._lock.close()

    def topics(self) -> dict[str, StoredTopic]:
        """All topics by physical name."""
        rows = self._writer.execute(
            "SELECT id, name, partitions, retention_ms, compacted FROM topics"
        )
        return {row[1]: StoredTopic(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows}

    def next_offsets(self) -> dict[tuple[int, int], int]:
        """The offset that the next message gets, by topic id and partition."""
        rows = self._writer.execute("SELECT topic_id, partition, next_offset FROM partitions")
        return {(topic, partition): offset for topic, partition, offset in rows}

    def create_topic(
        self, name: str, partitions: int, retention_ms: int | None, compacted: bool
    ) -> None:
        """Create an empty topic."""
        with _transaction(self._writer):
            added = self._writer.execute(
                "INSERT INTO topics (name, partitions, retention_ms, compacted)"
                " VALUES (?, ?, ?, ?)",
                (name, partitions, retention_ms, compacted),
            )
            self._writer.executemany(
                "INSERT INTO partitions (topic_id, partition, next_offset) VALUES (?, ?, 0)",
                [(added.lastrowid, partition) for partition in range(partitions)],
            )

    def append(self, records: Iterable[Encoded], now_ms: int) -> dict[tuple[int, int], int]:
        """Write messages in one transaction, durable on return. Returns the next offset of each
        partition that got some, by topic id and partition."""
        changed: dict[tuple[int, int], int] = {}
        rows = []
        with _transaction(self._writer):
            for topic_id, partition, key, value, headers in records:
                place = (topic_id, partition)
                offset = changed.get(place)
                if offset is None:
                    offset = self._next_offset(place)
                rows.append((topic_id, partition, offset, key, value, headers, now_ms))
                changed[place] = offset + 1
            self._writer.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._writer.executemany(
                "UPDATE partitions SET next_offset = ? WHERE topic_id = ? AND partition = ?",
                [(offset, *place) for place, offset in changed.items()],
            )
        return changed

    def read(self, wanted: Sequence[Wanted], limit: int) -> list[Piece]:
        """The messages of these pieces in turn, until ``limit`` are found. Offsets may have gaps
        (compaction)."""
        found: list[Piece] = []
        for piece in wanted:
            if limit <= 0:
                break
            rows = self._reader.execute(
                "SELECT offset, key, value, headers FROM messages WHERE topic_id = ?"
                " AND partition = ? AND offset >= ? AND offset < ? ORDER BY offset LIMIT ?",
                (piece.topic_id, piece.place.partition, piece.start, piece.end, limit),
            )
            topic, partition = piece.place
            messages = [
                Received(topic, partition, offset, key, value, orjson.loads(headers))
                for offset, key, value, headers in rows
            ]
            cut = len(messages) == limit
            limit -= len(messages)
            found.append(
                Piece(piece.place, messages, messages[-1].offset + 1 if cut else piece.end)
            )
        return found

    def set_positions(self, positions: Mapping[tuple[str, int, int], int]) -> None:
        """Note how far groups are, by group, topic id and partition. Pruning respects it."""
        with _transaction(self._writer):
            self._writer.executemany(
                "INSERT INTO group_positions VALUES (?, ?, ?, ?) ON CONFLICT"
                " (group_name, topic_id, partition) DO UPDATE SET position = excluded.position",
                [(*place, position) for place, position in positions.items()],
            )

    def add_group(self, group: str, topics: Sequence[StoredTopic]) -> None:
        """Note that a group reads these topics, from the start where nothing is known yet."""
        with _transaction(self._writer):
            self._writer.executemany(
                "INSERT OR IGNORE INTO group_positions VALUES (?, ?, ?, 0)",
                [
                    (group, topic.id, number)
                    for topic in topics
                    for number in range(topic.partitions)
                ],
            )

    def prune(self, topic: StoredTopic, partition: int, now_ms: int) -> int:
        """Drop what the topic's rules allow in one partition; returns how many messages.

        By age only what every group has read. A compacted topic keeps the last message of each
        key, whoever has read the ones before: they are superseded, and a deleted key's data must
        not outlive its tombstone.
        """
        place = (topic.id, partition)
        read_by_all = self._writer.execute(
            "SELECT min(position) FROM group_positions WHERE topic_id = ? AND partition = ?", place
        ).fetchone()[0]
        before = read_by_all if read_by_all is not None else self._next_offset(place)
        dropped = 0
        with _transaction(self._writer):
            if topic.compacted:
                dropped += self._drop_superseded(place, before, now_ms)
            if topic.retention_ms is not None:
                dropped += self._writer.execute(
                    "DELETE FROM messages WHERE topic_id = ? AND partition = ? AND offset < ?"
                    " AND written_ms < ?",
                    (*place, before, now_ms - topic.retention_ms),
                ).rowcount
        return dropped

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it: pruned data is gone then."""
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _drop_superseded(self, place: tuple[int, int], before: int, now_ms: int) -> int:
        superseded = self._writer.execute(
            "DELETE FROM messages WHERE topic_id = ? AND partition = ? AND offset NOT IN"
            " (SELECT max(offset) FROM messages WHERE topic_id = ? AND partition = ? GROUP BY key)",
            (*place, *place),
        )
        tombstones = self._writer.execute(
            "DELETE FROM messages WHERE topic_id = ? AND partition = ? AND value IS NULL"
            " AND offset < ? AND written_ms < ?",
            (*place, before, now_ms - _TOMBSTONES_KEPT_MS),
        )
        return superseded.rowcount + tombstones.rowcount

    def _next_offset(self, place: tuple[int, int]) -> int:
        row = self._writer.execute(
            "SELECT next_offset FROM partitions WHERE topic_id = ? AND partition = ?", place
        ).fetchone()
        return int(row[0])


class _transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when the block raises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
                return
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time; isolation_level None: we write BEGIN.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous=FULL")
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or synchronous != _FULL:
        connection.close()
        raise RuntimeError(f"{path}: journal {mode}, synchronous {synchronous}: not durable")
    connection.execute("PRAGMA secure_delete=ON")  # erased personal data leaves no bytes behind
    return connection


def _lock(path: Path) -> IO[bytes]:
    """Offsets and wake-ups live in one process's memory: nobody else may write this file."""
    lock = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise BusUnavailable(f"another process uses the local bus {path}") from error
    return lock
