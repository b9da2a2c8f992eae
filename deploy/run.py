"""The runner: owns start and stop of everything in one process."""

import asyncio
import contextlib
import errno
import fcntl
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import uvicorn

from deploy.compose import Product, build
from deploy.prepare import prepare, schema_ready
from deploy.settings import Settings
from shared.access.access import REFRESH_SECONDS
from shared.bus.api import Bus, MissingTopics
from shared.contracts.topics import SERVICES
from shared.runtime import logs
from shared.runtime.consumer import Consumer
from shared.runtime.parts import Loop, Part, Timer
from shared.runtime.service import Service

log = logging.getLogger(__name__)

GRACEFUL_SECONDS = 5


class CannotStart(Exception):
    """The machine lacks something: the text says what, and what to do."""


class AlreadyRunning(CannotStart):
    """Another process has this data folder."""


def run(settings: Settings, names: Sequence[str] = SERVICES) -> int:
    """Run services until SIGTERM or SIGINT; returns the exit status.

    Raises CannotStart, and ValueError for an unknown service or URL.
    """
    logs.configure(settings.log_level)
    with contextlib.ExitStack() as held:
        for folder in settings.own_folders:
            held.enter_context(_own(folder))
        # The port is taken before anything is made: a key is not made for somebody who never sees
        # it.
        listening = held.enter_context(_listen(settings))
        runner = held.enter_context(asyncio.Runner(loop_factory=_uvloop))
        return runner.run(_serve(settings, names, listening))


async def _serve(settings: Settings, names: Sequence[str], listening: socket.socket) -> int:
    product = build(settings, names)
    server = _Server(
        uvicorn.Config(
            product.app,
            host=settings.host,
            port=settings.port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
            timeout_keep_alive=30,
            backlog=2048,
        ),
        product,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.leave)
    new_key = None
    if settings.embedded:
        new_key = await prepare(product)
    starter = Starter(product)
    for service in product.services:
        service.parts[:0] = starter.of(service)
    with contextlib.suppress(Exception):  # it is tried again every two seconds
        await product.access.refresh()
    await starter.start()
    # A transaction's thread must not keep the loop, which takes leads, waiting 5 ms at a time.
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()  # what lives as long as the process need not be looked at again
    gc.set_threshold(20_000, 20, 20)  # a batch makes thousands of objects that all go at its end
    welcome = asyncio.create_task(_welcome(server, settings, new_key))
    fatal = await _until_done(server, starter, listening)
    welcome.cancel()
    await starter.stop()
    await product.peers.close()
    with contextlib.suppress(Exception):
        await product.bus.stop()
    product.close()
    log.info("stopped")
    return 1 if fatal else 0


async def _until_done(server: "_Server", starter: "Starter", listening: socket.socket) -> bool:
    """Serve until told to stop, or until a part has failed for good."""
    serving = asyncio.create_task(server.serve([listening]))
    failing = asyncio.create_task(starter.failed())
    await asyncio.wait({serving, failing}, return_when=asyncio.FIRST_COMPLETED)
    fatal = failing.done()
    failing.cancel()
    server.leave()
    await serving
    return fatal or not server.started


class Starter:
    """Starts what needs a database and a broker as soon as they are there, and says what is not.

    The HTTP interface is up meanwhile: capture takes leads as long as its own database lives.
    """

    def __init__(self, product: Product) -> None:
        self._product = product
        self._access = Timer(
            "access", every=REFRESH_SECONDS, run=product.access.refresh, serves=True
        )
        self._bus = BusConnection(product.bus, [t for s in product.services for t in s.topics])
        self._services = {s.name: ServiceStart(s) for s in product.services}

    def of(self, service: Service) -> list[Part]:
        """What this service's readiness depends on beside its own parts."""
        return [self._services[service.name], self._bus]

    async def start(self) -> None:
        await self._access.start()
        await self._bus.start()
        for service in self._services.values():
            await service.start()

    async def failed(self) -> None:
        """Returns when a part has ended that should go on: better to end with it, and be started
        again, than to stand there without it."""
        while True:
            loops: list[Loop] = [self._access, self._bus, *self._services.values()]
            for service in self._services.values():
                loops += [part for part in service.parts if isinstance(part, Loop)]
            for loop in loops:
                if loop.task is not None and loop.task.done() and not loop.stopping.is_set():
                    log.critical("%s has ended", loop.name)
                    return
            tasks = [loop.task for loop in loops if loop.task is not None]
            # Looked at anew now and then, for parts start later.
            await asyncio.wait(tasks, timeout=5, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self) -> None:
        for service in self._product.services:
            for part in service.parts:
                if isinstance(part, Consumer):
                    part.stopping.set()  # each ends with its poll: all at once, not in turn
        for started in reversed(list(self._services.values())):
            await started.stop()
        await self._bus.stop()
        await self._access.stop()


