"""The outbox: order, staying until removed, and one relay at a time."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from shared.contracts.envelope import Event, decode
from shared.contracts.events import LeadUnrouted
from shared.db import outbox
from shared.db.database import Database
from shared.db.dead_letters import DeadLetter
from shared.db.tables import relay_lease
from tests.shared.toy.service import NOW, Toy, activity, captured

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def test_events_leave_in_the_order_they_came_and_stay_until_removed(toy: Toy) -> None:
    events = [captured("l1", n) for n in range(5)]
    with toy.db.begin() as conn:
        outbox.add(conn, "qualify", events[:3], NOW)
        outbox.add(conn, "qualify", [], NOW)
        outbox.add(conn, "qualify", events[3:], NOW)
    with toy.db.connect() as conn:
        first = outbox.take(conn, 2)
        again = outbox.take(conn, 10)
        assert len(outbox.take(conn, 99)) == 5
    assert [row.event_id for row in first] == [e.id for e in events[:2]]
    assert [row.event_id for row in again] == [e.id for e in events]
    with toy.db.begin() as conn:
        outbox.remove(conn, [row.seq for row in first])
        assert [row.seq for row in outbox.take(conn, 10)] == [r.seq for r in again[2:]]


async def test_a_row_says_all_that_the_event_said(toy: Toy) -> None:
    event = captured("l1", 3)
    with toy.db.begin() as conn:
        outbox.add(conn, "capture", [event], NOW)
        (row,) = outbox.take(conn, 1)
    assert (row.topic, row.key) == ("lead.captured", "l1")
    assert decode(row.headers("capture"), row.bytes() or b"") == event
    assert row.headers("capture") == event.headers()


async def test_a_rolled_back_transaction_leaves_no_event(toy: Toy) -> None:
    with pytest.raises(LookupError), toy.db.begin() as conn:  # noqa: PT012
        outbox.add(conn, "qualify", [captured("l1")], NOW)
        raise LookupError
    assert (await toy.counts())["outbox"] == 0


@ON_SQLITE
async def test_places_follow_commits_without_a_gap(toy: Toy) -> None:
    """Readers of the embedded log count on it: whoever comes later stands behind."""
    told: list[list[outbox.Row]] = []

    def add(conn: Connection, number: int, fails: bool = False) -> None:
        rows = outbox.add(conn, "capture", [captured("l", number), captured("l", number)], NOW)
        if fails:
            raise LookupError
        told.append(rows)

    for number in range(40):
        work = partial(add, number=number, fails=number % 3 == 0)
        with suppress(LookupError):
            await toy.db.write(work)
    seqs = [row.seq for rows in told for row in rows]
    assert seqs == list(range(1, len(seqs) + 1))
    with toy.db.connect() as conn:
        assert outbox.read(conn, "lead.captured", 1, 1000) == [row for rows in told for row in rows]
        assert outbox.last_place(conn) == len(seqs)


@ON_POSTGRESQL
async def test_postgresql_keeps_the_order_of_a_transaction(toy: Toy) -> None:
    events = [captured(f"l-{n % 7}", n) for n in range(2000)]
    with toy.db.begin() as conn:
        assert outbox.add(conn, "capture", events, NOW) == [], "it gives the places out, unsaid"
    with toy.db.connect() as conn:
        rows = outbox.take(conn, 5000)
    assert [row.event_id for row in rows] == [event.id for event in events]
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})


async def test_a_topic_is_read_from_a_place_on(toy: Toy) -> None:
    with toy.db.begin() as conn:
        for number in range(6):
            events = [captured("l", number), activity("l"), _handoff("l")]
            outbox.add(conn, "qualify", events, NOW)
        all_rows = outbox.take(conn, 100)
        handoffs = [row for row in all_rows if row.topic == "lead.handoff"]
        assert outbox.read(conn, "lead.handoff", 0, 100) == handoffs
        assert outbox.read(conn, "lead.handoff", handoffs[1].seq, 100) == handoffs[1:]
        assert outbox.read(conn, "lead.handoff", handoffs[1].seq + 1, 2) == handoffs[2:4]
        assert outbox.read(conn, "lead.contact", 0, 100) == []


async def test_what_is_put_back_goes_before_what_waits_of_its_key(toy: Toy) -> None:
    """In the order in which it was set aside; the others of the outbox stay where they are."""
    first, second = captured("bad", 1), captured("bad", 2)
    waiting, other = captured("bad", 3), captured("good", 4)
    with toy.db.begin() as conn:
        outbox.add(conn, "capture", [other, waiting, _handoff("bad")], NOW)
        outbox.put_back(conn, [_letter(first, 1), _letter(second, 2)])
        rows = outbox.take(conn, 10)
        outbox.put_back(conn, [])
        assert outbox.take(conn, 10) == rows
    assert [(row.topic, row.key) for row in rows][:2] == [
        ("lead.captured", "good"),
        ("lead.handoff", "bad"),
    ]
    assert [row.event_id for row in rows][2:] == [first.id, second.id, waiting.id]
    assert decode(rows[2].headers("capture"), rows[2].bytes() or b"") == first


def _handoff(lead_id: str) -> Event[Any]:
    data = LeadUnrouted(lead_id=lead_id, cycle=1, reason="toy", unrouted_at=NOW)
    return Event.of(data, "routing", NOW)


def _letter(event: Event[Any], number: int) -> DeadLetter:
    return DeadLetter(
        id=number,
        consumer="qualify.relay",
        state="dead",
        key=f"{event.data.topic} {event.data.key()}",
        topic=event.data.topic,
        partition=-1,
        offset=number,
        event_id=event.id,
        event_type=event.type,
        headers=event.headers(),
        value=event.value(),
        reason="too large",
        failed_at=NOW,
    )


async def test_one_relay_has_the_lease(toy: Toy) -> None:
    with toy.db.begin() as conn:
        assert outbox.lease(conn, "one", 60)
        assert outbox.lease(conn, "one", 60), "its owner extends it"
        assert not outbox.lease(conn, "two", 60)
        outbox.release(conn, "two")
        assert not outbox.lease(conn, "two", 60), "only the owner gives it back"


async def test_a_released_lease_is_free_at_once(toy: Toy) -> None:
    with toy.db.begin() as conn:
        outbox.lease(conn, "one", 60)
        outbox.release(conn, "one")
        assert outbox.lease(conn, "two", 60)
        assert not outbox.lease(conn, "one", 60)


async def test_a_lapsed_lease_is_taken_over(toy: Toy) -> None:
    with toy.db.begin() as conn:
        outbox.lease(conn, "crashed", 60)
        conn.execute(relay_lease.update().values(expires_at=datetime(2001, 1, 1, tzinfo=UTC)))
        assert outbox.lease(conn, "two", 60)
        assert not outbox.lease(conn, "crashed", 60), "it woke up too late"


async def test_a_clock_that_was_set_back_stops_nobody_for_long(toy: Toy) -> None:
    with toy.db.begin() as conn:
        outbox.lease(conn, "before", 6)
        later = datetime.now(UTC) + timedelta(days=1)
        conn.execute(relay_lease.update().values(expires_at=later))
        assert outbox.lease(conn, "after", 6)
        assert not outbox.lease(conn, "before", 6)


async def test_of_many_at_once_one_gets_the_lease(toy: Toy, database_url: str) -> None:
    others = [Database.open(database_url, "qualify", checkpoints=False) for _ in range(4)]

    async def ask(number: int, db: Database) -> bool:
        return await db.write(lambda conn: outbox.lease(conn, f"relay {number}", 60))

    granted = await asyncio.gather(*(ask(n, db) for n, db in enumerate([toy.db, *others])))
    assert sum(granted) == 1
    for db in others:
        db.close()
