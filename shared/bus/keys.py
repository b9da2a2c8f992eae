"""Which partition a key belongs to: the same on every bus, for ever."""

from zlib import crc32


def partition_of(key: bytes, partitions: int) -> int:
    """CRC-32 of the key, modulo the number of partitions. Changing this, or a topic's number of
    partitions, moves keys and so breaks their order."""
    return crc32(key) % partitions