class BusConnection(Loop):
    """Connects to the broker and makes sure of the topics, however long that takes."""

    def __init__(self, bus: Bus, topics: Sequence[str]) -> None:
        super().__init__("broker", fatal=(MissingTopics,))
        self._bus = bus
        self._topics = sorted(set(topics))

    async def step(self) -> None:
        await self._bus.start()
        await self._bus.check_topics(self._topics)
        self.healthy()
        await self.pause(10)


class ServiceStart(Loop):
    """Waits for a service's schema, then starts its parts in order."""

    def __init__(self, service: Service) -> None:
        super().__init__(f"{service.name}.start", serves=True)
        self.parts = list(service.parts)
        self._service = service
        self._started: list[str] = []

    async def step(self) -> None:
        await schema_ready(self._service)
        for part in self.parts:
            if part.name not in self._started:
                await part.start()
                self._started.append(part.name)
        self.healthy()
        await self.stopping.wait()

    async def close(self) -> None:
        for part in reversed(self.parts):
            if part.name in self._started:
                await part.stop()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the runner has them, and drains after it."""

    def __init__(self, config: uvicorn.Config, product: Product) -> None:
        super().__init__(config)
        self.open = asyncio.Event()
        self._product = product

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.open.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        for service in self._product.services:
            for part in service.parts:
                if isinstance(part, Loop):
                    part.leave()
        self.force_exit = self.should_exit
        self.should_exit = True


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


@contextlib.contextmanager
def _own(data: Path) -> Iterator[IO[str]]:
    """Keep a second process away from the same files. Raises CannotStart."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "leadloop.lock").open("w")
    except OSError as error:
        raise CannotStart(
            f"{data} can't be written ({error.strerror}): "
            "set LEADLOOP_DATA to a folder that can, or make this one"
        ) from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"{data} is in use by another process: stop it, or set LEADLOOP_DATA"
            ) from None
        yield lock


def _listen(settings: Settings) -> socket.socket:
    """The port, taken but not yet answering. Raises CannotStart."""
    host, port = settings.host, settings.port
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        why = "in use" if error.errno == errno.EADDRINUSE else f"not to be had ({error.strerror})"
        raise CannotStart(
            f"port {port} on {host} is {why}: stop what uses it, or set PORT (or LEADLOOP_HOST)"
        ) from None
    return listening


async def _welcome(server: _Server, settings: Settings, new_key: str | None) -> None:
    """Say where to click, once the port is open."""
    await server.open.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    base = f"http://{settings.host}:{port}"
    lines = [f"Leadloop is running on {base}"]
    if settings.embedded:
        lines += [
            "",
            f"  the form          {base}/capture/forms/demo",
            f"  a rep's inbox     {base}/routing/inbox",
            f"  lead definitions  {base}/qualify/",
            f"  feedback          {base}/feedback/",
        ]
    if new_key:
        lines += [
            "",
            f"Your admin key, shown this once:  {new_key}",
            "Log in with it on any page, or send it as  Authorization: Bearer <key>",
        ]
    elif settings.embedded and not settings.admin_key:
        lines += ["", "Lost the admin key? This makes another:  leadloop keys create --role admin"]
    print("\n".join(lines), flush=True)  # noqa: T201 - this is for whoever typed the command
