"""When the broker, the database or the process goes away: what happens, and what operators see."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.parts.kafka import Kafka
from dev.stack import LEADLOOP, Process, Stack, command_line, embedded
from tests.e2e.conftest import Product, eventually
from tests.e2e.test_loop import owner, submit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    request.getfixturevalue("postgres")
    request.getfixturevalue("kafka")
    with Stack(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture
def product(stack: Stack) -> Product:
    urls = {process.service: process.url for process in stack.processes.values()}
    return Product(urls, stack.environment, [p.log for p in stack.processes.values()])


def health(process: Process, what: str) -> tuple[int, dict[str, Any]]:
    """``ready``: requests are answered; ``loop``: events move."""
    response = httpx.get(f"{process.url}/{process.service}/health/{what}", timeout=10)
    return response.status_code, response.json()


def _stands(process: Process, part: str) -> bool:
    """Whether events do not move, and it names this part."""
    status, document = health(process, "loop")
    return status == 503 and any(part in trouble for trouble in document["not_moving"])


def _unready(process: Process, part: str) -> bool:
    """Whether requests are not answered, and it names this part."""
    status, document = health(process, "ready")
    return status == 503 and any(part in trouble for trouble in document["not_ready"])


def test_without_a_broker_leads_are_taken_and_catch_up(stack: Stack, product: Product) -> None:
    capture, routing = stack.processes["capture-1"], stack.processes["routing-1"]
    stack.kafka.stop()
    try:
        lead_ids = [submit(product) for _ in range(5)]
        for process in (capture, routing):
            eventually(
                lambda process=process: _stands(process, "broker"),
                f"{process.name} says that its broker is away",
            )
            # A load balancer must not take the form down for that.
            status, document = health(process, "ready")
            assert (status, document["loop"]) == (200, "standing still")
            live = httpx.get(f"{process.url}/{process.service}/health/live")
            assert live.status_code == 200
    finally:
        stack.kafka.start()
    for lead_id in lead_ids:
        assert owner(product, lead_id)["attempt"] == 1
    stack.wait_ready()


def test_a_service_starts_without_a_broker_and_joins_when_it_comes(
    stack: Stack, product: Product
) -> None:
    capture = stack.processes["capture-1"]
    stack.kafka.stop()
    try:
        capture.stop()
        capture.start()
        eventually(lambda: _live(capture), "capture up without a broker")
        lead_id = eventually(lambda: _posted(product), "a lead taken without a broker")
    finally:
        stack.kafka.start()
    owner(product, lead_id)


def _live(process: Process) -> bool:
    try:
        return httpx.get(f"{process.url}/{process.service}/health/live").status_code == 200
    except httpx.HTTPError:
        return False


def _posted(product: Product) -> str | None:
    try:
        return submit(product)
    except AssertionError:
        return None


def test_without_a_database_nothing_is_promised_and_the_service_stays(
    stack: Stack, product: Product
) -> None:
    capture = stack.processes["capture-1"]
    stack.postgres.stop()
    try:
        response = product.call("POST", "/capture/v1/leads", json={"email": "a@b-works.example"})
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["retry-after"]
        eventually(lambda: _unready(capture, "database"), "not ready because of its database")
        assert _live(capture)
    finally:
        stack.postgres.start()
    lead_id = eventually(lambda: _posted(product), "leads taken again")
    owner(product, lead_id)
    stack.wait_ready()


def test_poison_becomes_a_dead_letter_and_comes_back_by_replay(
    stack: Stack, product: Product
) -> None:
    """Garbage under a lead's key blocks that lead alone, until somebody gives the garbage up."""
    lead_id = submit(product)
    owner(product, lead_id)
    _publish(
        stack,
        "lead.qualification",
        lead_id,
        b"{not json",
        {"ce_type": "leadloop.lead.qualified.v1"},
    )
    letter = eventually(lambda: _letters(product, "routing"), "the dead letter")[0]
    assert letter["key"] == lead_id
    assert letter["state"] == "dead"
    other = submit(product)
    owner(product, other)
    listed = product.cli("dead-letters", "list", "routing")
    assert lead_id in listed
    shown = product.cli("dead-letters", "show", "routing", str(letter["id"]))
    assert "{not json" in shown
    replayed = product.call("POST", "/routing/v1/dead-letters/replay").json()
    assert replayed == {"replayed": 0, "failed": 1}
    product.cli("dead-letters", "discard", "routing", str(letter["id"]), "--yes")
    assert not _letters(product, "routing")


