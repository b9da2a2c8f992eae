"""Shared fixtures: a real PostgreSQL, a real Kafka, a real Chromium, a database and a bus.

A part that can't start skips its tests and says what is missing; with ``CI`` or
``LEADLOOP_REQUIRE_PARTS`` set it fails them. ``KAFKA_BOOTSTRAP_SERVERS`` and
``LEADLOOP_TEST_POSTGRES_URL`` name servers to use in place of our own.

- ``database_url``: runs the test twice, on a fresh SQLite folder and on a fresh PostgreSQL
  database. ``@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)`` picks one.
- ``bus_url``: the same with ``local`` and ``kafka``; ``bus`` is a started bus on it, which has
  ``publish`` in both cases, with a prefix that no other test has and the topics created.
"""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import pytest_asyncio
from hypothesis import settings

from dev.parts.kafka import Kafka
from dev.parts.postgres import Postgres, create_database, drop_database
from dev.parts.process import PartFailed
from shared.bus.open import open_bus
from tests.shared.toy.embedded import EmbeddedLog

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("leadloop", deadline=None)
settings.load_profile("leadloop")

CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _missing(part: str, why: str) -> NoReturn:
    """Skip, or fail where every part has to be there."""
    text = f"{part} is missing: {why}"
    if os.environ.get("CI") or os.environ.get("LEADLOOP_REQUIRE_PARTS"):
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run in which no test ran to its end has shown nothing: it fails."""
    if hasattr(session.config, "workerinput"):
        return  # one of several processes: the one that gathers their reports decides
    if exitstatus == pytest.ExitCode.OK and not session.config.option.collectonly:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        ran = reporter and any(reporter.stats.get(kind) for kind in ("passed", "xfailed"))
        if not ran:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL's maintenance database."""
    if given := os.environ.get("LEADLOOP_TEST_POSTGRES_URL"):
        yield given
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(Postgres())
        except PartFailed as failure:
            _missing("PostgreSQL", str(failure))
        yield server.url


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """``host:port`` of a real Kafka."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(Kafka())
        except PartFailed as failure:
            _missing("Kafka", str(failure))
        yield server.bootstrap


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a real Chromium, for Playwright's ``executable_path``."""
    given = os.environ.get("CHROMIUM")
    found = given or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found or not Path(found).exists():
        _missing("Chromium", "no `chromium` on PATH and no CHROMIUM in the environment")
    return found


@pytest.fixture(scope="session")
def chromium_args() -> list[str]:
    """What to launch it with: no sandbox (root), no traffic of its own."""
    return list(CHROMIUM_ARGS)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database URL nobody else has, of each kind in turn."""
    if request.param == "sqlite":
        folder = tmp_path / "databases"
        folder.mkdir()
        yield f"sqlite:{folder}"
        return
    server: str = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    yield create_database(server, name)
    drop_database(server, name)


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where a bus is. ``data`` is the folder of the writers' databases that a local one reads."""

    url: str
    prefix: str
    data: Path

    def open(self) -> Any:
        """A bus that can be written to, on the same topics each time."""
        if self.url == "local:":
            return EmbeddedLog(self.data)
        return open_bus(self.url, self.prefix, _no_database)


@pytest.fixture(params=["local", "kafka"])
def bus_url(request: pytest.FixtureRequest, tmp_path: Path) -> BusAddress:
    """Where a bus is, of each kind in turn, with a prefix of its own."""
    prefix = f"t{uuid.uuid4().hex[:12]}."
    if request.param == "local":
        return BusAddress("local:", prefix, tmp_path)
    return BusAddress(f"kafka://{request.getfixturevalue('kafka')}", prefix, tmp_path)


def _no_database(service: str) -> NoReturn:
    raise AssertionError(f"a broker needs no database of {service}")


@pytest_asyncio.fixture
async def bus(bus_url: BusAddress) -> AsyncIterator[Any]:
    """A started bus whose topics exist."""
    bus = bus_url.open()
    await bus.start()
    await bus.create_topics()
    yield bus
    await bus.stop()
