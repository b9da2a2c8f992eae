"""Marketing's programs, as the documentation has them, are killed under load and come back: none
misses an event, and those of each lead come in their order."""

import asyncio
import json
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks import Webhook as Verifier

from services.feedback.domain import webhooks
from shared.bus.kafka import KafkaBus
from shared.contracts.vocabulary import RejectReason
from shared.runtime.clock import SystemClock
from tests.services.feedback.lives import Life
from tests.services.feedback.marketing import Marketing, open_marketing
from tests.shared.runtime.receivers import Receiver

DOCUMENT = Path(__file__).parents[3] / "docs" / "feedback-events.md"
LEADS, ANSWERS = 24, 8
EVENTS = LEADS * ANSWERS


def example(chapter: str) -> str:
    """The program that a chapter of the document shows."""
    text = DOCUMENT.read_text().partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```(?:python|sh)\n(.*?)```", text, re.DOTALL)
    return str(code)


@dataclass
class Program:
    """A program of the document, run again whenever it ends, and killed."""

    folder: Path
    command: Sequence[str]
    environment: dict[str, str]
    lives: int = 0
    process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """For ever."""
        with (self.folder / "out").open("ab") as out:
            while True:
                self.lives += 1
                self.process = await asyncio.create_subprocess_exec(
                    *self.command,
                    cwd=self.folder,
                    env={**os.environ, **self.environment},
                    stdout=out,
                    start_new_session=True,
                )
                await self.process.wait()
                await asyncio.sleep(0.05)

    def kill(self) -> bool:
        """As a crash would: it and its children. Whether it was running."""
        if self.process is None or self.process.returncode is not None:
            return False
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


@dataclass
class Wanted:
    """What a way of listening has told so far: ids and leads in the order of their first coming."""

    read: Callable[[], list[tuple[str, str]]]
    kill: Callable[[], bool]

    def first(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys(self.read()))


@pytest_asyncio.fixture
async def marketing(database_url: str, kafka: str) -> AsyncIterator[Marketing]:
    bus = KafkaBus(kafka, f"t{uuid.uuid4().hex[:12]}.")
    await bus.start()
    await bus.create_topics()
    async with open_marketing(database_url, SystemClock(), bus) as made:
        yield made
    await bus.stop()


async def load(marketing: Marketing, pause: float) -> None:
    """Sales turns each lead down again and again, all leads in turns."""
    lives = [Life().captured().qualified() for _ in range(LEADS)]
    for _ in range(ANSWERS):
        for life in lives:
            life.assigned().rejected(RejectReason.WRONG_TERRITORY)
    told = [0] * LEADS
    for turn in range(ANSWERS):
        for at, life in enumerate(lives):
            upto = 2 + 2 * (turn + 1)
            await marketing.feedback.read(life.events[told[at] : upto])
            told[at] = upto
            await asyncio.sleep(pause)


def ids(lines: str) -> list[tuple[str, str]]:
    """Ids and leads of events, one JSON a line; a line that a kill has cut is none."""
    found = []
    for line in lines.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        for one in event.get("items", [event]):
            found.append((one["id"], one["subject"]))
    return found


@asynccontextmanager
async def programs(some: Sequence[Program]) -> AsyncIterator[None]:
    """Have them run meanwhile."""
    running = [asyncio.create_task(one.run()) for one in some]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        for one in some:
            one.kill()
        await asyncio.gather(*running, return_exceptions=True)


@dataclass
class Hook(Receiver):
    """A receiver that dies and comes back at the same port."""

    server: Any = None
    taken: list[tuple[str, str]] = field(default_factory=list)

    def die(self) -> bool:
        self.server.close()
        return True

    async def open(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    def events(self) -> list[tuple[str, str]]:
        return ids("\n".join(body.decode() for _, _, body in self.requests))


def program(folder: Path, name: str, *command: str, **environment: str) -> Program:
    place = folder / name
    place.mkdir()
    return Program(place, command, environment)


def read(place: Path) -> str:
    return place.read_text() if place.exists() else ""


def printed(place: Path) -> list[tuple[str, str]]:
    """What the Kafka program says: an id and a lead a line."""
    lines = read(place).splitlines()
    return [(one[0], one[1]) for one in map(str.split, lines) if len(one) == 2]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_whoever_is_killed_misses_nothing(
    marketing: Marketing, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "FIRST_WAIT", timedelta(seconds=0.2))
    web = {"KEY": marketing.key, "BASE": marketing.url}
    prefix = marketing.service.parts[0]._bus._prefix  # type: ignore[attr-defined]
    topic = program(
        *(tmp_path, "kafka", sys.executable, "-c", example("Kafka")),
        KAFKA=kafka,
        TOPIC=f"{prefix}lead.feedback",
    )
    cursor = program(tmp_path, "cursor", "sh", "-c", example("Cursor"), **web)
    stream = program(tmp_path, "stream", "sh", "-c", example("Stream"), **web)
    hook = Hook()
    await hook.open()
    secret = (await marketing.webhook(hook.url))["secret"]
    ways = {
        "kafka": Wanted(lambda: printed(topic.folder / "out"), topic.kill),
        "cursor": Wanted(lambda: ids(read(cursor.folder / "pages.json")), cursor.kill),
        "stream": Wanted(lambda: ids(read(stream.folder / "stream.json")), stream.kill),
        "webhook": Wanted(hook.events, hook.die),
    }
    async with programs([topic, cursor, stream]):
        loading = asyncio.create_task(load(marketing, 0.005))
        for share in (0.15, 0.5):
            for way in ways.values():
                await until(lambda: len(way.first()) >= EVENTS * share)  # noqa: B023
                await until(way.kill)
            await asyncio.sleep(0.3)
            hook.die()
            await hook.open()
        await loading
        for name, way in ways.items():
            await until(lambda: len(way.first()) >= EVENTS, name)  # noqa: B023
    assert min(topic.lives, cursor.lives, stream.lives) >= 3
    log = [(event["id"], event["subject"]) for event in await marketing.events()]
    assert len(log) == EVENTS
    for name, way in ways.items():
        assert set(way.first()) == set(log), name
        assert by_lead(way.first()) == by_lead(log), name
    _, headers, body = hook.requests[-1]
    Verifier(secret).verify(body, headers)


async def until(check: Callable[[], bool], what: str = "") -> None:
    try:
        async with asyncio.timeout(40):
            while not check():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what}: not all came") from None


def by_lead(events: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    leads: dict[str, list[str]] = {}
    for event_id, lead in events:
        leads.setdefault(lead, []).append(event_id)
    return leads
