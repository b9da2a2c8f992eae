"""Events that can't be processed: set aside, their key parked, brought back in order."""

import asyncio
import threading
from typing import Any

import orjson
import pytest

from shared.bus.api import Message
from shared.contracts.events import DeadLettered, LeadCaptured
from shared.contracts.ids import new_id
from shared.db.tables import dead_letters, outbox
from shared.runtime.consumer import Consumer
from tests.shared.runtime.operator import Operator
from tests.shared.toy.service import NOW, TOPIC, Log, Toy, captured, garbage, message, places


async def _process(toy: Toy, *parts: Any, **options: Any) -> Consumer[Any]:
    """A batch with these messages through a new consumer."""
    batch = Log().deliver(*parts)
    consumer = toy.consumer(**options)
    await consumer._load(places(batch))
    await consumer.process(batch)
    return consumer


async def _states(toy: Toy) -> list[tuple[str, str]]:
    return [(row.key, row.state) for row in await toy.rows(dead_letters)]


async def _notices(toy: Toy) -> list[DeadLettered]:
    rows = await toy.rows(outbox)
    return [
        DeadLettered.model_validate_json(row.value)
        for row in rows
        if row.topic == "qualify.dead-letter"
    ]


async def test_one_bad_event_stops_nobody_else(toy: Toy) -> None:
    events = [captured(f"lead-{n}", n) for n in range(6)]
    toy.poison = {events[2].id}
    await _process(toy, *events)
    assert await _states(toy) == [("lead-2", "dead")]
    for number in (0, 1, 3, 4, 5):
        assert await toy.numbers(f"lead-{number}") == [number]
    assert await toy.numbers("lead-2") == []
    counts = await toy.counts()
    assert (counts["read"], counts["outbox"]) == (6, 6), "five effects and a notice"


async def test_later_events_of_the_key_wait_in_order_and_other_keys_go_on(toy: Toy) -> None:
    bad = [captured("bad", n) for n in range(4)]
    good = [captured("good", n) for n in range(4)]
    toy.poison = {bad[1].id}
    mixed = [event for pair in zip(bad, good, strict=True) for event in pair]
    await _process(toy, *mixed)
    assert await _states(toy) == [("bad", "dead"), ("bad", "parked"), ("bad", "parked")]
    assert [row.event_id for row in await toy.rows(dead_letters)] == [e.id for e in bad[1:]]
    assert await toy.numbers("bad") == [0]
    assert await toy.numbers("good") == [0, 1, 2, 3]


async def test_events_of_a_later_batch_wait_too(toy: Toy) -> None:
    log = Log()
    first = captured("bad", 0)
    toy.poison = {first.id}
    consumer = toy.consumer()
    for number, event in enumerate([first, captured("bad", 1), captured("bad", 2)]):
        batch = log.deliver(event, captured("good", number))
        await consumer._load(places(batch))
        await consumer.process(batch)
    assert await _states(toy) == [("bad", "dead"), ("bad", "parked"), ("bad", "parked")]
    assert await toy.numbers("good") == [0, 1, 2]


async def test_what_came_before_garbage_of_its_key_is_not_held_up(toy: Toy) -> None:
    before, after = captured("lead", 1), captured("lead", 2)
    await _process(toy, before, garbage("lead"), after, captured("other", 3))
    assert await toy.numbers("lead") == [1]
    assert await _states(toy) == [("lead", "dead"), ("lead", "parked")]
    assert await toy.numbers("other") == [3]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x00\xff\xfe",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"lead_id": 5}',
        b'{"lead_id": "\\ud800"}',
        b'{"lead_id": "x", "submission_id": "y", "captured_at": "yesterday", "facts": {}}',
    ],
    ids=lambda value: repr(value[:12]),
)
async def test_garbage_is_set_aside(toy: Toy, value: bytes) -> None:
    await _process(toy, captured("a", 1), garbage("lead", value), captured("b", 2))
    assert await _states(toy) == [("lead", "dead")]
    assert (await toy.counts())["effects"] == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_id": ""},
        {"ce_time": "2026-03-01T12:00:00"},
        {"ce_time": "today"},
        {"ce_id": "x" * 5000},
        {"ce_id": "nul\x00"},
        {"traceparent": "x" * 5000},
    ],
    ids=lambda headers: repr(headers)[:30],
)
async def test_attributes_that_no_producer_writes_hold_nobody_up(
    toy: Toy, headers: dict[str, str]
) -> None:
    """What becomes of the event itself is the contract's affair; the next ones must go on."""
    plain = message(captured("odd", 1))
    odd = Message(plain.topic, plain.key, plain.value, {**plain.headers, **headers})
    await _process(toy, captured("a", 1), odd, captured("b", 2))
    counts = await toy.counts()
    assert counts["read"] == 3
    assert await toy.numbers("a") == [1]
    assert await toy.numbers("b") == [2]
    assert len(await toy.numbers("odd")) + counts["dead_letters"] == 1


