"""The distributed set: processes of ``dev.stack`` on a real PostgreSQL and a real Kafka."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from psycopg.rows import dict_row

from dev.stack import Stack
from shared.contracts.topics import SERVICES, TOPICS
from tests.torture.history import Logged, logged
from tests.torture.stand import Place, read_data

PREFIX = "torture."
WATCH = """
CREATE SCHEMA torture;
CREATE TABLE torture.backwards (text text NOT NULL);
CREATE FUNCTION torture.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO torture.backwards VALUES (format('%s: %s[%s] went from %s to %s at %s',
    TG_TABLE_SCHEMA, OLD.topic, OLD.partition, OLD.position,
    CASE WHEN TG_OP = 'DELETE' THEN 'nothing' ELSE NEW.position::text END, clock_timestamp()));
  RETURN NULL;
END $$;
"""
WATCH_ONE = """
CREATE TRIGGER torture_moves AFTER UPDATE ON "{0}".consumer_offsets FOR EACH ROW
  WHEN (NEW.position < OLD.position) EXECUTE FUNCTION torture.note();
CREATE TRIGGER torture_deletes AFTER DELETE ON "{0}".consumer_offsets FOR EACH ROW
  EXECUTE FUNCTION torture.note();
"""


class PostgresReader:
    """Reads each service's schema. A new connection each time: the server dies now and then."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def rows(self, service: str, query: str) -> list[Mapping[str, Any]]:
        return await asyncio.to_thread(self.read, service, query)

    def read(self, service: str, query: str) -> list[Mapping[str, Any]]:
        options = (
            f"-c search_path={service} -c default_transaction_read_only=on "
            "-c statement_timeout=20000 -c timezone=UTC"
        )
        with psycopg.connect(
            self._url, connect_timeout=5, options=options, row_factory=dict_row
        ) as connection:
            found: list[Mapping[str, Any]] = list(connection.execute(query))
            return found


class Distributed:
    """See ``Stand``."""

    relayed = True
    failpoints = (
        *(("before-commit", service) for service in SERVICES),
        *(("after-commit", service) for service in SERVICES),
        *((name, "capture") for name in ("group-gathered", "group-committed")),
        *(
            (name, service)
            for name in ("before-publish", "published-not-removed", "removed", "lease-taken")
            for service in SERVICES
        ),
        *(
            (name, service)
            for name in ("positions-moved", "batch-half-done", "seek")
            for service in SERVICES[1:]
        ),
    )

    def __init__(
        self, folder: Path, replicas: int | Mapping[str, int], command: Sequence[str] | None
    ) -> None:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it is killed here, on purpose
        self.folder = folder
        numbers = dict.fromkeys(SERVICES, replicas) if isinstance(replicas, int) else replicas
        extra: dict[str, Any] = {"settings": {"LEADLOOP_TOPIC_PREFIX": PREFIX}}
        if command is not None:
            extra["command"] = command
        self._stack = Stack(folder / "stack", replicas=numbers, **extra)
        self.admin_key = self._stack.admin_key
        self.processes = self._stack.processes
        self._log: list[Logged] = []
        self._raw: dict[str, Any] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._next: dict[TopicPartition, int] = {}
        self._turn = asyncio.Lock()

    def start(self) -> None:
        try:
            self._stack.start()
        except BaseException:
            self._stack.stop()
            raise

    @property
    def databases(self) -> PostgresReader:
        return PostgresReader(self._stack.database_url)

    async def install_watch(self) -> None:
        """Triggers that note every position that moves backwards or is forgotten."""
        with psycopg.connect(self._stack.database_url, autocommit=True) as connection:
            connection.execute(WATCH)
            for service in SERVICES:
                connection.execute(WATCH_ONE.format(service))

    def stop(self) -> None:
        self._stack.stop()

    def parts(self) -> Sequence[str]:
        return ("kafka", "postgres")

    def kill_part(self, name: str) -> None:
        getattr(self._stack, name).kill()

    def start_part(self, name: str) -> None:
        getattr(self._stack, name).start()

    def before_start(self) -> None:
        """Nothing: the log takes messages at any time."""

    async def read_log(self) -> list[Logged]:
        async with self._reading() as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            behind = [place for place, end in ends.items() if self._next.get(place, 0) < end]
            while behind:
                batches = await consumer.getmany(*behind, timeout_ms=2000)
                if not batches:
                    raise TimeoutError(f"nothing to be read of {behind}")
                for place, batch in batches.items():
                    for record in batch:
                        self._keep(record)
                    self._next[place] = batch[-1].offset + 1
                behind = [place for place in behind if self._next.get(place, 0) < ends[place]]
        return list(self._log)

    async def ends(self) -> dict[Place, int]:
        async with self._reading() as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
        return {(p.topic.removeprefix(PREFIX), p.partition): end for p, end in ends.items()}

    async def redeliver(self, event_ids: Mapping[str, str]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._stack.kafka.bootstrap, acks="all")
        try:
            await producer.start()
            for old, new in event_ids.items():
                record = self._raw[old]
                headers = [(k, new.encode() if k == "ce_id" else v) for k, v in record.headers]
                await producer.send_and_wait(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=headers,
                    partition=record.partition,
                )
        finally:
            await producer.stop()

    async def close(self) -> None:
        async with self._turn:
            consumer, self._consumer = self._consumer, None
            if consumer is not None:
                await consumer.stop()

    async def backwards(self) -> list[str]:
        rows = await self.databases.rows("torture", "SELECT text FROM backwards")
        return [row["text"] for row in rows]

    def environment(self) -> dict[str, str]:
        return dict(self._stack.environment)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        """The consumer at where it was. After any error it is a new one the next time."""
        async with self._turn:
            try:
                if self._consumer is None:
                    self._consumer = await self._new_consumer()
                async with asyncio.timeout(15):
                    yield self._consumer
            except BaseException:
                consumer, self._consumer = self._consumer, None
                if consumer is not None:
                    await consumer.stop()
                raise

    async def _new_consumer(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._stack.kafka.bootstrap,
            enable_auto_commit=False,
            request_timeout_ms=5000,
        )
        try:
            await consumer.start()
            places = [
                TopicPartition(PREFIX + topic.name, number)
                for topic in TOPICS.values()
                for number in range(topic.partitions)
            ]
            consumer.assign(places)
            for place in places:
                consumer.seek(place, self._next.get(place, 0))
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    def _keep(self, record: Any) -> None:
        headers = {name: value.decode() for name, value in record.headers}
        event = logged(
            record.topic.removeprefix(PREFIX),
            record.partition,
            record.offset,
            headers,
            (record.key or b"").decode(),
            read_data(record.value),
        )
        self._log.append(event)
        if event.type == "leadloop.lead.qualified.v1":
            self._raw[event.id] = record
