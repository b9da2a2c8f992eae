"""What is forgotten: never what somebody has yet to read, never the newest of a key, in small
steps along indexes; and that it is forgotten at all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from shared.bus.api import Message
from shared.bus.local import LocalBus, place_of
from shared.contracts.events import LeadUnrouted
from shared.contracts.ids import new_id
from shared.contracts.topics import TOPICS
from shared.db import inbox, outbox
from shared.db.database import Database
from shared.db.statements import Statement
from shared.runtime import retention
from shared.runtime.clock import FixedClock
from shared.runtime.retention import CHUNK, INBOX_DAYS, InboxKeeper, LogKeeper, first_id_of
from tests.shared.toy.embedded import EmbeddedLog
from tests.shared.toy.service import NOW, TOPIC, Toy, captured

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
READERS = TOPICS[TOPIC].readers
CONTACT = "lead.contact"
LONG_AGO = NOW - timedelta(days=31)


def _messages(count: int, topic: str = TOPIC, keys: int = 1000, start: int = 0) -> list[Message]:
    return [
        Message(topic, f"k{n % keys}", str(n).encode(), {}) for n in range(start, start + count)
    ]


def _stored(bus: EmbeddedLog, topic: str) -> list[tuple[str, str]]:
    """Key and value of what the log still has of a topic, in order."""
    with bus.database(TOPICS[topic].owner).connect() as conn:
        return [(row.key, row.value or "") for row in outbox.read(conn, topic, 0, 100_000)]


def _read_by(bus: LocalBus, readers: Sequence[str], topic: str, position: int) -> None:
    for reader in readers:
        bus.note(reader, topic, position)


def _keeper(bus: EmbeddedLog, kind: type[LogKeeper] = LogKeeper, now: datetime = NOW) -> LogKeeper:
    return kind("capture", bus.database("capture"), bus, FixedClock(now))


async def _keep(keeper: LogKeeper | InboxKeeper) -> int:
    """Run as the timer does; returns how often."""
    turns = 1
    while await keeper.run():
        turns += 1
    return turns


async def test_what_is_old_and_read_by_all_goes(embedded: EmbeddedLog) -> None:
    await embedded.publish(_messages(1200), LONG_AGO)
    await embedded.publish(_messages(10, start=1200), NOW)
    _read_by(embedded, READERS, TOPIC, 1211)
    await _keep(_keeper(embedded))
    assert _stored(embedded, TOPIC) == [(f"k{n % 1000}", str(n)) for n in range(1200, 1210)]


async def check_that_nothing_unread_goes(
    bus: EmbeddedLog, kind: type[LogKeeper] = LogKeeper
) -> None:
    """However old it is, for as long as one reader has not stored its effects, or not said so."""
    await bus.publish(_messages(30), LONG_AGO)
    slow, *others = READERS
    _read_by(bus, others, TOPIC, 31)
    await _keep(_keeper(bus, kind))
    assert len(_stored(bus, TOPIC)) == 30, "one reader was never here"
    _read_by(bus, [slow], TOPIC, 11)
    await _keep(_keeper(bus, kind))
    assert [int(value) for _, value in _stored(bus, TOPIC)] == list(range(10, 30))


async def test_nothing_unread_goes(embedded: EmbeddedLog) -> None:
    await check_that_nothing_unread_goes(embedded)


async def test_the_check_notices_a_keeper_that_minds_age_alone(embedded: EmbeddedLog) -> None:
    class Careless(LogKeeper):
        def _expire(self, topic: Any) -> Any:
            _read_by(self._bus, TOPICS[topic.name].readers, topic.name, 2**40)
            return super()._expire(topic)

    with pytest.raises(AssertionError):
        await check_that_nothing_unread_goes(embedded, Careless)


async def test_a_reader_that_is_half_through_finds_the_rest(
    toy: Toy, embedded: EmbeddedLog
) -> None:
    """End to end: a real consumer, whose stored position is what the keeper goes by."""
    events = [captured(f"lead-{n % 3}", n) for n in range(40)]
    as_messages = [Message(TOPIC, e.data.key(), e.value(), e.headers()) for e in events]
    await embedded.publish(as_messages, LONG_AGO)
    _read_by(embedded, [one for one in READERS if one != "qualify"], TOPIC, 41)
    consumer = toy.consumer(embedded, max_batch=15)
    await consumer.step()
    await _keep(_keeper(embedded))
    assert len(_stored(embedded, TOPIC)) == 25
    await consumer.close()
    again = toy.consumer(embedded, max_batch=15)
    while (await toy.counts())["effects"] < 40:
        await again.step()
    await again.close()
    for lead in range(3):
        assert await toy.numbers(f"lead-{lead}") == list(range(lead, 40, 3))


async def test_the_newest_row_stays_and_numbers_go_on(embedded: EmbeddedLog) -> None:
    """Numbers go on from it: one that was given out again would be passed over by its readers."""
    await embedded.publish(_messages(20), LONG_AGO)
    _read_by(embedded, READERS, TOPIC, 21)
    await _keep(_keeper(embedded))
    assert _stored(embedded, TOPIC) == [("k19", "19")]
    await embedded.publish(_messages(1, start=20), NOW)
    with embedded.database("capture").connect() as conn:
        assert [row.seq for row in outbox.take(conn, 10)] == [20, 21]
    await _keep(_keeper(embedded))
    assert _stored(embedded, TOPIC) == [("k20", "20")]


async def test_a_topic_that_nobody_reads_goes_by_age(embedded: EmbeddedLog) -> None:
    letters = "capture.dead-letter"
    await embedded.publish(_messages(5, letters), LONG_AGO)
    await embedded.publish(_messages(5, letters, start=5), NOW)
    await _keep(_keeper(embedded))
    assert [int(value) for _, value in _stored(embedded, letters)] == [5, 6, 7, 8, 9]


def _contacts(*pairs: tuple[str, str]) -> list[Message]:
    return [Message(CONTACT, key, value.encode(), {}) for key, value in pairs]


async def check_that_the_newest_of_each_key_stays(
    bus: EmbeddedLog, kind: type[LogKeeper] = LogKeeper
) -> None:
    """At once, later, and after a restart; of other topics with the same key nothing goes."""
    old = [(f"k{n % 7}", f"old {n}") for n in range(1300)]
    await bus.publish(_messages(20, keys=7), NOW)
    await bus.publish(_contacts(*old, ("once", "only")), NOW)
    await _keep(_keeper(bus, kind))
    newest = dict(old)
    assert dict(_stored(bus, CONTACT)) == {**newest, "once": "only"}
    assert len(_stored(bus, CONTACT)) == 8, "one row a key"
    # Incremental: what came since then supersedes what was kept before.
    await bus.publish(_contacts(("k3", "new"), ("k3", "newer"), ("k9", "first")), NOW)
    await _keep(_keeper(bus, kind))
    expected = {**newest, "once": "only", "k3": "newer", "k9": "first"}
    assert sorted(_stored(bus, CONTACT)) == sorted(expected.items())
    # A new process goes on from the stored mark.
    await bus.stop()
    await bus.start()
    await bus.publish(_contacts(("k1", "newest")), NOW)
    await _keep(_keeper(bus, kind))
    expected["k1"] = "newest"
    assert sorted(_stored(bus, CONTACT)) == sorted(expected.items())
    assert len(_stored(bus, TOPIC)) == 20


async def test_the_newest_of_each_key_stays(embedded: EmbeddedLog) -> None:
    await check_that_the_newest_of_each_key_stays(embedded)


async def test_the_check_notices_a_keeper_that_drops_the_newest(
    embedded: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = str(retention._SUPERSEDED._build)
    monkeypatch.setattr(
        retention, "_SUPERSEDED", Statement(text.replace("old.seq < new.seq", "old.seq <= new.seq"))
    )
    with pytest.raises(AssertionError):
        await check_that_the_newest_of_each_key_stays(embedded)


async def test_the_check_notices_a_keeper_that_compacts_once_and_never_again(
    embedded: EmbeddedLog,
) -> None:
    class Tired(LogKeeper):
        def _compact(self, topic: Any, conn: Any) -> int:
            if inbox.positions(conn, retention.MARK, [(topic.name, 0)])[(topic.name, 0)] > 1000:
                return 0
            return super()._compact(topic, conn)

    with pytest.raises(AssertionError):
        await check_that_the_newest_of_each_key_stays(embedded, Tired)


async def test_a_superseded_row_goes_unread_and_its_reader_gets_the_newest(
    embedded: EmbeddedLog,
) -> None:
    """What was erased must not wait for a reader that is away."""
    await embedded.publish(_contacts(("k", "jane@x.example"), ("other", "x"), ("k", "erased")), NOW)
    await embedded.stop()
    await embedded.start()
    await _keep(_keeper(embedded))

    async def beginning(_: Any) -> dict[Any, int]:
        return {}

    subscription = await embedded.subscribe("routing", [CONTACT], beginning)
    found = await subscription.poll(10, 1)
    assert [(m.key, m.value) for m in found] == [("other", b"x"), ("k", b"erased")]
    await subscription.close()


async def test_what_was_superseded_leaves_no_bytes(
    toy: Toy, embedded: EmbeddedLog, tmp_path: Path
) -> None:
    secret = "canary-0xC0FFEE" * 20
    await embedded.publish(_contacts(("k", secret)), NOW)
    await embedded.publish(_contacts(("k", "erased")), NOW)
    assert any(secret.encode() in path.read_bytes() for path in (tmp_path / "log").iterdir())
    await _keep(_keeper(embedded))
    for path in (tmp_path / "log").iterdir():
        assert secret.encode() not in path.read_bytes(), path


async def test_compaction_reads_nothing_twice(embedded: EmbeddedLog) -> None:
    """A second look at everything would cost more each day."""
    await embedded.publish(_contacts(*((f"k{n}", "x") for n in range(1300))), NOW)
    assert await _keep(_keeper(embedded)) == 4, "three chunks, and one that finds nothing"
    assert await _keep(_keeper(embedded)) == 1


async def test_each_transaction_is_small(embedded: EmbeddedLog) -> None:
    """Who takes leads waits for none of them longer than a moment."""
    await embedded.publish(_messages(2600), LONG_AGO)
    await embedded.publish(_contacts(*((f"k{n % 5}", "x") for n in range(1600))), NOW)
    _read_by(embedded, READERS, TOPIC, 2**40)
    db = embedded.database("capture")
    gone: list[int] = []

    def count(_conn: Any, cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith("DELETE"):
            gone.append(cursor.rowcount)

    event.listen(db._writer, "after_cursor_execute", count)
    await _keep(_keeper(embedded))
    assert sum(gone) == 2600 + 1600 - 5
    assert max(gone) <= CHUNK
    assert CHUNK <= 500


def _plan(db: Database, statement: Any, **given: Any) -> list[str]:
    with db.connect() as conn:
        sql, order, _ = statement._for(conn)
        values = tuple(given[name] for name in order or ())
        return [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]


async def test_no_step_scans_a_table(embedded: EmbeddedLog) -> None:
    db = embedded.database("capture")
    plans = [
        _plan(db, retention._EXPIRED, topic=TOPIC, chunk=5, before="2026", read=5),
        _plan(db, retention._NEXT_MARK, topic=TOPIC, mark=5, chunk=5),
        _plan(db, retention._SUPERSEDED, topic=TOPIC, mark=5, upto=9),
    ]
    steps = [step for plan in plans for step in plan]
    assert not [step for step in steps if step.startswith("SCAN")], steps
    assert any("outbox_of_topic" in step for step in plans[0])
    assert any("outbox_of_key (topic=? AND key=? AND rowid<?)" in step for step in plans[2])


async def test_events_whose_effect_is_old_are_forgotten_once_no_topic_has_them(
    toy: Toy,
) -> None:
    kept_longest = max(t.retention_ms or 0 for t in TOPICS.values()) / 86_400_000
    assert kept_longest < INBOX_DAYS, "a repeat would have a second effect"
    limit = NOW - timedelta(days=INBOX_DAYS)
    old = [first_id_of(limit - timedelta(seconds=n + 1)) for n in range(1234)]
    young = [first_id_of(limit), first_id_of(NOW)]
    with toy.db.begin() as conn:
        inbox.fresh(conn, "qualify", [*old, *young])
    keeper = InboxKeeper(toy.db, "qualify", FixedClock(NOW))
    assert await keeper.run() == CHUNK
    assert await _keep(keeper) == 3
    with toy.db.begin() as conn:
        assert inbox.fresh(conn, "qualify", [*old, *young]) == set(old)


def test_the_first_id_of_a_moment_is_before_all_of_it(database_url: str) -> None:
    made = new_id()
    milliseconds = UUID(made).int >> 80
    moment = datetime.fromtimestamp(milliseconds / 1000, NOW.tzinfo)
    assert first_id_of(moment) <= made
    assert (
        first_id_of(moment - timedelta(seconds=1))
        < made
        < first_id_of(moment + timedelta(seconds=1))
    )


async def test_what_the_toy_emits_is_kept_by_its_own_topic(toy: Toy, embedded: EmbeddedLog) -> None:
    """A keeper minds the topics that its service owns, and no other's."""
    data = LeadUnrouted(lead_id="l", cycle=1, reason="toy", unrouted_at=NOW)
    with toy.transactions.begin() as unit:
        for _ in range(3):
            unit.emit(data)
    _read_by(embedded, TOPICS["lead.handoff"].readers, "lead.handoff", 2**40)
    later = FixedClock(NOW + timedelta(days=60))
    await _keep(LogKeeper("qualify", toy.db, embedded, later))
    assert (await toy.counts())["outbox"] == 3, "routing owns lead.handoff"
    assert place_of("lead.handoff").partition == 2
