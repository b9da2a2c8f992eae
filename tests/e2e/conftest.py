"""The whole product as processes: embedded, and distributed on a real Kafka and PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from dev.parts.process import PartFailed
from dev.stack import Stack, command_line, embedded


@dataclass
class Product:
    """A running product as its users have it: addresses, keys and the command line."""

    urls: dict[str, str]
    environment: dict[str, str]
    logs: list[Path]

    @property
    def admin_key(self) -> str:
        return self.environment["LEADLOOP_ADMIN_KEY"]

    def cli(self, *arguments: str) -> str:
        """``leadloop <arguments>``."""
        return command_line(self.environment, *arguments)

    def call(self, method: str, path: str, *, key: str | None = None, **options: Any) -> Any:
        """The response of ``/<service>/…`` with an admin's or the given key."""
        url = self.urls[path.split("/")[1]] + path
        headers = {"Authorization": f"Bearer {key or self.admin_key}", **options.pop("headers", {})}
        return httpx.request(method, url, headers=headers, timeout=20, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The JSON of a GET that must succeed."""
        response = self.call("GET", path, **options)
        assert response.is_success, response.text
        return response.json()

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        """The JSON of a POST that must succeed."""
        response = self.call("POST", path, json=json, **options)
        assert response.is_success, response.text
        return response.json()


T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """What ``look`` returns as soon as it is something; fails naming ``what`` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not seen within {seconds} s: {what}")
        time.sleep(0.1)


@pytest.fixture(scope="module", params=["embedded", "distributed"])
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """A fresh product of each kind in turn."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    fast = {"LEADLOOP_FEEDBACK_LEARNING_SECONDS": "0.5"}
    if request.param == "embedded":
        process = embedded(folder, settings=fast)
        process.start()
        try:
            process.wait_ready()
            names = ("capture", "qualify", "routing", "feedback")
            yield Product(dict.fromkeys(names, process.url), process.environment, [process.log])
        finally:
            process.stop()
        return
    request.getfixturevalue("postgres")  # skips, or fails in CI, where a part can't start
    request.getfixturevalue("kafka")
    try:
        stack = Stack(folder, settings=fast).start()
    except PartFailed as failure:
        pytest.fail(str(failure))
    try:
        urls = {process.service: process.url for process in stack.processes.values()}
        yield Product(urls, stack.environment, [p.log for p in stack.processes.values()])
    finally:
        stack.stop()
