"""Every example of every topic through the real handlers of every service that reads it."""

import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from shared.access import Access
from shared.bus.api import Received
from shared.bus.keys import partition_of
from shared.contracts import examples
from shared.contracts.topics import SERVICES, TOPICS, topics_read_by
from shared.db import dead_letters, inbox
from shared.db.database import Database
from shared.db.migrations import migrate
from shared.runtime.clock import SystemClock
from shared.runtime.consumer import Consumer
from shared.runtime.service import Infra, Service
from shared.web.links import Links

READERS = [(reader, topic.name) for topic in TOPICS.values() for reader in topic.readers]

STORY = (
    "definition.published",
    "lead.captured",
    "lead.contact",
    "lead.qualification",
    "lead.handoff",
    "lead.feedback",
    "definition.proposed",
)
"""The topics in the order in which a lead passes through them."""


@asynccontextmanager
async def _built(name: str, url: str) -> AsyncIterator[tuple[Service, Consumer[Any]]]:
    """The service as the product builds it, on a migrated and seeded database."""
    nothing: Any = None
    async with Access.open(url) as access:
        infra = Infra(Database.open(url, name), nothing, access, SystemClock(), Links.parse(""))
        settings = importlib.import_module(f"services.{name}.settings").Settings()
        service: Service = importlib.import_module(f"services.{name}.service").build(
            settings, infra
        )
        migrate(service.db, service.migrations)
        if service.seed is not None:
            service.seed()
        (consumer,) = [part for part in service.parts if isinstance(part, Consumer)]
        yield service, consumer
        service.db.close()


def _messages(topic: str, *, more: bool = False) -> list[Received]:
    """A topic's examples as the bus would deliver them; ``more``: with fields of the future."""
    found = []
    for offset, model in enumerate(TOPICS[topic].types):
        headers, value = examples.message(model.type)
        if more:
            value = orjson.dumps({**orjson.loads(value), "of_the_future": [1, {"a": None}]})
        key = headers["ce_subject"]
        partition = partition_of(key.encode(), TOPICS[topic].partitions)
        found.append(Received(topic, partition, offset, key, value, headers))
    return found


async def _deliver(consumer: Consumer[Any], messages: Sequence[Received]) -> None:
    await consumer._load(sorted({m.place for m in messages}))
    await consumer.process(messages)


async def _dead(service: Service) -> list[str]:
    letters = await service.db.read(dead_letters.listed)
    return [f"{letter.event_type}: {letter.reason}" for letter in letters]


def test_every_service_that_reads_a_topic_is_in_here() -> None:
    assert {reader for reader, _ in READERS} == {n for n in SERVICES if topics_read_by(n)}
    assert {topic for _, topic in READERS} == set(STORY)


@pytest.mark.parametrize(("name", "topic"), READERS)
async def test_a_reader_takes_each_example_of_a_topic(
    name: str, topic: str, database_url: str
) -> None:
    """On its own: whatever else has or has not happened, an event is no reason to stop."""
    async with _built(name, database_url) as (service, consumer):
        await _deliver(consumer, _messages(topic, more=True))
        assert await _dead(service) == []


@pytest.mark.parametrize("name", [name for name in SERVICES if topics_read_by(name)])
async def test_a_reader_takes_the_whole_story_and_hears_it_twice_without_harm(
    name: str, database_url: str
) -> None:
    async with _built(name, database_url) as (service, consumer):
        for topic in STORY:
            if name in TOPICS[topic].readers:
                messages = _messages(topic)
                await _deliver(consumer, messages)
                again = [
                    Received(m.topic, m.partition, m.offset + 100, m.key, m.value, m.headers)
                    for m in messages
                ]
                await _deliver(consumer, again)
        assert await _dead(service) == []
        with service.db.begin() as conn:
            handled = [
                m.headers["ce_id"]
                for topic in topics_read_by(name)
                for m in _messages(topic)
                if m.headers["ce_type"] in consumer._handlers
            ]
            assert handled
            assert inbox.fresh(conn, consumer.group, handled) == set()


@pytest.mark.parametrize(("name", "topic"), READERS)
async def test_a_reader_has_a_handler_for_something_of_each_topic_it_reads(
    name: str, topic: str, tmp_path: Any
) -> None:
    async with _built(name, f"sqlite:{tmp_path}") as (_, consumer):
        handled = set(consumer._handlers)
        assert handled & {model.type for model in TOPICS[topic].types}
        readable = {m.type for t in topics_read_by(name) for m in TOPICS[t].types}
        assert handled <= readable, "a handler for what never comes"
