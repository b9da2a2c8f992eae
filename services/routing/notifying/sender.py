"""The part that sends messages: it claims what is due, tries it, and notes what became of it.

Any number of processes may do so. A claim holds for a minute, longer than any try takes; who dies
meanwhile leaves the notice to others, who send it with the same id. Of one destination only a few
are under way at once, so that a slow one holds up nobody else. Tries are tasks of the event loop;
the database is asked on threads, claims and results in one transaction.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final

from services.routing.domain.channels import BY_DEFAULT, Channel, Medium
from services.routing.domain.notices import Notice, overtaken
from services.routing.domain.reps import Status
from services.routing.handlers.telling import Outcome, settle
from services.routing.metrics import NOTICES_FAILING, NOTICES_TRIED
from services.routing.notifying.media import Media, Result, Tried
from services.routing.notifying.messages import message_of
from services.routing.open_links import OpenLinks
from services.routing.store.notices import (
    Subject,
    claim,
    failing,
    forget_done,
    seconds_to_notice,
    subject_of,
)
from services.routing.store.unit import Routing
from shared.contracts.problems import Problem
from shared.db.errors import is_transient
from shared.runtime.logs import frames
from shared.runtime.parts import Alarm, cancelled_on_purpose
from shared.runtime.unit import Transactions

log = logging.getLogger(__name__)

AT_ONCE: Final = 64
"""Most tries under way."""
EACH: Final = 4
"""A destination with more than so many under way is left alone; and so many more it may get."""
LEAVING_SECONDS: Final = 3.0
"""How long tries may take that are under way when the process stops."""
_random = Random()  # noqa: S311 - it spreads retries


@dataclass(frozen=True, slots=True)
class _Step:
    claimed: list[Notice]
    now: datetime


class Sender(Alarm):
    """Sends what is due, and looks for more at least every ``at_most`` seconds."""

    def __init__(
        self,
        transactions: Transactions[Routing],
        media: Media,
        links: OpenLinks,
        *,
        at_most: float,
    ) -> None:
        super().__init__("routing.notices", look=self.look, at_most=at_most)
        self._transactions = transactions
        self._media = media
        self._links = links
        self._trying: dict[asyncio.Task[None], str] = {}
        self._done: list[Outcome] = []

    async def look(self) -> float | None:
        """Note results and claim what is due; returns the seconds until there is more to do."""
        busy, free = self._busy(), AT_ONCE - len(self._trying)
        if not self._done:
            if free <= 0:
                return None  # whichever ends next asks for another look
            seconds = await self._transactions.db.read(lambda conn: seconds_to_notice(conn, busy))
            if seconds is None or seconds > 0:
                return seconds
        step = await self._step(busy, free)
        for notice in step.claimed:
            task = asyncio.create_task(self._try(notice, step.now), name="routing.notice")
            self._trying[task] = notice.destination
            task.add_done_callback(self._ended)
        return 0.0 if step.claimed else 0.1

    async def close(self) -> None:
        """Let what is under way come to its end, for a moment, and note what became of it."""
        if self._trying:
            _, left = await asyncio.wait(self._trying, timeout=LEAVING_SECONDS)
            for task in left:
                task.cancel()
        if self._done:
            await self._step((), 0)
        await self._media.close()

    async def _step(self, busy: Collection[str], free: int) -> _Step:
        done, self._done = self._done, []

        def step(unit: Routing) -> _Step:
            if done:
                settle(unit, done)
                unit.notices.write()  # before the claim, which must not see them as due
            assert unit.conn is not None
            claimed = claim(unit.conn, unit.now, busy, EACH, free) if free > 0 else []
            return _Step(claimed, unit.now)

        try:
            return await self._transactions.run(step)
        except BaseException:
            self._done = done + self._done
            raise

    def _busy(self) -> list[str]:
        counted = Counter(self._trying.values())
        return [destination for destination, count in counted.items() if count > EACH]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._trying.pop(task, None)
        self.soon()

    async def _try(self, notice: Notice, now: datetime) -> None:
        try:
            tried = await self._send(notice, now)
        except Problem as problem:
            tried = Tried(Result.FAILED, problem.title)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and cancelled_on_purpose():
                raise
            tried = _fault(error)
        NOTICES_TRIED.labels(notice.medium.value, tried.result.value).inc()
        self._done.append(
            Outcome(
                notice,
                sent=tried.result is Result.SENT,
                dropped=tried.result is Result.DROPPED,
                final=tried.result is Result.FINAL,
                gone=tried.result is Result.GONE,
                url=tried.url,
                error=tried.error,
                jitter=_random.random(),
                asked=tried.asked,
            )
        )

    async def _send(self, notice: Notice, now: datetime) -> Tried:
        about = await self._transactions.db.read(lambda conn: subject_of(conn, notice))
        channel = _channel(notice, about)
        if channel is None or about.rep is None:
            return Tried(Result.DROPPED, "they are not told this way any more")
        if why := overtaken(notice, about.attempt):
            return Tried(Result.DROPPED, why)
        message = message_of(notice, channel, about, self._links)
        if message is None:
            return Tried(Result.DROPPED, "there was nothing to tell")
        return await self._media.send(notice, channel, about.rep, message, now)


def _fault(error: BaseException) -> Tried:
    """A try that came to nothing on our side."""
    if is_transient(error):
        return Tried(Result.FAILED, "our own database did not answer")
    name = type(error).__name__  # its text may quote what was sent
    log.warning("a message failed: %s", name, extra={"frames": frames(error)})
    return Tried(Result.FAILED, "a fault of this product: it has been logged")


def _channel(notice: Notice, about: Subject) -> Channel | None:
    """The channel that a notice goes by, as it is now."""
    rep = about.rep
    if rep is None or rep.status is Status.GONE:
        return None
    chosen = BY_DEFAULT if rep.channels is None else rep.channels
    return next((one for one in chosen if one.medium is notice.medium and one.ended is None), None)


async def count_failing(transactions: Transactions[Routing]) -> int:
    """Tell operators how many messages can't be sent at the moment."""
    found = await transactions.db.read(failing)
    for medium in Medium:
        NOTICES_FAILING.labels(medium.value).set(found.get(medium, 0))
    return 0


async def forget(transactions: Transactions[Routing]) -> int:
    """Delete some old notices; returns how many there were."""

    def work(unit: Routing) -> int:
        assert unit.conn is not None
        return forget_done(unit.conn, unit.now)

    return await transactions.run(work)
