"""A reader's database and the log that it read may part ways: neither may cost an event."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from shared.bus.api import TopicPartition
from shared.bus.local import LocalBus
from shared.bus.local_group import LocalSubscription
from shared.db import inbox
from tests.shared.toy.service import Toy, captured, message


async def _log(folder: Path) -> LocalBus:
    folder.mkdir()
    bus = LocalBus(folder / "bus.db")
    await bus.start()
    await bus.create_topics()
    return bus


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_log_that_began_anew_is_read(toy: Toy, tmp_path: Path) -> None:
    for name, numbers in (("first", range(10)), ("second", range(10, 14))):
        bus = await _log(tmp_path / name)
        await bus.publish([message(captured("lead", number)) for number in numbers])
        consumer = toy.consumer(bus)
        await consumer.step()
        await consumer.close()
        await bus.stop()
    # The second log is shorter than the position that the first one left.
    assert await toy.numbers("lead") == list(range(14))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_batch_that_lost_its_position_is_read_again(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = await _log(tmp_path / "log")
    await bus.publish([message(captured("lead", number)) for number in range(5)])
    real, sought = inbox.advance, []

    async def lost(*_: object) -> None:
        raise inbox.LostPosition("planted")

    async def seek(self: LocalSubscription, to: Mapping[TopicPartition, int]) -> None:
        sought.append(dict(to))
        await seeking(self, to)

    seeking = LocalSubscription.seek
    monkeypatch.setattr(LocalSubscription, "seek", seek)
    monkeypatch.setattr(inbox, "advance", lost)
    consumer = toy.consumer(bus)
    await consumer.step()
    monkeypatch.setattr(inbox, "advance", real)
    assert await toy.numbers("lead") == []
    assert len(sought[0]) == 6  # also the partitions that nothing of was ever read
    await consumer.step()
    assert await toy.numbers("lead") == list(range(5))
    await consumer.close()
    await bus.stop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_that_goes_away_just_then_costs_no_event(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A position was lost, the batch is rolled back, and the positions can't be read again: what
    the batch held of partitions that are still ours must not be passed over."""
    bus = await _log(tmp_path / "log")
    await bus.publish([message(captured("lead", number)) for number in range(5)])
    real = inbox.advance, inbox.positions
    consumer = toy.consumer(bus)
    await consumer.step()
    await bus.publish([message(captured("lead", number)) for number in range(5, 10)])

    async def lost(*_: object) -> None:
        monkeypatch.setattr(inbox, "positions", away)
        raise inbox.LostPosition("planted: of another partition of the batch")

    async def away(*_: object) -> None:
        raise OperationalError("SELECT", None, Exception("planted"))

    monkeypatch.setattr(inbox, "advance", lost)
    with pytest.raises(OperationalError):
        await consumer.step()
    monkeypatch.setattr(inbox, "advance", real[0])
    monkeypatch.setattr(inbox, "positions", real[1])
    await bus.publish([message(captured("lead", number)) for number in range(10, 12)])
    for _ in range(3):
        await consumer.step()
    assert await toy.numbers("lead") == list(range(12))
    await consumer.close()
    await bus.stop()
