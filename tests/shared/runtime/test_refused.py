"""What the broker refuses for good is set aside; its key waits in order, and nobody else does."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from shared.bus.api import Message
from shared.contracts.envelope import Event
from shared.contracts.events import LeadUnrouted
from shared.db import dead_letters as letters
from shared.db import outbox
from shared.db.tables import dead_letters
from shared.runtime.relay import Relay
from tests.shared.runtime.checks import Recorder, empty, relay_of
from tests.shared.runtime.operator import Operator
from tests.shared.toy.service import NOW, Log, Toy, activity, captured, places
from tests.shared.toy.waiting import until

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ON_KAFKA = pytest.mark.parametrize("bus_url", ["kafka"], indirect=True)


class Strict(Recorder):
    """Takes a batch whole, or refuses it for one of these events in it."""

    def __init__(self, *refused: Event[Any]) -> None:
        super().__init__()
        self.refused = {event.id for event in refused}
        self.asked = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        self.asked += 1
        if any(m.headers["ce_id"] in self.refused for m in messages):
            raise ValueError("a message is larger than the broker takes")
        await super().publish(messages)


def _put(toy: Toy, *events: Event[Any]) -> None:
    with toy.db.begin() as conn:
        outbox.add(conn, "qualify", events, NOW)


async def _letters(toy: Toy) -> list[tuple[str, str | None]]:
    return [(row.state, row.event_id) for row in await toy.rows(dead_letters)]


async def _done(toy: Toy) -> None:
    await until(lambda: empty(toy))


@pytest.mark.parametrize("place", [0, 1, 499, 998, 999])
async def test_one_refused_event_is_found_and_the_others_go_in_order(toy: Toy, place: int) -> None:
    events = [captured(f"lead-{n}", n) for n in range(1000)]
    broker = Strict(events[place])
    _put(toy, *events)
    relay = relay_of(toy, broker)
    await relay.start()
    await _done(toy)
    assert broker.ids == [event.id for event in events if event is not events[place]]
    assert await _letters(toy) == [("dead", events[place].id)]
    assert broker.asked < 60, "halving, not one by one"
    assert await relay.check() is None
    # What comes afterwards finds nothing in its way.
    _put(toy, captured("later"))
    await _done(toy)
    await relay.stop()
    (letter,) = await toy.db.read(letters.listed)
    assert (letter.consumer, letter.topic) == ("qualify.relay", "lead.captured")
    assert letter.reason == "a message is larger than the broker takes"
    assert letter.value == events[place].value()
    assert letter.headers["ce_id"] == events[place].id


async def test_many_refused_events_stop_nobody(toy: Toy) -> None:
    """The case that stood still for ever: somebody's key posts one after the other."""
    events = [captured(f"lead-{n}", n) for n in range(300)]
    bad = events[::10]
    broker = Strict(*bad)
    _put(toy, *events)
    relay = relay_of(toy, broker)
    await relay.start()
    await _done(toy)
    await relay.stop()
    assert broker.ids == [event.id for event in events if event not in bad]
    assert await _letters(toy) == [("dead", event.id) for event in bad]


async def test_later_events_of_topic_and_key_wait_behind_it(toy: Toy) -> None:
    """Those that were there and those that come later; the key's events of other topics go on."""
    bad, others = [captured("bad", n) for n in range(5)], [captured("good", n) for n in range(5)]
    elsewhere = _unrouted("bad")
    broker = Strict(bad[1])
    mixed = [event for pair in zip(bad[:3], others[:3], strict=True) for event in pair]
    _put(toy, *mixed, elsewhere)
    relay = relay_of(toy, broker)
    await relay.start()
    await _done(toy)
    _put(toy, bad[3], others[3])
    await _done(toy)
    await relay.stop()
    again = relay_of(toy, broker)  # a new process knows it too
    await again.start()
    _put(toy, bad[4], others[4])
    await _done(toy)
    await again.stop()
    assert [i for i in broker.ids if i in {e.id for e in bad}] == [bad[0].id]
    assert [i for i in broker.ids if i in {e.id for e in others}] == [e.id for e in others]
    assert elsewhere.id in broker.ids
    assert await _letters(toy) == [
        ("dead", bad[1].id),
        *(("parked", event.id) for event in bad[2:]),
    ]


def _unrouted(lead_id: str) -> Event[Any]:
    data = LeadUnrouted(lead_id=lead_id, cycle=1, reason="toy", unrouted_at=NOW)
    return Event.of(data, "routing", NOW)


async def check_that_a_replay_keeps_the_order(
    toy: Toy, operator: Operator, kind: type[Relay] = Relay
) -> None:
    """While the relay runs, and with an event of the key that waits in the outbox."""
    bad = [captured("bad", n) for n in range(6)]
    broker = Strict(bad[1])
    relay = relay_of(toy, broker, kind)
    operator.use(relay)
    await relay.start()
    try:
        _put(toy, *bad[:5])
        await until(lambda: empty(toy), seconds=10)
        broker.refused.clear()
        _put(toy, bad[5], captured("good", 1))
        await operator.replay()
        await until(lambda: empty(toy), seconds=10)
        assert await _letters(toy) == []
        of_key = [i for i in dict.fromkeys(broker.ids) if i in {event.id for event in bad}]
        assert of_key == [event.id for event in bad]
    finally:
        await relay.stop()