async def test_an_event_without_identity_is_garbage_and_not_a_repeat(toy: Toy) -> None:
    """Else the second one without an id would count as delivered."""
    nameless = [
        Message(m.topic, m.key, m.value, {**m.headers, "ce_id": ""})
        for m in (message(captured("a", 1)), message(captured("b", 2)))
    ]
    await _process(toy, *nameless)
    assert await _states(toy) == [("a", "dead"), ("b", "dead")]


@pytest.mark.parametrize("key", ["k" * 5000, "nul\x00key", ""])
async def test_a_key_that_no_column_takes_holds_nobody_up(toy: Toy, key: str) -> None:
    log = Log()
    batch = log.deliver(garbage(key), captured("a", 1))
    consumer = toy.consumer()
    await consumer._load(places(batch))
    await consumer.process(batch)
    assert await toy.numbers("a") == [1]
    assert [state for _, state in await _states(toy)] == ["dead"]


async def test_a_value_that_fits_no_column_becomes_a_dead_letter(toy: Toy) -> None:
    """The database refuses it each time: trying for ever would hold up everybody."""
    await _process(toy, captured("a", 1), captured("lead", 2**63 + 5), captured("b", 2))
    assert await _states(toy) == [("lead", "dead")]
    assert (await toy.counts())["effects"] == 2


async def test_the_notice_says_where_and_why_and_nothing_of_whom(toy: Toy) -> None:
    poison = captured("lead", 7)
    toy.poison = {poison.id}
    secret = b'{"lead_id": "x", "captured_at": "jane.roe@x.example", "facts": {"jane@x": {"b": 1}}}'
    await _process(toy, poison, garbage("other", secret))
    one, two = await _notices(toy)
    assert (one.service, one.consumer) == ("qualify", "qualify")
    assert (one.event_id, one.event_type) == (poison.id, LeadCaptured.type)
    assert (one.source_topic, one.event_key, one.failed_at) == (TOPIC, "lead", NOW)
    assert one.reason.startswith("ValueError in Toy.on_captured")
    assert "captured_at" in two.reason
    kept = [row.reason for row in await toy.rows(dead_letters)]
    for text in (one.model_dump_json(), two.model_dump_json(), *kept):
        assert "jane" not in text


