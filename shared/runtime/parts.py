"""What a service runs beside its HTTP interface: parts that start, stop and say how they are."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.bus.api import BusUnavailable
from shared.db.errors import is_transient
from shared.runtime.logs import frames

log = logging.getLogger(__name__)


class NotYet(TimeoutError):
    """Something must be done or come first. Its text is for operators and quotes no data; the work
    is tried again, as after anything transient."""


class Part(Protocol):
    """Something with a life of its own. ``start`` never waits for a broker or a database.

    ``serves`` says whether requests can't be answered without it; the other parts move the loop.
    """

    name: str
    serves: bool

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> str | None:
        """None when all is well, else what is wrong, for readiness."""
        ...


class Loop:
    """A part that does one thing again and again, and outlives whatever goes wrong with it.

    A step that fails is tried again after 0.2 s, then twice as long each time up to 5 s; meanwhile
    readiness says what is wrong. ``fatal`` errors end the process instead, and so does a loop that
    ends in any other way: none stops without a word.
    """

    def __init__(
        self, name: str, *, fatal: tuple[type[BaseException], ...] = (), serves: bool = False
    ) -> None:
        self.name = name
        self.serves = serves
        self.stopping = asyncio.Event()
        self._fatal = fatal
        self.task: asyncio.Task[None] | None = None
        """Ends with an exception if, and only if, something fatal happened."""
        self._trouble: str | None = "not started"

    async def step(self) -> None:
        """One round of work; returns soon after ``stopping`` is set."""
        raise NotImplementedError

    async def close(self) -> None:
        """Give back what the loop holds; called once after the last step."""

    def leave(self) -> None:
        """The process is about to stop: let go of clients whose connection would never end."""

    async def start(self) -> None:
        self.task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        self.stopping.set()
        if self.task is not None:
            # What was fatal has been told already; it must not keep other parts from stopping.
            await asyncio.gather(self.task, return_exceptions=True)
        with contextlib.suppress(Exception):
            await self.close()

    async def check(self) -> str | None:
        if self.task is not None and self.task.done() and not self.stopping.is_set():
            return f"{self.name}: ended"
        return f"{self.name}: {self._trouble}" if self._trouble else None

    def healthy(self) -> None:
        """Say that the loop does its work: a step may be long."""
        self._trouble = None

    async def pause(self, seconds: float) -> None:
        """Wait, but not when stopping."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def _run(self) -> None:
        delay = 0.2
        while not self.stopping.is_set():
            try:
                await self.step()
                self._trouble = None
                delay = 0.2
            except self._fatal as error:
                log.critical("%s: %s", self.name, error)
                raise
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and cancelled_on_purpose():
                    raise
                expected = isinstance(error, BusUnavailable) or is_transient(error)
                if self._trouble is None or not expected:
                    # Once per trouble; its text may quote a lead, so only its class is logged.
                    log.warning(
                        "%s: %s, trying again",
                        self.name,
                        type(error).__name__,
                        extra={} if expected else {"frames": frames(error)},
                    )
                self._trouble = describe(error)
                await self.pause(delay)
                delay = min(delay * 2, 5.0)


class Timer(Loop):
    """Calls ``run`` every ``every`` seconds, and again at once while it says it did something.

    ``run`` returns how many things it did. What is due must be rows in the database: a timer that
    forgets on a restart is no timer.
    """

    def __init__(
        self, name: str, *, every: float, run: Callable[[], Awaitable[int]], serves: bool = False
    ) -> None:
        super().__init__(name, serves=serves)
        self._every = every
        self._run_once = run
        self._now = asyncio.Event()

    def soon(self) -> None:
        """Run without waiting for the next turn."""
        self._now.set()

    async def step(self) -> None:
        while not self.stopping.is_set() and await self._run_once():
            self.healthy()
        self.healthy()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._now.wait(), self._every)
        self._now.clear()

    async def stop(self) -> None:
        self.stopping.set()
        self._now.set()
        await super().stop()


class Alarm(Loop):
    """Calls ``look`` when something is due: it does that, and returns the seconds until there is
    something to do again, or None when it knows of nothing.

    It looks at least every ``at_most`` seconds, because other processes write too. Like a timer it
    forgets nothing on a restart: what is due must be rows in the database.
    """

    def __init__(
        self,
        name: str,
        *,
        look: Callable[[], Awaitable[float | None]],
        at_most: float,
        serves: bool = False,
    ) -> None:
        super().__init__(name, serves=serves)
        self._look = look
        self._at_most = at_most
        self._now = asyncio.Event()
        self._planned = self._asked = math.inf

    def soon(self, seconds: float = 0.0) -> None:
        """There is something to do in so many seconds; call it on the event loop."""
        at = time.monotonic() + seconds
        self._asked = min(self._asked, at)
        if at < self._planned:
            self._now.set()

    async def step(self) -> None:
        self._now.clear()
        self._asked = math.inf
        self._planned = -math.inf  # who asks while we look is heard afterwards
        seconds = await self._look()
        self.healthy()
        now = time.monotonic()
        wait = self._at_most if seconds is None else min(seconds, self._at_most)
        self._planned = min(now + wait, self._asked)
        if self._planned > now and not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), self._planned - now)

    async def stop(self) -> None:
        self.stopping.set()
        self._now.set()
        await super().stop()


def cancelled_on_purpose() -> bool:
    """Whether somebody cancelled this task. A library that awaits a future of its own which it
    cancelled raises CancelledError too, and would silently end a loop that took it at its word."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def describe(error: BaseException) -> str:
    """An error for operators: its class, and its text only where that can't quote data."""
    if isinstance(error, BusUnavailable):
        return f"broker unavailable: {error}"
    if isinstance(error, NotYet):
        return str(error)
    if is_transient(error):
        return f"database unavailable ({type(error).__name__})"
    return type(error).__name__
