"""Many small writes, one transaction: a COMMIT costs a flush to disk however much is in it.

Callers hand in items and wait; one task takes what has gathered and commits it at once. A caller
that goes away takes nothing back: what was handed in is committed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.db.engine import is_transient

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

Commit = Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]
"""Commits a batch in one transaction and gives one answer for each item, in order. An answer that
is an exception is raised for that item alone. Raising rolls the whole batch back."""


class Overloaded(Exception):
    """More waits than can be written soon: try again in a second."""


class GroupCommit(Generic[T, R]):
    """The one writer of a kind of item.

    An item that comes alone is committed at once. Under load a batch waits, up to ``max_wait``
    seconds, until it is as large as the one before it and what gathered behind that: as many
    callers as there were a moment ago. It never exceeds ``max_batch`` items. When a batch fails,
    each of its items is tried alone, so that one bad item fails for itself; when the database
    itself is away (``is_transient``) all of them fail at once.
    """

    def __init__(
        self,
        name: str,
        commit: Commit[T, R],
        *,
        max_batch: int = 256,
        max_wait: float = 0.005,
        max_queue: int = 4096,
    ) -> None:
        self.name = name
        self._commit = commit
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._max_queue = max_queue
        self._queue: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._enough: asyncio.Future[None] | None = None
        self._wanted = 1
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Refuse new items and return once all that were handed in are committed."""
        self._stopping = True
        self._wanted = 0
        self._wake()
        if self._task is not None:
            await self._task

    async def check(self) -> str | None:
        """None when it works, else what is wrong."""
        if self._task is None or self._task.done():
            return f"{self.name}: not running"
        if len(self._queue) >= self._max_queue:
            return f"{self.name}: full"
        return None

    @property
    def waiting(self) -> int:
        """How many items are handed in and not being committed yet."""
        return len(self._queue)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Hand an item in; the result comes once it is committed. Cancelling the result does not
        take the item back. Raises Overloaded when full, stopping or not started."""
        if self._stopping or self._loop is None or len(self._queue) >= self._max_queue:
            raise Overloaded
        answer: asyncio.Future[R] = self._loop.create_future()
        self._queue.append((item, answer))
        self._wake()
        return answer

    def _wake(self) -> None:
        if (
            self._enough is not None
            and not self._enough.done()
            and len(self._queue) >= self._wanted
        ):
            self._enough.set_result(None)

    async def _run(self) -> None:
        callers = 1
        while self._queue or not self._stopping:
            if not self._queue:
                await self._gathered(1)
                continue
            await self._gathered(min(callers, self._max_batch), self._max_wait)
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch))]
            await self._settle(batch)
            callers = len(batch) + len(self._queue)

    async def _gathered(self, wanted: int, patience: float | None = None) -> None:
        """Wait until ``wanted`` items are there, the writer is stopping, or for so many seconds."""
        if len(self._queue) >= wanted or self._stopping:
            return
        assert self._loop is not None
        self._wanted = wanted
        enough = self._enough = self._loop.create_future()
        timer = self._loop.call_later(patience, _end, enough) if patience is not None else None
        await enough
        self._enough = None
        if timer is not None:
            timer.cancel()

    async def _committed(self, items: Sequence[T]) -> Sequence[R | Exception]:
        try:
            return await self._commit(items)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancelled us: a library gave its own cancellation on. Taking it at its word
            # would end the writer, and everybody would wait for their answer for ever.
            raise TimeoutError("cancelled inside a library") from None

    async def _settle(self, batch: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            answers = await self._committed([item for item, _ in batch])
        except Exception as error:
            if len(batch) == 1 or is_transient(error):
                log.warning("%s: %s items failed: %s", self.name, len(batch), type(error).__name__)
                for _, answer in batch:
                    _give(answer, error)
                return
            for one in batch:
                await self._settle([one])
            return
        for (_, answer), given in zip(batch, answers, strict=True):
            _give(answer, given)


def _end(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def _give(answer: "asyncio.Future[R]", given: R | Exception) -> None:
    if answer.done():  # the caller has gone away
        return
    if isinstance(given, Exception):
        answer.set_exception(given)
    else:
        answer.set_result(given)
