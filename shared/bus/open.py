"""Which bus a URL means."""

from collections.abc import Callable

from shared.bus.api import Bus
from shared.bus.local import LocalBus
from shared.db.database import Database


def open_bus(url: str, prefix: str, database: Callable[[str], Database]) -> Bus:
    """The bus of a URL, not started.

    ``local:`` is the embedded log in the outboxes of the services, whose databases ``database``
    gives by name; ``kafka://host:port[,host:port]`` is a Kafka cluster, where ``prefix`` goes in
    front of each logical topic name. Raises ValueError.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "local" and colon:
        return LocalBus(database)
    if scheme == "kafka" and rest.startswith("//") and rest.strip("/"):
        from shared.bus.kafka import KafkaBus  # aiokafka is slow to import

        return KafkaBus(rest.strip("/"), prefix)
    raise ValueError(f"unknown bus URL {url!r}: local: or kafka://host:port[,host:port]")
