"""Many small writes, one transaction: a COMMIT costs a flush to disk however much is in it.

Callers hand in items and wait; one task takes what has gathered and commits it at once. A caller
that goes away takes nothing back: what was handed in is committed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.db.errors import is_transient
from shared.runtime import failpoints
from shared.runtime.parts import Loop, cancelled_on_purpose

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

Commit = Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]
"""Commits a batch in one transaction and gives one answer for each item, in order. An answer that
is an exception is raised for that item alone. Raising rolls the whole batch back."""


class Overloaded(Exception):
    """More waits than can be written soon: try again in a second."""


class GroupCommit(Loop, Generic[T, R]):
    """The one writer of a kind of item.

    An item that comes alone is committed at once. Under load a batch is what gathered while the one
    before it was written, and waits, up to ``max_wait`` seconds, until it is as large as that one
    was: as many callers as there were a moment ago. It never exceeds ``max_batch`` items. When a
    batch fails, each of its items is tried alone, so that one bad item fails for itself; when the
    database itself is away (``is_transient``) all of them fail at once.
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
        super().__init__(name, serves=True)
        self._commit = commit
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._max_queue = max_queue
        self._queue: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._enough: asyncio.Future[None] | None = None
        self._wanted = 1
        self._callers = 1

    async def stop(self) -> None:
        """Refuse new items and return once all that were handed in are committed."""
        self.stopping.set()
        self._wanted = 0
        self._wake()
        await super().stop()
        while self._queue:
            await self._one_batch()

    async def check(self) -> str | None:
        if len(self._queue) >= self._max_queue:
            return f"{self.name}: full"
        return await super().check()

    @property
    def waiting(self) -> int:
        """How many items are handed in and not being committed yet."""
        return len(self._queue)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Hand an item in; the result comes once it is committed. Cancelling the result does not
        take the item back. Raises Overloaded when full, stopping or not started."""
        if self.stopping.is_set() or self.task is None or len(self._queue) >= self._max_queue:
            raise Overloaded
        answer: asyncio.Future[R] = self.task.get_loop().create_future()
        self._queue.append((item, answer))
        self._wake()
        return answer

    async def step(self) -> None:
        self.healthy()
        if not self._queue:
            await self._gathered(1)
            return
        await self._gathered(min(self._callers, self._max_batch), self._max_wait)
        failpoints.reached("group-gathered", self.name.partition(".")[0])
        await self._one_batch()

    def _wake(self) -> None:
        if (
            self._enough is not None
            and not self._enough.done()
            and len(self._queue) >= self._wanted
        ):
            self._enough.set_result(None)

    async def _one_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch))]
        await self._settle(batch)
        self._callers = len(batch) + len(self._queue)

    async def _gathered(self, wanted: int, patience: float | None = None) -> None:
        """Wait until ``wanted`` items are there, the writer is stopping, or for so many seconds."""
        if len(self._queue) >= wanted or self.stopping.is_set():
            return
        loop = asyncio.get_running_loop()
        self._wanted = wanted
        enough = self._enough = loop.create_future()
        timer = loop.call_later(patience, _end, enough) if patience is not None else None
        await enough
        self._enough = None
        if timer is not None:
            timer.cancel()

    async def _committed(self, items: Sequence[T]) -> Sequence[R | Exception]:
        try:
            return await self._commit(items)
        except asyncio.CancelledError:
            if cancelled_on_purpose():
                raise
            # A library gave its own cancellation on. Taking it at its word would end the writer,
            # and everybody would wait for their answer for ever.
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
        failpoints.reached("group-committed", self.name.partition(".")[0])
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
