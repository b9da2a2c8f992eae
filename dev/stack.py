"""``make stack``: the distributed set without Docker.

Reads ``docker-compose.yml`` and starts the processes it names, with the settings it names, on a
real PostgreSQL and a real Kafka from wheels. Only addresses differ: everything is on loopback. The
end-to-end tests, ``make torture`` and ``make bench`` use it too.
"""

import argparse
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError

import yaml

from dev.parts.kafka import Kafka
from dev.parts.postgres import Postgres, create_database
from dev.parts.process import PartFailed, free_port
from shared.contracts.topics import SERVICES

COMPOSE = Path(__file__).parent.parent / "docker-compose.yml"
READY_SECONDS = 60.0
LEADLOOP = (sys.executable, "-m", "deploy")
"""The command line, run by the same Python as this."""


class StackFailed(Exception):
    """A process of the stack did not come up; the text ends with its log."""


def compose_file() -> dict[str, Any]:
    """``docker-compose.yml`` as data, before interpolation."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fill in ``${NAME:-default}`` as Docker Compose does."""
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: variables.get(m[1]) or m[2] or "", text)


@dataclass
class Process:
    """One process of a service. ``name`` is the service and a number: ``capture-1``."""

    name: str
    service: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    url: str
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(  # noqa: S603 - our own command line
                self.command,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it says it is ready. Raises StackFailed."""
        deadline = time.monotonic() + seconds
        while (trouble := _not_ready(self)) is not None:
            if time.monotonic() > deadline or not self.running:
                raise StackFailed(f"{self.name}: {trouble}\n{self.tail()}")
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()

    def stop(self) -> int | None:
        """End it in order; returns its exit status."""
        if self.popen is None:
            return None
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def tail(self, lines: int = 30) -> str:
        """The end of the process's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Stack:
    """The distributed set in ``folder``. ``replicas`` says how many processes a service has,
    ``services`` which ones there are.

    ``command`` is what stands for ``leadloop`` in the compose file: tests put a program there that
    plants a fault first.
    """

    folder: Path
    replicas: Mapping[str, int] = field(default_factory=dict)
    services: Sequence[str] = SERVICES
    settings: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = LEADLOOP
    fixed_ports: bool = False
    admin_key: str = field(default_factory=lambda: f"ll_admin_{secrets.token_urlsafe(24)}")
    processes: dict[str, Process] = field(default_factory=dict)

    def start(self) -> Self:
        """Everything, ready. Raises StackFailed or PartFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.postgres = Postgres(self.folder / "postgres").start()
        self.kafka = Kafka(self.folder / "kafka").start()
        self.database_url = _database(self.postgres.url)
        self._plan()
        self.run("topics")
        self.run("migrate")
        for process in self.processes.values():
            process.start()
        self.wait_ready()
        return self

    def url(self, service: str) -> str:
        """The address of the first process of a service."""
        return self.processes[f"{service}-1"].url

    @property
    def environment(self) -> dict[str, str]:
        """What the command line needs to work with this stack."""
        return self.processes["capture-1"].environment

    def run(self, *arguments: str) -> str:
        """``leadloop <arguments>`` against this stack; its output. Raises StackFailed."""
        return command_line(self.environment, *arguments, command=self.command)

    def wait_ready(
        self, names: Sequence[str] | None = None, seconds: float = READY_SECONDS
    ) -> None:
        """Wait until these processes (all) say they are ready. Raises StackFailed."""
        deadline = time.monotonic() + seconds
        for name in names or list(self.processes):
            process = self.processes[name]
            while (trouble := _not_ready(process)) is not None:
                if time.monotonic() > deadline or not process.running:
                    raise StackFailed(f"{name}: {trouble}\n{process.tail()}")
                time.sleep(0.1)

    def stop(self) -> None:
        """End everything by its pid, services first."""
        for process in self.processes.values():
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        for process in self.processes.values():
            process.stop()
        for part in (getattr(self, "kafka", None), getattr(self, "postgres", None)):
            if part is not None:
                part.stop()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _plan(self) -> None:
        """Processes as the compose file has them, with this machine's addresses."""
        services = compose_file()["services"]
        numbers = {name: self.replicas.get(name, 1) for name in self.services}
        ports = {
            (name, n): int(services[name]["environment"]["PORT"])
            if self.fixed_ports
            else free_port()
            for name in self.services
            for n in range(1, numbers[name] + 1)
        }
        urls = ",".join(f"{name}=http://127.0.0.1:{ports[name, 1]}" for name in self.services)
        variables = {
            **os.environ,
            "LEADLOOP_ADMIN_KEY": self.admin_key,
            "LEADLOOP_HOST": "127.0.0.1",
            "LEADLOOP_SERVICE_URLS": urls,
        }
        for (name, n), port in ports.items():
            values = {
                key: interpolate(str(value), variables)
                for key, value in services[name]["environment"].items()
            }
            values |= {
                "LEADLOOP_DATABASE_URL": self.database_url,
                "LEADLOOP_BROKER_URL": self.kafka.url,
                "LEADLOOP_PEER_URLS": urls,
                "PORT": str(port),
                **self.settings,
            }
            label = f"{name}-{n}"
            self.processes[label] = Process(
                name=label,
                service=name,
                command=[*self.command, *services[name]["command"]],
                environment=values,
                log=self.folder / f"{label}.log",
                url=f"http://127.0.0.1:{port}",
            )


def command_line(
    environment: Mapping[str, str], *arguments: str, command: Sequence[str] = LEADLOOP
) -> str:
    """``leadloop <arguments>`` in this environment; its output. Raises StackFailed."""
    done = subprocess.run(  # noqa: S603 - our own command line
        [*command, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackFailed(f"leadloop {shlex.join(arguments)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def embedded(
    folder: Path,
    *services: str,
    command: Sequence[str] = LEADLOOP,
    settings: Mapping[str, str] | None = None,
) -> Process:
    """The embedded product (or some services of it) as a process on a free port, not started."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    return Process(
        name="embedded",
        service=services[0] if services else "capture",
        command=[*command, "run", *services],
        environment={
            "LEADLOOP_DATA": str(folder / "data"),
            "LEADLOOP_DATABASE_URL": "",
            "LEADLOOP_BROKER_URL": "local:",
            "LEADLOOP_ADMIN_KEY": f"ll_admin_{secrets.token_urlsafe(24)}",
            "LEADLOOP_SERVICE_URLS": "",
            "PORT": str(port),
            **(settings or {}),
        },
        log=folder / "embedded.log",
        url=f"http://127.0.0.1:{port}",
    )


def _database(server_url: str) -> str:
    """The URL of the stack's database, made on the first start."""
    try:
        return create_database(server_url, "leadloop")
    except PartFailed as failure:
        if "already exists" not in str(failure):
            raise
        return server_url.rpartition("/")[0] + "/leadloop"


def _not_ready(process: Process) -> str | None:
    try:
        with urllib.request.urlopen(  # noqa: S310 - loopback
            f"{process.url}/{process.service}/health/loop", timeout=5
        ):
            return None
    except URLError as error:
        body = error.read().decode() if hasattr(error, "read") else ""
        return f"not ready: {body or error}"
    except OSError as error:
        return f"not ready: {error}"


def main() -> None:
    """Run the stack until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".stack"))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    key = os.environ.get("LEADLOOP_ADMIN_KEY") or _kept_key(arguments.folder)
    _say("Starting PostgreSQL, Kafka and the four services: this takes up to a minute.\n")
    try:
        with Stack(arguments.folder, fixed_ports=True, admin_key=key) as stack:
            _say(_welcome(stack, arguments.folder))
            signal.pause()
    except KeyboardInterrupt:
        _say("stopped\n")
    except (PartFailed, StackFailed) as failure:
        sys.exit(f"{failure}\nIs another stack running? There is one to a folder and a machine.")


def _welcome(stack: Stack, folder: Path) -> str:
    urls = ",".join(f"{p.service}={p.url}" for p in stack.processes.values())
    return (
        f"Leadloop, distributed, is running: {stack.url('capture')}/\n"
        + "".join(f"  {name:10} {p.url}\n" for name, p in stack.processes.items())
        + f"  database   {stack.database_url}\n  broker     {stack.kafka.url}\n"
        f"  admin key  {stack.admin_key}\n  logs       {folder}/\n"
        "For the command leadloop in another terminal:\n"
        f"  export LEADLOOP_ADMIN_KEY={stack.admin_key}\n"
        f"  export LEADLOOP_DATABASE_URL={stack.database_url}\n"
        f"  export LEADLOOP_BROKER_URL={stack.kafka.url}\n"
        f"  export LEADLOOP_SERVICE_URLS={urls}\n"
        "Stop it with Ctrl-C.\n"
    )


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _kept_key(folder: Path) -> str:
    """The same admin key on every start of the same folder; readable by its owner alone."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "admin.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(f"ll_admin_{secrets.token_urlsafe(32)}")
    return file.read_text().strip()


if __name__ == "__main__":
    main()
