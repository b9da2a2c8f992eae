"""Bus → database: whole batches of events, each in one transaction with its effects."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic

from prometheus_client import Counter, Gauge
from sqlalchemy.exc import IntegrityError

from shared.bus.api import (
    Bus,
    BusUnavailable,
    MissingTopics,
    Received,
    Subscription,
    TopicPartition,
)
from shared.contracts.envelope import Event, UnreadableEvent, decode
from shared.contracts.events import EventData
from shared.contracts.ids import follow
from shared.db import dead_letters, inbox
from shared.db.errors import Conflict, is_transient
from shared.runtime import failpoints
from shared.runtime.logs import frames
from shared.runtime.parts import Loop, NotYet, cancelled_on_purpose
from shared.runtime.unit import ATTEMPTS, Transactions, U

log = logging.getLogger(__name__)

CONSUMED = Counter("leadloop_events_consumed_total", "Events whose effect is stored", ["consumer"])
DEAD = Counter("leadloop_dead_letters_total", "Events set aside as dead letters", ["consumer"])
LAG = Gauge("leadloop_consumer_lag", "Messages waiting to be read", ["consumer"])
LAG_SECONDS = 5.0
"""How often the broker is asked how much waits."""

Handler = Callable[[Event[Any], U], None]
Handlers = Mapping[type[EventData], Handler[U]]
Read = tuple[Received, "Event[EventData] | UnreadableEvent | None"]
"""A message and what it says: an event, garbage, or nothing that concerns this consumer."""
Moves = dict[inbox.Place, tuple[int, int]]


class Consumer(Loop, Generic[U]):
    """Runs a service's handlers over the topics it reads.

    One transaction per batch holds the new positions (compare-and-set), the inbox, the effects and
    the events they emit, whole on one worker thread. A batch that fails is rolled back and done
    again one by one, so that one bad event never blocks the rest: it becomes a dead letter, and the
    later events of its key are parked behind it, in order, until ``leadloop dead-letters replay``.
    With ``dead_letter_limit`` of them the consumer stops, because then it is not the events that
    are bad.

    A batch is what gathered while the one before it was written. A consumer that nobody waits for
    may ``linger`` so many seconds for more, for a transaction costs as much for one event as for
    ten.
    """

    def __init__(
        self,
        service: str,
        topics: Sequence[str],
        handlers: Handlers[U],
        transactions: Transactions[U],
        bus: Bus,
        *,
        max_batch: int = 500,
        linger: float = 0.0,
        dead_letter_limit: int = 1000,
    ) -> None:
        super().__init__(f"{service}.consumer", fatal=(MissingTopics,))
        self.group = service
        self._topics = topics
        self._handlers = {model.type: handler for model, handler in handlers.items()}
        self._transactions = transactions
        self._bus = bus
        self._max_batch = max_batch
        self._linger = linger
        self._dead_letter_limit = dead_letter_limit
        self._lag_shown = 0.0
        self._subscription: Subscription | None = None
        self._positions: dict[TopicPartition, int] = {}

    async def step(self) -> None:
        if self._subscription is None:
            await self._transactions.db.ping()
            await self._bus.check_topics(self._topics)
            self._subscription = await self._bus.subscribe(self.group, self._topics, self._load)
        try:
            messages = await self._poll(self._subscription)
            self.healthy()
            if messages:
                # Not only those past our position: a log that began anew has lower offsets.
                try:
                    await self.process(messages)
                except inbox.LostPosition:
                    await self._go_back(self._subscription)
            await self._show_lag(self._subscription)
        except BaseException:
            # The batch is rolled back: leave the group and come back at the stored positions.
            await self.close()
            raise

    async def _poll(self, subscription: Subscription) -> Sequence[Received]:
        try:
            found = await subscription.poll(self._max_batch, timeout=1.0)
            if found and self._linger and len(found) < self._max_batch:
                await self.pause(self._linger)
                more = await subscription.poll(self._max_batch - len(found), timeout=0)
                return [*found, *more]
            return found
        except asyncio.CancelledError:
            if cancelled_on_purpose():
                raise
            raise BusUnavailable("the client lost its connection and gave up") from None

    async def _go_back(self, subscription: Subscription) -> None:
        """Read on where the database says, in every partition: the whole batch was rolled back,
        also what came of a log's beginning. Failing here must not leave the subscription as it is,
        or what was rolled back of our own partitions would never be read again."""
        log.info("%s: lost a partition, reading positions again", self.name)
        places = list(subscription.assignment())
        known = await self._load(places)
        await subscription.seek({place: known.get(place, 0) for place in places})

    async def _show_lag(self, subscription: Subscription) -> None:
        """For operators, and so not after every batch: it is a question to the broker."""
        if time.monotonic() - self._lag_shown >= LAG_SECONDS:
            LAG.labels(self.group).set(await subscription.lag())
            self._lag_shown = time.monotonic()

    async def close(self) -> None:
        subscription, self._subscription = self._subscription, None
        self._positions.clear()
        if subscription is not None:
            await subscription.close()

    async def process(self, messages: Sequence[Received]) -> None:
        """Give a batch its effects, exactly once. Raises LostPosition, and what is transient."""
        await self._transactions.on_writer(lambda: self.process_here(messages))
        if self._subscription is not None:
            known = {p: at for p, at in self._positions.items() if at != inbox.BEGINNING}
            await self._subscription.commit(known)

    def process_here(self, messages: Sequence[Received]) -> None:
        """``process`` on the thread of the caller, without telling the broker."""
        for reads in _around_garbage([(message, self._read(message)) for message in messages]):
            self._apply_or_split(reads)

    def _apply_or_split(self, reads: Sequence[Read]) -> None:
        try:
            self.apply(reads)
        except inbox.LostPosition:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            log.info(
                "%s: a batch of %d failed (%s), going one by one",
                self.name,
                len(reads),
                type(error).__name__,
                extra={"frames": frames(error)},
            )
            for read in reads:
                self._apply_alone(read)

    def apply(self, reads: Sequence[Read]) -> None:
        """One transaction: positions, inbox, effects, events."""
        moves = self._moves(reads)
        events = [(m, e) for m, e in reads if isinstance(e, Event)]
        garbage = [(m, e) for m, e in reads if isinstance(e, UnreadableEvent)]
        with self._transactions.begin() as unit:
            inbox.advance(_conn(unit), self.group, moves)
            failpoints.reached("positions-moved", self.group)
            if garbage:
                self._set_aside(unit, garbage)
            if events:
                self._handle(unit, events)
        self._moved(moves)
        CONSUMED.labels(self.group).inc(len(events))

    def _handle(self, unit: U, events: Sequence[tuple[Received, Event[EventData]]]) -> None:
        conn = _conn(unit)
        blocked = dead_letters.blocked(conn, self.group, {m.key for m, _ in events})
        if blocked:
            waiting = [m for m, _ in events if m.key in blocked]
            dead_letters.park(conn, self.group, waiting, unit.now)
        fresh = inbox.fresh(conn, self.group, [e.id for m, e in events if m.key not in blocked])
        todo: list[Event[EventData]] = []
        for message, event in events:
            if event.id in fresh and message.key not in blocked:
                fresh.discard(event.id)  # a repeat within the batch is a repeat too
                todo.append(event)
        if todo:
            unit.load(list(dict.fromkeys(event.data.key() for event in todo)))
            half = len(todo) // 2
            for number, event in enumerate(todo):
                if number == half:
                    failpoints.reached("batch-half-done", self.group)
                follow(event.traceparent)
                self._handlers[event.type](event, unit)

    def _apply_alone(self, read: Read) -> None:
        """One event in its own transaction; what fails for good becomes a dead letter."""
        message, _ = read
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self.apply([read])
            except inbox.LostPosition:
                raise
            except Exception as error:
                if is_transient(error):
                    raise
                if isinstance(error, IntegrityError | Conflict) and attempt < ATTEMPTS:
                    continue  # somebody else was first; the next look at the state sees it
                return self._bury(message, UnreadableEvent(failure(error)))

    def _bury(self, message: Received, why: UnreadableEvent) -> None:
        moves = self._moves([(message, why)])
        with self._transactions.begin() as unit:
            inbox.advance(_conn(unit), self.group, moves)
            self._set_aside(unit, [(message, why)])
        self._moved(moves)

    def _set_aside(self, unit: U, bad: Sequence[tuple[Received, UnreadableEvent]]) -> None:
        conn = _conn(unit)
        if dead_letters.count(conn, self.group) >= self._dead_letter_limit:
            raise NotYet(f"{self._dead_letter_limit} dead letters: replay or discard them")
        dead_letters.add(conn, self.group, bad, unit.now)
        for message, why in bad:
            unit.emit(dead_letters.notice(unit.service, self.group, message, why, unit.now))

        def told() -> None:
            DEAD.labels(self.group).inc(len(bad))
            for _, why in bad:  # no traceback: it would quote statements with their values
                log.error("%s: dead letter: %s", self.name, why)

        unit.after_commit(told)  # once, however often the transaction is tried

    async def replay(self, letter: dead_letters.DeadLetter) -> None:
        """Give a dead or parked letter its effect now, and forget it. Raises what it raises."""
        event = decode(letter.headers, letter.value or b"")
        handler = self._handlers[event.type]

        def again(unit: U) -> None:
            conn = _conn(unit)
            dead_letters.remove(conn, letter.id)
            if inbox.fresh(conn, self.group, [event.id]):
                unit.load([event.data.key()])
                follow(event.traceparent)
                handler(event, unit)

        await self._transactions.run(again)

    def _read(self, message: Received) -> Event[EventData] | UnreadableEvent | None:
        kind = message.headers.get("ce_type")
        if message.value is None or (kind is not None and kind not in self._handlers):
            return None
        try:
            return decode(message.headers, message.value)
        except UnreadableEvent as error:
            return error

    def _moves(self, reads: Sequence[Read]) -> Moves:
        moves: Moves = {}
        for message, _ in reads:
            old = self._positions.get(message.place, inbox.BEGINNING)
            moves[(message.topic, message.partition)] = (old, message.offset + 1)
        return moves

    def _moved(self, moves: Moves) -> None:
        self._positions.update({TopicPartition(*p): new for p, (_, new) in moves.items()})

    async def _load(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where to read on, out of our own database: the broker's idea of it does not count."""
        if not places:
            return {}
        stored = await self._transactions.db.write(
            lambda conn: inbox.positions(conn, self.group, places)
        )
        known = {TopicPartition(*place): position for place, position in stored.items()}
        self._positions.update(known)
        failpoints.reached("seek", self.group)
        return {place: at for place, at in known.items() if at != inbox.BEGINNING}


def _around_garbage(reads: Sequence[Read]) -> Iterator[Sequence[Read]]:
    """Pieces in order, each unreadable message on its own: what came before it in its key must not
    wait behind it."""
    start = 0
    for at, (_, event) in enumerate(reads):
        if isinstance(event, UnreadableEvent):
            if start < at:
                yield reads[start:at]
            yield reads[at : at + 1]
            start = at + 1
    if start < len(reads):
        yield reads[start:]


def _conn(unit: Any) -> Any:
    assert unit.conn is not None
    return unit.conn


def failure(error: Exception) -> str:
    """Why an event failed, without any value of it: the class, and where in our code."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" in {place.tb_frame.f_code.co_qualname}" if place is not None else ""
    return f"{type(error).__name__}{where}"
