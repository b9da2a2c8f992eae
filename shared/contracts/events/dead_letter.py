"""``<service>.dead-letter``: where and why, never what."""

from pydantic import AwareDatetime

from shared.contracts.events.base import EventData


class DeadLettered(EventData):
    """An event a service could not process. The event itself stays in that service's database."""

    type = "leadloop.dead_letter.recorded.v1"
    topic = "{service}.dead-letter"

    service: str
    consumer: str
    event_id: str | None
    event_type: str | None
    event_key: str
    reason: str
    """What went wrong, without any value of the event."""
    source_topic: str
    source_partition: int
    source_offset: int
    failed_at: AwareDatetime

    def key(self) -> str:
        return self.event_key
