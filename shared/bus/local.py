"""The embedded bus: a durable, partitioned log in one SQLite file, for one process.

The semantics are Kafka's (``shared.bus.api``): members of a group share partitions, a partition
that moves is read on from the position that the reader's database names. Readers are woken in
memory when a write commits, so nothing polls the file.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from shared.bus.api import (
    BusUnavailable,
    Message,
    MissingTopics,
    Positions,
    Subscription,
    TopicPartition,
)
from shared.bus.local_group import LocalSubscription, share_out
from shared.bus.local_log import Encoded, LogFile, Piece, StoredTopic, Wanted, encode
from shared.contracts.topics import TOPICS

_T = TypeVar("_T")
_FLUSH = "local bus: flush"
_log = logging.getLogger(__name__)


class LocalBus:
    """A bus in the file ``path``. ``prefix`` goes before each logical topic name;
    ``maintain_every`` is in seconds."""

    def __init__(self, path: Path, prefix: str = "", *, maintain_every: float = 300.0) -> None:
        self._path = path
        self._prefix = prefix
        self._maintain_every = maintain_every
        self._file: LogFile | None = None
        self._topics: dict[str, StoredTopic] = {}  # by logical name
        self._ends: dict[TopicPartition, int] = {}
        self._groups: dict[str, list[LocalSubscription]] = {}
        self._waiting: list[tuple[Sequence[Encoded], asyncio.Future[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushing = False
        self._noted: dict[tuple[str, int, int], int] = {}

    @property
    def started(self) -> bool:
        """Whether the file is open."""
        return self._file is not None

    async def start(self) -> None:
        """Open the file. Raises BusUnavailable when another process has it; may be called again."""
        if self._file is not None:
            return
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="local-bus-write")
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix="local-bus-read")
        try:
            self._file = await _on(self._write_thread, lambda: LogFile(self._path))
            await self._load_topics()
        except BaseException:
            self._file = None
            self._write_thread.shutdown(wait=False)
            self._read_thread.shutdown(wait=False)
            raise
        self._spawn(self._maintain_for_ever())

    async def stop(self) -> None:
        """Finish the writes under way and close the file."""
        file = self._file
        if file is None:
            return
        for task in list(self._tasks):
            if task.get_name() != _FLUSH:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(BusUnavailable):
            await self._write_noted(file)
        self._file = None
        await _on(self._read_thread, lambda: None)
        await _on(self._write_thread, file.close)
        self._read_thread.shutdown()
        self._write_thread.shutdown()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write messages durably. Raises BusUnavailable, MissingTopics."""
        self._open_file()
        if not messages:
            return
        self._stored([message.topic for message in messages])
        records = [encode(self._topics[message.topic], message) for message in messages]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((records, done))
        if not self._flushing:
            self._flushing = True
            self._spawn(self._flush(), name=_FLUSH)
        await done

    async def subscribe(
        self, group: str, topics: Sequence[str], positions: Positions
    ) -> Subscription:
        """Join a group of this process. Raises BusUnavailable, MissingTopics."""
        file = self._open_file()
        stored = self._stored(topics)
        await _on(self._write_thread, lambda: file.add_group(group, stored))
        member = LocalSubscription(self, group, tuple(topics), positions)
        self._groups.setdefault(group, []).append(member)
        self._rebalance(group)
        return member

    async def check_topics(self, topics: Sequence[str]) -> None:
        """Raises MissingTopics naming each that is not there."""
        self._open_file()
        self._stored(topics)

    async def create_topics(self) -> Sequence[str]:
        """Create what the registry names and the file lacks; returns their physical names."""
        file = self._open_file()
        missing = [topic for topic in TOPICS.values() if topic.name not in self._topics]
        for topic in missing:
            name = self._prefix + topic.name
            rules = (topic.partitions, topic.retention_ms, topic.compacted)
            await _on(self._write_thread, partial(file.create_topic, name, *rules))
        await self._load_topics()
        return [self._prefix + topic.name for topic in missing]

    async def maintain(self) -> int:
        """Prune by age and compact; returns how many messages went. It runs by itself too."""
        file = self._open_file()
        await self._write_noted(file)
        now = _now_ms()
        dropped = 0
        for topic in list(self._topics.values()):
            for partition in range(topic.partitions):
                # One short transaction each: publishers wait for one at most.
                dropped += await _on(self._write_thread, partial(file.prune, topic, partition, now))
        await _on(self._write_thread, file.checkpoint)
        return dropped

    def end(self, place: TopicPartition) -> int:
        """The offset that the partition's next message gets."""
        return self._ends[place]

    def topic_id(self, topic: str) -> int:
        """The file's number of a logical topic."""
        return self._topics[topic].id

    async def read(self, wanted: Sequence[Wanted], limit: int) -> list[Piece]:
        """See LogFile.read. Raises BusUnavailable."""
        file = self._open_file()
        return await _on(self._read_thread, lambda: file.read(wanted, limit))

    def note_position(self, group: str, place: TopicPartition, position: int) -> None:
        """Remember how far a group is; written before the next pruning. Older ones, after a crash,
        only make pruning more careful."""
        self._noted[group, self._topics[place.topic].id, place.partition] = position

    def leave(self, member: LocalSubscription) -> None:
        """Take a member out of its group; its partitions go to the others."""
        members = self._groups.get(member.group, [])
        if member in members:
            members.remove(member)
            self._rebalance(member.group)

    async def _write_noted(self, file: LogFile) -> None:
        if noted := self._noted:
            self._noted = {}
            await _on(self._write_thread, lambda: file.set_positions(noted))

    def _rebalance(self, group: str) -> None:
        members = self._groups[group]
        partitions = {name: topic.partitions for name, topic in self._topics.items()}
        for member, share in share_out(members, partitions).items():
            member.assign(share)

    async def _flush(self) -> None:
        """Write what publishers wait for, all that has gathered in one transaction."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await self._write(batch)
                except Exception as error:
                    for _, done in batch:
                        if not done.done():
                            done.set_exception(BusUnavailable(f"local bus: {error}"))
                else:
                    for _, done in batch:
                        if not done.done():
                            done.set_result(None)
        finally:
            self._flushing = False

    async def _write(self, batch: Sequence[tuple[Sequence[Encoded], Any]]) -> None:
        file = self._open_file()
        records = [record for call, _ in batch for record in call]
        changed = await _on(self._write_thread, lambda: file.append(records, _now_ms()))
        names = {topic.id: name for name, topic in self._topics.items()}
        places = {TopicPartition(names[id_], p): end for (id_, p), end in changed.items()}
        self._ends.update(places)
        for members in self._groups.values():
            for member in members:
                member.wake(places)

    async def _load_topics(self) -> None:
        file = self._open_file()
        stored = await _on(self._write_thread, file.topics)
        ends = await _on(self._write_thread, file.next_offsets)
        self._topics = {
            name.removeprefix(self._prefix): topic
            for name, topic in stored.items()
            if name.startswith(self._prefix)
        }
        for name, topic in self._topics.items():
            for partition in range(topic.partitions):
                self._ends[TopicPartition(name, partition)] = ends[topic.id, partition]

    async def _maintain_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._maintain_every)
            try:
                dropped = await self.maintain()
            except BusUnavailable as error:
                _log.warning("local bus: maintenance failed", extra={"reason": str(error)})
            else:
                _log.info("local bus: maintained", extra={"dropped": dropped})

    def _stored(self, topics: Sequence[str]) -> list[StoredTopic]:
        missing = sorted({self._prefix + name for name in topics if name not in self._topics})
        if missing:
            raise MissingTopics(missing)
        return [self._topics[name] for name in topics]

    def _open_file(self) -> LogFile:
        if self._file is None:
            raise BusUnavailable("the local bus is not started")
        return self._file

    def _spawn(self, work: Any, name: str | None = None) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _on(thread: ThreadPoolExecutor, call: Callable[[], _T]) -> _T:
    """Run a blocking call on a thread. Raises BusUnavailable for what SQLite raises."""
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, call)
    except sqlite3.Error as error:
        raise BusUnavailable(f"local bus: {error}") from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
