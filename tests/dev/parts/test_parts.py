"""The real servers that tests, stack and torture run on: started, killed, restarted, read back."""

from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from dev.parts.kafka import Kafka
from dev.parts.postgres import Postgres, create_database, drop_database
from dev.parts.process import PartFailed, free_port


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path / "pg") as server:
        yield server


def _fetch(url: str, statement: LiteralString) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(statement)
        row = found.fetchone() if found.description else None
        return row[0] if row else None


async def test_postgres_keeps_what_it_confirmed_through_a_kill(own_postgres: Postgres) -> None:
    url = create_database(own_postgres.url, "kept")
    _fetch(url, "CREATE TABLE t AS SELECT 7 AS n")
    port = own_postgres.port
    own_postgres.kill()
    assert own_postgres.pid is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgres.start()
    assert own_postgres.port == port
    assert _fetch(url, "SELECT n FROM t") == 7


async def test_postgres_runs_with_the_settings_that_durability_needs(postgres: str) -> None:
    assert _fetch(postgres, "SHOW synchronous_commit") == "on"
    assert _fetch(postgres, "SHOW fsync") == "on"
    assert _fetch(postgres, "SHOW max_connections") == "200"


async def test_a_dropped_database_is_gone_even_while_connected(postgres: str) -> None:
    url = create_database(postgres, "going")
    with psycopg.connect(url):
        drop_database(postgres, "going")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(url)


async def test_database_url_is_a_fresh_database(database_url: str, tmp_path: Path) -> None:
    if database_url.startswith("sqlite:"):
        assert database_url == f"sqlite:{tmp_path}/databases"
    else:
        count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert _fetch(database_url, count) == 0


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with Kafka(tmp_path / "one") as first, pytest.raises(PartFailed, match="in use"):
        Kafka(tmp_path / "two", port=first.port).start()


def test_starting_twice_is_refused(own_postgres: Postgres) -> None:
    with pytest.raises(PartFailed, match="runs already"):
        own_postgres.start()


def test_a_stopped_kafka_answers_no_more_and_comes_back_on_its_port(tmp_path: Path) -> None:
    with Kafka(tmp_path, port=free_port()) as server:
        bootstrap = server.bootstrap
        server.stop()
        assert server.pid is None
        server.start()
        assert server.bootstrap == bootstrap
        assert server.pid is not None


def test_chromium_is_a_program(chromium: str) -> None:
    assert Path(chromium).is_file()
