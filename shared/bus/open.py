"""Which bus a URL means."""

from pathlib import Path

from shared.bus.api import Bus

LOCAL_FILE = "bus.db"


def open_bus(url: str, prefix: str, data: Path | None) -> Bus:
    """The bus of a URL, not started.

    ``local:`` is the embedded log in the folder ``data``; ``kafka://host:port[,host:port]`` is a
    Kafka cluster. ``prefix`` goes before each logical topic name. Raises ValueError.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "local" and colon:
        if data is None:
            raise ValueError("the bus local: needs a data folder")
        from shared.bus.local import LocalBus

        return LocalBus(data / LOCAL_FILE, prefix)
    if scheme == "kafka" and rest.startswith("//") and rest.strip("/"):
        from shared.bus.kafka import KafkaBus

        return KafkaBus(rest.strip("/"), prefix)
    raise ValueError(f"unknown bus URL {url!r}: local: or kafka://host:port[,host:port]")
