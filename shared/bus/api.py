"""The bus contract: what every backend promises. ``tests/bus`` runs the same suite on all of them.

Semantics, the same for Kafka and for the embedded log:

- A topic has partitions; a key always goes to the same one; a partition is an ordered log.
- Delivery is at least once and in order per partition, from the position that ``positions`` named.

A ``Broker`` (Kafka) is written to by relays and read by groups:

- ``publish`` returns once every message is durable on the broker. Messages of one call keep their
  order per key. When it raises, any of them may or may not have been written: publish them again
  (readers drop repeats by event id).
- Members of a group share the partitions: each partition has one member at a time, plus for a
  moment a *zombie* that does not know yet that it lost it. The bus does not fence; positions do:
  they live in the reader's database and move by compare-and-set.

Embedded, the writers' outboxes are the log (``shared.bus.local``): there is nothing to publish to,
and a group has one member.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class TopicPartition(NamedTuple):
    """A partition of a logical topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish. ``value`` None is a tombstone. ``topic`` is the logical name."""

    topic: str
    key: str
    value: bytes | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """A message as read, with its place in the log."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: Mapping[str, str]

    @property
    def place(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


class BusUnavailable(Exception):
    """The broker can't be reached or did not confirm in time. Try again later."""


class MissingTopics(Exception):
    """Topics that should exist do not. ``names`` are physical names."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("missing topics: " + ", ".join(names) + "; create them: leadloop topics")
        self.names = tuple(names)


Positions = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Asked on assignment: the next offset to read of each partition; one left out starts at the
beginning of the log. So does one whose offset is outside the log (it was pruned past it, or is not
the log it was): reading goes on at the earliest message there is, with a warning and a count, and
offsets may be *lower* than the one named. Nothing may be dropped for that: readers know repeats by
event id."""


class Subscription(Protocol):
    """One member of a consumer group."""

    async def poll(self, max_records: int, timeout: float) -> Sequence[Received]:
        """The next messages, at most ``max_records``, waiting up to ``timeout`` seconds for the
        first. Empty when none came. Raises BusUnavailable."""
        ...

    async def seek(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets: after a batch that was rolled back. A partition that this
        member has lost meanwhile is ignored."""
        ...

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell the broker how far the group is, for lag displays only. Never raises."""
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this member has now."""
        ...

    async def lag(self) -> int:
        """Messages of this member's partitions that were not polled yet."""
        ...

    async def close(self) -> None:
        """Leave the group at once, so that others take over."""
        ...


class Bus(Protocol):
    """A connection to the log of events."""

    async def start(self) -> None:
        """Connect. Raises BusUnavailable when the broker is away; may be called again."""
        ...

    async def stop(self) -> None:
        """Close everything. Subscriptions must be closed before."""
        ...

    async def subscribe(
        self, group: str, topics: Sequence[str], positions: Positions
    ) -> Subscription:
        """Join a group. Raises BusUnavailable."""
        ...

    async def check_topics(self, topics: Sequence[str]) -> None:
        """Raises MissingTopics naming each that is not there, BusUnavailable."""
        ...

    async def create_topics(self) -> Sequence[str]:
        """Create what the registry names and the broker lacks; returns what was created."""
        ...


class Broker(Bus, Protocol):
    """A bus that is a system of its own, to which outboxes are relayed."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Write messages durably; see the module. Raises BusUnavailable, and ValueError when one of
        them is larger than the broker takes: then none of that one's partition may be there."""
        ...
