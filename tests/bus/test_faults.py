"""The contract suite catches broken buses: each is broken in one way, and a promise must fail."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from shared.bus.api import Message, Positions, Received, Subscription, TopicPartition
from tests.bus import contract
from tests.bus.lab import Lab


class Broken:
    """A bus that passes everything on, and the same for its members; subclasses break a thing."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Reversed(Broken):
    """Gives each poll's messages in the wrong order."""

    async def subscribe(self, *arguments: Any) -> Any:
        return ReversedMember(await self.real.subscribe(*arguments))


class ReversedMember(Broken):
    async def poll(self, max_records: int, timeout: float) -> Sequence[Received]:
        return list(reversed(await self.real.poll(max_records, timeout)))


class MixesKeys(Broken):
    """Publishes one call's messages out of order."""

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.real.publish(list(reversed(messages)))


class ForgetsPositions(Broken):
    """Never asks the database where to go on."""

    async def subscribe(
        self, group: str, topics: Sequence[str], positions: Positions
    ) -> Subscription:
        async def nothing(places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
            return {}

        member: Subscription = await self.real.subscribe(group, topics, nothing)
        return member


class DropsLast(Broken):
    """Says that all was written when one message was not."""

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.real.publish(messages[:-1])


class SharesNothing(Broken):
    """Makes a group of its own of each member."""

    async def subscribe(
        self, group: str, topics: Sequence[str], positions: Positions
    ) -> Subscription:
        group = f"{group}-{id(positions)}-{object()!r}"
        member: Subscription = await self.real.subscribe(group, topics, positions)
        return member


class IgnoresSeek(Broken):
    """Does not go back."""

    async def subscribe(self, *arguments: Any) -> Any:
        return IgnoresSeekMember(await self.real.subscribe(*arguments))


class IgnoresSeekMember(Broken):
    async def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        return None


class NeverLeaves(Broken):
    """Keeps the partitions of a member that closed."""

    async def subscribe(self, *arguments: Any) -> Any:
        return NeverLeavesMember(await self.real.subscribe(*arguments))


class NeverLeavesMember(Broken):
    async def close(self) -> None:
        return None


class OnePartition(Broken):
    """Puts every key into the same partition."""

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.real.publish([Message(m.topic, "k", m.value, m.headers) for m in messages])


class LosesHeaders(Broken):
    """Writes values alone."""

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.real.publish([Message(m.topic, m.key, m.value, {}) for m in messages])


class LosesTheTail(Broken):
    """Does not hear of what is committed while it runs."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        real.committed = lambda service, rows: None


FAULTS = (
    ("local", Reversed, contract.keys_stay_in_order),
    ("local", MixesKeys, contract.keys_stay_in_order),
    ("local", ForgetsPositions, contract.a_restart_goes_on_from_the_database),
    ("local", ForgetsPositions, contract.the_database_is_asked_for_each_assigned_partition),
    ("local", DropsLast, contract.a_big_batch_arrives_whole),
    ("local", DropsLast, contract.what_was_published_outlives_the_bus),
    ("local", IgnoresSeek, contract.a_seek_redelivers),
    ("local", LosesHeaders, contract.an_event_arrives_as_it_was),
    ("local", LosesTheTail, contract.a_tail_and_a_table_are_one_log),
    ("kafka", SharesNothing, contract.members_share_the_partitions),
    ("kafka", NeverLeaves, contract.a_leavers_partitions_are_taken_over),
    ("kafka", OnePartition, contract.members_share_the_partitions),
    ("kafka", LosesHeaders, contract.tombstones_and_headers_arrive),
)


@pytest.mark.parametrize(
    ("bus_url", "fault", "promise"),
    FAULTS,
    ids=[f"{fault.__name__}-{promise.__name__}" for _, fault, promise in FAULTS],
    indirect=["bus_url"],
)
async def test_the_suite_catches(
    lab: Lab,
    fault: type[Broken],
    promise: Callable[[Lab], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.bus.lab.DEADLINE", 2.0)  # it will be waited out

    async def another() -> Any:
        return fault(await lab.another())

    with pytest.raises(AssertionError):
        await promise(Lab(fault(lab.bus), another))