async def test_a_replay_keeps_the_order(toy: Toy, operator: Operator) -> None:
    await check_that_a_replay_keeps_the_order(toy, operator)


async def test_the_check_notices_a_replay_of_one_letter_at_a_time(
    toy: Toy, operator: Operator
) -> None:
    class OneByOne(Relay):
        """The relay looks between two letters: the first is parked anew, behind the second."""

        async def replay(self, letter: letters.DeadLetter) -> None:
            def again(conn: Any) -> None:
                letters.remove(conn, letter.id)
                outbox.put_back(conn, [letter])

            await self._db.write(again)
            self.woken.set()
            await until(lambda: empty(toy), seconds=10)

    async def within(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await check_that_a_replay_keeps_the_order(toy, operator, OneByOne)

    with pytest.raises((AssertionError, TimeoutError)):
        await within(10)


async def test_a_replay_that_is_refused_again_leaves_all_as_it_was(
    toy: Toy, operator: Operator
) -> None:
    bad = [captured("bad", n) for n in range(4)]
    broker = Strict(bad[0], bad[2])
    relay = relay_of(toy, broker)
    operator.use(relay)
    await relay.start()
    _put(toy, *bad)
    await _done(toy)
    expected = [("dead", bad[0].id), *(("parked", event.id) for event in bad[1:])]
    assert await _letters(toy) == expected
    assert (await operator.replay())["failed"] == 0, "they wait in the outbox again"
    await _done(toy)
    assert await _letters(toy) == expected
    # Given up, the first lets the others go, up to the next that is refused.
    first, *_ = await operator.letters()
    await operator.client.delete(f"/qualify/v1/dead-letters/{first['id']}")
    await operator.replay()
    await _done(toy)
    await relay.stop()
    assert [[e.id for e in bad].index(i) for i in broker.ids] == [1]
    assert await _letters(toy) == [("dead", bad[2].id), ("parked", bad[3].id)]


async def test_a_relays_letters_and_a_consumers_are_each_others_affair_alone(
    toy: Toy, operator: Operator
) -> None:
    """One service has both, with the same lead's key."""
    poison = captured("lead", 1)
    toy.poison = {poison.id}
    consumer = toy.consumer()
    batch = Log().deliver(poison)
    await consumer._load(places(batch))
    await consumer.process(batch)
    refused = captured("lead", 2)
    broker = Strict(refused)
    relay = relay_of(toy, broker)
    operator.app.state.parts = [consumer, relay]
    await relay.start()
    _put(toy, refused)
    await _done(toy)
    broker.refused.clear()
    assert await operator.replay() == {"replayed": 1, "failed": 1}
    await _done(toy)
    await relay.stop()
    assert refused.id in broker.ids
    assert await _letters(toy) == [("dead", poison.id)]


@ON_SQLITE
async def test_a_place_given_out_again_loses_no_letter(toy: Toy) -> None:
    """An outbox that was emptied numbers from one again: each refused event is a letter of its
    own all the same, and so is each that is parked."""
    one, two, behind = captured("a", 1), captured("b", 2), captured("a", 3)
    broker = Strict(one, two)
    relay = relay_of(toy, broker)
    await relay.start()
    for event in (one, two, behind):
        _put(toy, event)
        relay.woken.set()
        await _done(toy)
    await relay.stop()
    assert await _letters(toy) == [("dead", one.id), ("dead", two.id), ("parked", behind.id)]


async def test_parking_after_a_replay_has_cleared_the_way_parks_nothing(toy: Toy) -> None:
    """Between looking and parking the letters may go: the row stays in the outbox and is sent."""
    bad, later = captured("bad", 1), captured("bad", 2)
    relay = relay_of(toy, Strict(bad))
    with toy.db.begin() as conn:
        outbox.add(conn, "qualify", [bad, later], NOW)
        first, second = outbox.take(conn, 2)
        relay._set_aside(conn, first, "too large")
        letters.remove(conn, letters.listed(conn)[0].id)
        relay._park(conn, [second])
        assert outbox.take(conn, 5) == [second]
        assert letters.listed(conn) == []


async def check_that_a_replay_between_two_looks_lets_nothing_pass(
    toy: Toy, kind: type[Relay] = Relay
) -> None:
    """The relay has looked at half of what it looks at when the letters are put back."""
    bad = [captured("bad", n) for n in range(2)]
    broker = Strict(bad[0])
    relay = relay_of(toy, broker, kind)
    with toy.db.begin() as conn:
        outbox.add(conn, "qualify", bad, NOW)
        relay._set_aside(conn, outbox.take(conn, 1)[0], "too large")
    broker.refused.clear()
    real = relay.take
    looked: list[int] = []

    def take(conn: Any) -> list[outbox.Row]:
        before = real(conn) if kind is not Relay else []
        if not looked:
            looked.append(1)
            (letter,) = letters.listed(conn)
            asyncio.run_coroutine_threadsafe(relay.replay(letter), loop).result(10)
        return before or real(conn)

    loop = asyncio.get_running_loop()
    relay.take = take  # type: ignore[method-assign]
    await relay.start()
    try:
        await until(lambda: len(broker.messages) >= 2, seconds=10)
    finally:
        await relay.stop()
    assert broker.ids == [event.id for event in bad]


@ON_POSTGRESQL
async def test_a_replay_between_two_looks_lets_nothing_pass(toy: Toy) -> None:
    await check_that_a_replay_between_two_looks_lets_nothing_pass(toy)


@ON_POSTGRESQL
async def test_the_check_notices_a_relay_that_looks_at_its_rows_first(toy: Toy) -> None:
    class RowsFirst(Relay):
        def _sorted(self, conn: Any) -> tuple[list[outbox.Row], list[outbox.Row]]:
            batch = self.take(conn)
            refused = letters.waiting(conn, self.group)
            free = [row for row in batch if f"{row.topic} {row.key}" not in refused]
            return free, [row for row in batch if row not in free]

    with pytest.raises(AssertionError):
        await check_that_a_replay_between_two_looks_lets_nothing_pass(toy, RowsFirst)


@ON_POSTGRESQL
async def test_an_event_decided_during_a_replay_goes_behind_it(
    toy: Toy, operator: Operator
) -> None:
    """Its transaction began before and has its number already, or gets it soon."""
    bad = [captured("bad", n) for n in range(2)]
    broker = Strict(bad[0])
    relay = relay_of(toy, broker)
    operator.use(relay)
    await relay.start()
    _put(toy, *bad)
    await _done(toy)
    await relay.stop()
    broker.refused.clear()
    held, go_on = threading.Event(), threading.Event()

    def decide(unit: Any) -> None:
        unit.emit(captured("bad", 9).data)
        # Its number is taken before the replay's, its commit comes after.
        outbox.add(unit.conn, "qualify", unit.events, unit.now)
        unit.events.clear()
        held.set()
        go_on.wait(20)

    deciding = asyncio.create_task(toy.transactions.run(decide, ["bad"]))
    await asyncio.to_thread(held.wait, 10)
    replaying = asyncio.create_task(operator.replay())
    await asyncio.wait({replaying}, timeout=0.3)  # as far as it gets
    again = relay_of(toy, broker)
    await again.start()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(deciding, replaying)
    await until(lambda: len(broker.messages) == 3)
    await again.stop()
    assert broker.ids[:2] == [event.id for event in bad]
    assert await _letters(toy) == []


@ON_KAFKA
async def test_a_real_broker_refuses_a_real_event(toy: Toy, operator: Operator, bus: Any) -> None:
    """Over a megabyte, as 24 posts of one e-mail once made it: the others arrive, in order."""
    huge = captured("bad", 1)
    huge.data.facts["tags"] = ["x" * 1000] * 1200
    bad = [captured("bad", 0), huge, captured("bad", 2), captured("bad", 3)]
    # Keys of the same partition and of others, before and behind it.
    good = [captured(f"lead-{n % 20}", n) for n in range(400)]
    _put(toy, *good[:150], bad[0], *good[150:200], bad[1], *good[200:300], bad[2], *good[300:])
    relay = relay_of(toy, bus)
    operator.use(relay)
    await relay.start()
    await until(lambda: empty(toy), seconds=60)
    _put(toy, bad[3], activity("bad-not"))
    await until(lambda: empty(toy), seconds=60)
    parked = [("parked", bad[2].id), ("parked", bad[3].id)]
    assert await _letters(toy) == [("dead", huge.id), *parked]
    await operator.replay()
    await until(lambda: empty(toy), seconds=60)
    assert await _letters(toy) == [("dead", huge.id), *parked], "it is as large as it was"
    first, *_ = await operator.letters()
    await operator.client.delete(f"/qualify/v1/dead-letters/{first['id']}")
    await operator.replay()
    await until(lambda: empty(toy), seconds=60)
    await relay.stop()
    assert await _letters(toy) == []

    async def beginning(_: Any) -> dict[Any, int]:
        return {}

    subscription = await bus.subscribe("reader", ["lead.captured"], beginning)
    seen: dict[str, str] = {}

    async def all_there() -> bool:
        for one in await subscription.poll(500, 0.2):
            seen.setdefault(one.headers["ce_id"], one.key)
        return len(seen) == 404

    await until(all_there, seconds=60)
    await subscription.close()
    assert [i for i in seen if seen[i] == "bad"] == [bad[0].id, bad[2].id, bad[3].id]
    for lead in range(20):
        key = f"lead-{lead}"
        expected = [event.id for event in good if event.data.key() == key]
        assert [i for i in seen if seen[i] == key] == expected
