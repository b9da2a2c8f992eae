"""What the buses count."""

from prometheus_client import Counter

POSITION_RESETS = Counter(
    "leadloop_bus_position_resets",
    "Times a reader's position was outside the log and reading went on at its earliest message",
    ["bus", "topic"],
)
PRODUCER_REBUILDS = Counter(
    "leadloop_bus_producer_rebuilds",
    "Times the Kafka producer was thrown away and built anew after a send of unknown outcome",
)
STALLS = Counter(
    "leadloop_bus_consumer_stalls",
    "Times a subscription was given up because messages waited and none came",
    ["group"],
)
