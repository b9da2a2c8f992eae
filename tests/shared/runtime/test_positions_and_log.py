"""A reader's database and the log that it read may part ways: neither may cost an event."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from shared.bus.api import TopicPartition
from shared.bus.local import LocalSubscription, place_of
from shared.db import inbox
from tests.shared.toy.embedded import EmbeddedLog
from tests.shared.toy.service import TOPIC, Toy, captured, message

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_log_that_began_anew_is_read(toy: Toy, tmp_path: Path) -> None:
    for name, numbers in (("first", range(10)), ("second", range(10, 14))):
        bus = EmbeddedLog(tmp_path / name, toy.db)
        await bus.start()
        await bus.publish([message(captured("lead", number)) for number in numbers])
        consumer = toy.consumer(bus)
        await consumer.step()
        await consumer.close()
        await bus.stop()
    # The second log is shorter than the position that the first one left.
    assert await toy.numbers("lead") == list(range(14))


async def test_a_batch_that_lost_its_position_is_read_again(
    toy: Toy, embedded: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await embedded.publish([message(captured("lead", number)) for number in range(5)])
    real, sought = inbox.advance, []
    seeking = LocalSubscription.seek

    def lost(*_: object) -> None:
        raise inbox.LostPosition("planted")

    async def seek(self: LocalSubscription, to: Mapping[TopicPartition, int]) -> None:
        sought.append(dict(to))
        await seeking(self, to)

    monkeypatch.setattr(LocalSubscription, "seek", seek)
    monkeypatch.setattr(inbox, "advance", lost)
    consumer = toy.consumer(embedded)
    await consumer.step()
    monkeypatch.setattr(inbox, "advance", real)
    assert await toy.numbers("lead") == []
    assert set(sought[0]) == {place_of(TOPIC)}  # also of what nothing was ever read
    await consumer.step()
    assert await toy.numbers("lead") == list(range(5))
    await consumer.close()


async def test_a_database_that_goes_away_just_then_costs_no_event(
    toy: Toy, embedded: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A position was lost, the batch is rolled back, and the positions can't be read again: what
    the batch held of partitions that are still ours must not be passed over."""
    await embedded.publish([message(captured("lead", number)) for number in range(5)])
    consumer = toy.consumer(embedded)
    await consumer.step()
    await embedded.publish([message(captured("lead", number)) for number in range(5, 10)])
    with monkeypatch.context() as planted:

        def lost(*_: object) -> None:
            planted.setattr(inbox, "positions", away)
            raise inbox.LostPosition("planted: of another partition of the batch")

        def away(*_: object) -> None:
            raise OperationalError("SELECT", None, Exception("planted"))

        planted.setattr(inbox, "advance", lost)
        with pytest.raises(OperationalError):
            await consumer.step()
    await embedded.publish([message(captured("lead", number)) for number in range(10, 12)])
    for _ in range(3):
        await consumer.step()
    assert await toy.numbers("lead") == list(range(12))
    await consumer.close()


async def test_what_is_parked_of_one_log_does_not_push_out_what_another_parks(
    toy: Toy, tmp_path: Path
) -> None:
    """Two logs give out the same places: each letter is one of its own."""
    bad, waiting = captured("lead", 1), captured("lead", 2)
    toy.poison = {bad.id}
    for name, event in (("first", bad), ("second", waiting)):
        bus = EmbeddedLog(tmp_path / name, toy.db)
        await bus.start()
        await bus.publish([message(event)])
        consumer = toy.consumer(bus)
        with toy.db.begin() as conn:
            conn.exec_driver_sql("DELETE FROM consumer_offsets")
        await consumer.step()
        await consumer.close()
        await bus.stop()
    assert (await toy.counts())["dead_letters"] == 2