async def test_logs_of_a_poisoned_batch_name_nobody(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    poison = captured("lead", 7)
    toy.poison = {poison.id}
    await _process(toy, poison)
    assert "dead letter: ValueError in Toy.on_captured" in caplog.text
    assert caplog.text.count("dead letter:") == 1, "logged once, however often it was tried"
    assert "jane" not in caplog.text


async def test_with_too_many_dead_letters_the_consumer_stops(toy: Toy) -> None:
    log = Log()
    batch = log.deliver(*(garbage(f"lead-{n}") for n in range(5)), captured("late", 1))
    consumer = toy.consumer(dead_letter_limit=3)
    await consumer._load(places(batch))
    with pytest.raises(Exception, match="3 dead letters"):
        await consumer.process(batch)
    counts = await toy.counts()
    assert (counts["dead_letters"], counts["read"]) == (3, 3)
    await toy.db.write(lambda conn: conn.execute(dead_letters.delete()))
    await consumer._load(places(batch))
    await consumer.process([m for m in batch if m.offset >= consumer._positions[m.place]])
    assert await toy.numbers("late") == [1]


async def test_readiness_tells_how_many_there_are_and_stays_ready(
    toy: Toy, operator: Operator
) -> None:
    assert (await operator.client.get("/qualify/health/ready")).json()["dead_letters"] == 0
    bad = [captured("bad", n) for n in range(3)]
    toy.poison = {bad[0].id}
    await _process(toy, *bad, garbage("hopeless"))
    answer = await operator.client.get("/qualify/health/ready")
    assert (answer.status_code, answer.json()["dead_letters"]) == (200, 2), "parked do not count"


async def test_replay_brings_a_key_back_in_order(toy: Toy, operator: Operator) -> None:
    bad = [captured("bad", n) for n in range(4)]
    toy.poison = {bad[1].id}
    operator.use(await _process(toy, *bad, captured("good", 9), garbage("hopeless")))
    listed = await operator.letters()
    assert [(item["key"], item["state"]) for item in listed] == [
        ("bad", "dead"),
        ("bad", "parked"),
        ("bad", "parked"),
        ("hopeless", "dead"),
    ]
    assert await operator.replay() == {"replayed": 0, "failed": 2}, "the cause is still there"
    toy.poison.clear()
    assert await operator.replay() == {"replayed": 3, "failed": 1}
    assert await toy.numbers("bad") == [0, 1, 2, 3]
    assert await _states(toy) == [("hopeless", "dead")]
    log_events = [row.event_id for row in await toy.rows(outbox)]
    assert len(log_events) == len(set(log_events))


async def test_a_replayed_key_flows_again(toy: Toy, operator: Operator) -> None:
    log, first = Log(), captured("lead", 1)
    toy.poison = {first.id}
    consumer = toy.consumer()
    operator.use(consumer)
    batch = log.deliver(first)
    await consumer._load(places(batch))
    await consumer.process(batch)
    toy.poison.clear()
    (letter,) = await operator.letters()
    assert await operator.replay(f"?id={letter['id']}") == {"replayed": 1, "failed": 0}
    await consumer.process(log.deliver(captured("lead", 2)))
    assert await toy.numbers("lead") == [1, 2]
    assert await operator.letters() == []


async def test_replaying_a_repeat_has_no_second_effect(toy: Toy, operator: Operator) -> None:
    """The relay may publish an event twice: both copies wait behind the first one's failure."""
    event = captured("lead", 1)
    toy.poison = {event.id}
    operator.use(await _process(toy, event, event))
    toy.poison.clear()
    assert await operator.replay() == {"replayed": 2, "failed": 0}
    assert await toy.numbers("lead") == [1]


async def test_a_replay_that_fails_changes_nothing_but_the_reason(
    toy: Toy, operator: Operator
) -> None:
    event = captured("lead", 1)
    toy.poison = {event.id}
    operator.use(await _process(toy, event, captured("lead", 2)))
    before = await toy.counts()
    assert await operator.replay() == {"replayed": 0, "failed": 1}
    assert await toy.counts() == before


async def test_a_letter_can_be_read_and_given_up(toy: Toy, operator: Operator) -> None:
    event = captured("lead", 1)
    toy.poison = {event.id}
    operator.use(await _process(toy, event, captured("lead", 2)))
    first, second = await operator.letters()
    path = f"/qualify/v1/dead-letters/{first['id']}"
    shown = (await operator.client.get(path)).json()
    assert orjson.loads(shown["event"])["lead_id"] == "lead"
    assert (await operator.client.delete(path)).status_code == 204
    assert (await operator.client.get(path)).status_code == 404
    assert second["state"] == "parked"
    assert await operator.replay() == {"replayed": 1, "failed": 0}
    assert await toy.numbers("lead") == [2]


@pytest.mark.parametrize("number", ["0", "-1", str(2**63), "9" * 400, "x"])
async def test_a_letter_that_cannot_be_is_not_found(operator: Operator, number: str) -> None:
    answer = await operator.client.get(f"/qualify/v1/dead-letters/{number}")
    assert answer.status_code in (404, 422)
    answer = await operator.client.post(f"/qualify/v1/dead-letters/replay?id={number}")
    assert answer.status_code in (404, 422)


async def test_letters_are_for_admins(toy: Toy, database_url: str, operator: Operator) -> None:
    assert (
        await operator.client.get("/qualify/v1/dead-letters", headers={"Authorization": ""})
    ).status_code == 401


async def test_a_parked_event_is_never_left_behind_by_a_replay(
    toy: Toy, operator: Operator
) -> None:
    """While a batch decides that a key is blocked, the replay of that key ends."""
    log, first = Log(), captured("lead", 1)
    toy.poison = {first.id}
    consumer = toy.consumer()
    operator.use(consumer)
    batch = log.deliver(first)
    await consumer._load(places(batch))
    await consumer.process(batch)
    toy.poison.clear()
    paused, go_on = threading.Event(), threading.Event()

    def hold(_event: Any, _unit: Any) -> None:
        paused.set()
        go_on.wait(20)

    toy.during = hold
    later = log.deliver(captured("lead", 2), captured("other", 3))
    await consumer._load(places(later))
    processing = asyncio.create_task(consumer.process(later))
    assert await asyncio.to_thread(
        paused.wait, 10
    )  # lead's event 2 was parked, other's is under way
    toy.during = None
    replaying = asyncio.create_task(operator.replay())
    if toy.db.dialect == "postgresql":
        await asyncio.wait({replaying}, timeout=0.3)  # as far as it gets
    go_on.set()
    await processing
    await replaying
    assert await toy.numbers("lead") == [1, 2]
    assert await _states(toy) == []


def test_ids_of_events_are_unique_and_sorted() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
