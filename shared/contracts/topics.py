"""The topic registry: name, writer, readers, and how each topic is kept. One writer per topic."""

from dataclasses import dataclass
from typing import Final

from shared.contracts.events import EVENT_TYPES, EventData
from shared.contracts.services import SERVICES as SERVICES

_DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A logical topic. The physical name is a prefix and this name."""

    name: str
    owner: str
    readers: tuple[str, ...]
    key: str
    """What the message key holds; messages with one key stay in order."""
    partitions: int = 6
    compacted: bool = False
    retention_ms: int | None = 30 * _DAY_MS
    """How long messages are kept; None (compacted topics): the last of each key for ever."""

    @property
    def types(self) -> tuple[type[EventData], ...]:
        """The event types written to this topic."""
        return tuple(
            model
            for model in EVENT_TYPES.values()
            if model.topic.replace("{service}", self.owner) == self.name
        )


TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        Topic("lead.captured", "capture", ("qualify", "feedback"), "lead_id"),
        Topic(
            "lead.contact",
            "capture",
            ("routing", "feedback"),
            "lead_id",
            compacted=True,
            retention_ms=None,
        ),
        Topic("lead.qualification", "qualify", ("routing", "feedback"), "lead_id"),
        Topic("lead.handoff", "routing", ("qualify", "feedback"), "lead_id"),
        Topic("lead.feedback", "feedback", ("qualify", "routing"), "lead_id"),
        Topic("definition.proposed", "feedback", ("qualify",), "proposal_id", partitions=1),
        Topic(
            "definition.published",
            "qualify",
            ("feedback",),
            "version",
            partitions=1,
            compacted=True,
            retention_ms=None,
        ),
        *(
            Topic(f"{service}.dead-letter", service, (), "event_key", partitions=1)
            for service in SERVICES
        ),
    )
}


def topics_read_by(service: str) -> tuple[str, ...]:
    """The topics this service subscribes to."""
    return tuple(topic.name for topic in TOPICS.values() if service in topic.readers)


def topics_of(service: str) -> tuple[str, ...]:
    """The topics this service reads or writes: those it cannot start without."""
    return tuple(
        topic.name
        for topic in TOPICS.values()
        if service == topic.owner or service in topic.readers
    )