def test_nothing_that_anybody_posts_stops_the_relay(stack: Stack, product: Product) -> None:
    """One e-mail with ever more fields once made an event that the broker refused, for ever."""
    for number in range(24):
        fields = {f"f{number}_{n}": "x" * 600 for n in range(75)}
        body = {"email": "gatherer@collect-works.example", "fields": fields}
        assert product.call("POST", "/capture/v1/leads", json=body).status_code == 202
    owner(product, submit(product))
    assert not _letters(product, "capture")


def _letters(product: Product, service: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = product.get(f"/{service}/v1/dead-letters")["items"]
    return items


def _publish(stack: Stack, topic: str, key: str, value: bytes, headers: dict[str, str]) -> None:
    import asyncio

    from shared.bus.api import Message
    from shared.bus.kafka import KafkaBus

    async def send() -> None:
        bus = KafkaBus(stack.kafka.bootstrap)
        await bus.start()
        await bus.publish([Message(topic, key, value, headers)])
        await bus.stop()

    asyncio.run(send())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_in_good_order(
    stack: Stack, product: Product, number: signal.Signals
) -> None:
    capture = stack.processes["capture-1"]
    lead_id = submit(product)
    capture.signal(number)
    assert capture.popen is not None
    assert capture.popen.wait(20) == 0
    capture.start()
    capture.wait_ready()
    owner(product, lead_id)


def test_boot_names_a_missing_topic(stack: Stack, tmp_path: Path) -> None:
    environment = {**stack.processes["qualify-1"].environment, "LEADLOOP_TOPIC_PREFIX": "nobody."}
    process = Process(
        "qualify-x", "qualify", [*LEADLOOP, "run", "qualify"], {**environment, "PORT": "0"},
        tmp_path / "log", "",
    )  # fmt: skip
    process.start()
    assert process.popen is not None
    try:
        assert process.popen.wait(30) == 1
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail("it did not give up:\n" + process.tail())
    assert "nobody.lead.captured" in process.tail()
    assert "leadloop topics" in process.tail()


def test_the_embedded_product_carries_on_where_it_stopped(tmp_path: Path) -> None:
    process = embedded(tmp_path)
    process.start()
    process.wait_ready()
    names = ("capture", "qualify", "routing", "feedback")
    product = Product(dict.fromkeys(names, process.url), process.environment, [process.log])
    before = submit(product)
    process.kill()
    process.start()
    process.wait_ready()
    owner(product, before)
    second = embedded(tmp_path, settings={"LEADLOOP_DATA": process.environment["LEADLOOP_DATA"]})
    second.log = tmp_path / "second.log"
    second.start()
    assert second.popen is not None
    assert second.popen.wait(30) == 1
    assert "in use by another process" in second.tail()
    assert process.stop() == 0


def test_an_unused_broker_address_is_no_reason_to_die(tmp_path: Path) -> None:
    """A wrong address looks like a broker that is away: the service waits and says so."""
    kafka = Kafka(tmp_path / "never-started")
    process = embedded(
        tmp_path,
        "capture",
        settings={"LEADLOOP_BROKER_URL": f"kafka://127.0.0.1:{kafka.port or 9}"},
    )
    command_line(process.environment, "migrate")
    process.start()
    try:
        eventually(lambda: _live(process), "capture up")
        eventually(lambda: _stands(process, "broker"), "it says that its broker is away")
        assert health(process, "ready")[0] == 200
    finally:
        process.stop()


def test_the_files_of_the_product_are_its_owner_s_alone(tmp_path: Path) -> None:
    process = embedded(tmp_path)
    process.start()
    process.wait_ready()
    process.stop()
    data = Path(process.environment["LEADLOOP_DATA"])
    files = [data, *data.iterdir()]
    assert {file.name for file in files} >= {"access.db", "capture.db", "qualify.db"}
    for file in files:
        assert file.stat().st_mode & 0o077 == 0, file.name
