"""The part that sends events to webhooks: to each one after the other, to all at the same time.

Any number of processes may do so: whoever holds a webhook's lease sends to it, and notes how far it
has come at least every half second. Who dies meanwhile leaves it to the others half a minute later,
who send again what was not noted, with the same ids. One that hangs holds up itself alone.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import datetime
from random import Random
from time import monotonic
from typing import Final

import orjson

from services.feedback.domain.webhooks import LEASE, Progress, Webhook
from services.feedback.handlers import webhooks
from services.feedback.metrics import WEBHOOK_TRIES, WEBHOOKS_FAILING
from services.feedback.store import feedback_log
from services.feedback.store.feedback_log import Logged
from services.feedback.store.unit import Feedback
from services.feedback.store.webhooks import count_failing, next_due
from shared.contracts.ids import new_id
from shared.db.errors import is_transient
from shared.runtime.delivery import Tried, deliver, signed
from shared.runtime.logs import frames
from shared.runtime.outgoing import Outgoing
from shared.runtime.paging import encode_cursor
from shared.runtime.parts import Alarm, cancelled_on_purpose
from shared.runtime.unit import Transactions

log = logging.getLogger(__name__)

AT_ONCE: Final = 64
"""Most webhooks that one process sends to at the same time."""
CHUNK: Final = 100
NOTED_SECONDS: Final = 0.5
"""How often it is noted how far a webhook has come: so much may be sent again after a crash."""
TURN_SECONDS: Final = 20.0
"""After so long a webhook that has more to get makes room for those who wait."""
SURE_SECONDS: Final = LEASE.total_seconds() / 2
"""Nothing is sent this long after the lease was last renewed: a call takes up to ten seconds."""
LEAVING_SECONDS: Final = 3.0
"""How long calls may take that are under way when the process stops."""
_random = Random()  # noqa: S311 - it spreads retries


async def send(
    outgoing: Outgoing,
    hook: Webhook,
    event_id: str,
    body: bytes,
    now: datetime,
    more: dict[str, str],
) -> Tried:
    """Send once, signed as Standard Webhooks has it. Never raises for what a receiver does."""
    signature = signed(event_id, hook.secrets(now), body, now)
    headers = {"content-type": "application/json", **signature, **more}
    return await deliver(outgoing, hook.url, body, headers)


class WebhookSender(Alarm):
    """Sends what there is to send, and looks for more at least every ``at_most`` seconds."""

    def __init__(
        self, transactions: Transactions[Feedback], outgoing: Outgoing, *, at_most: float
    ) -> None:
        super().__init__("feedback.webhooks", look=self.look, at_most=at_most)
        self._transactions = transactions
        self._outgoing = outgoing
        self._sending: set[asyncio.Task[None]] = set()

    async def look(self) -> float | None:
        """Begin to send where something is due; returns the seconds until there is more to do."""
        free = AT_ONCE - len(self._sending)
        if free <= 0 or self.stopping.is_set():
            return None  # whichever ends next asks for another look
        due, newest = await self._transactions.db.read(next_due)
        if due is None:
            return None
        seconds = (due - self._transactions.clock.now()).total_seconds()
        if seconds > 0:
            return seconds
        lease = new_id()
        claimed = await self._transactions.run(
            lambda unit: webhooks.claim(unit, lease, newest, free)
        )
        for hook in claimed:
            task = asyncio.create_task(self._send_to(hook), name="feedback.webhook")
            self._sending.add(task)
            task.add_done_callback(self._ended)
        return 0.0 if claimed else 0.5  # another process is at it

    async def close(self) -> None:
        """Let what is under way come to its end, for a moment, and note what became of it."""
        if self._sending:
            _, left = await asyncio.wait(self._sending, timeout=LEAVING_SECONDS)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=LEAVING_SECONDS)
        await self._outgoing.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self.soon()

    async def _send_to(self, hook: Webhook) -> None:
        turn = _Turn(self, hook)
        try:
            await turn.take()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not cancelled_on_purpose():
                error = RuntimeError()
            if not isinstance(error, asyncio.CancelledError) and not is_transient(error):
                # Its text may quote what was sent.
                name, where = type(error).__name__, {"frames": frames(error)}
                log.warning("sending to a webhook failed: %s", name, extra=where)
                turn.fail(Tried("a fault of this product: it has been logged"))
        # What can't be noted is sent again once the lease has run out.
        with contextlib.suppress(Exception):
            await turn.note(done=True)


class _Turn:
    """One webhook's turn: events are sent to it one after the other, until there are no more, one
    is not taken, or others have waited long enough."""

    def __init__(self, sender: WebhookSender, hook: Webhook) -> None:
        self._sender = sender
        self._transactions = sender._transactions
        self._hook: Webhook | None = hook
        self._progress = Progress(hook.place)
        self._noted = self._began = monotonic()

    async def take(self) -> None:
        """Send until the turn ends."""
        while self._goes_on():
            hook, place = self._hook, self._progress.place
            assert hook is not None
            stretch = await self._transactions.db.read(
                lambda conn: feedback_log.after(conn, place, CHUNK, hook.wanted)  # noqa: B023
            )
            if stretch.reached is None:
                return
            for one in stretch.events:
                if not self._goes_on() or not await self._deliver(one):
                    return
            self._progress = replace(self._progress, place=stretch.reached)
            await self._note_in_time()

    def fail(self, tried: Tried) -> None:
        """The next event was not taken."""
        self._progress = replace(
            self._progress, error=tried.error, gone=tried.gone, asked=tried.asked
        )

    async def note(self, *, done: bool) -> None:
        """Note how far it came; whoever was told to stop has nothing more to say."""
        hook, progress = self._hook, self._progress
        if hook is None:
            return
        began = monotonic()
        self._hook = await self._transactions.run(
            lambda unit: webhooks.note(unit, hook, progress, _random.random(), done=done)
        )
        self._noted = began
        self._progress = Progress(progress.place)

    def _goes_on(self) -> bool:
        now = monotonic()
        return (
            self._hook is not None
            and not self._sender.stopping.is_set()
            and self._progress.error is None
            and now < self._began + TURN_SECONDS
            and now < self._noted + SURE_SECONDS
        )

    async def _deliver(self, one: Logged) -> bool:
        assert self._hook is not None
        now = self._transactions.clock.now()
        more = {"leadloop-cursor": encode_cursor(one.seq)}
        event_id = _id_of(one)
        body = one.event.encode()
        outgoing = self._sender._outgoing
        tried = await send(outgoing, self._hook, event_id, body, now, more)
        result = "delivered" if tried.error is None else "gone" if tried.gone else "failed"
        WEBHOOK_TRIES.labels(result).inc()
        if tried.error is not None:
            self.fail(tried)
            return False
        self._progress = replace(
            self._progress,
            place=one.seq,
            delivered=self._progress.delivered + 1,
            delivered_at=now,
        )
        await self._note_in_time()
        return True

    async def _note_in_time(self) -> None:
        if monotonic() >= self._noted + NOTED_SECONDS:
            await self.note(done=False)


def _id_of(one: Logged) -> str:
    event_id: str = orjson.loads(one.event)["id"]
    return event_id


async def tell_failing(transactions: Transactions[Feedback]) -> int:
    """Tell operators how many webhooks fail."""
    WEBHOOKS_FAILING.set(await transactions.db.read(count_failing))
    return 0
