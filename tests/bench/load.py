"""A load generator small enough to outrun the servers it measures: raw HTTP/1.1, kept alive.

Bounded in count and time, loopback only. One process, one core.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What came back: statuses, latencies in seconds, and how long it all took."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests answered with 2xx, per second."""
        good = sum(count for status, count in self.statuses.items() if 200 <= status < 300)
        return good / self.seconds


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def post(path: str, body: bytes, key: str) -> bytes:
    """A POST as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def drive(
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
    on_lead: Callable[[float, bytes], None] | None = None,
) -> Tally:
    """Send requests over ``connections`` for ``seconds``; ``rate`` paces them all together.

    ``on_lead`` is told when each request was due and what was answered. With a rate, latency counts
    from when a request was due, not from when it could be sent, so that a stall is not hidden by
    the requests it held back.
    """
    tally = Tally()
    began = time.perf_counter()
    until = began + seconds
    due = iter(_ticks(began, rate)) if rate else None

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while time.perf_counter() < until:
                start = time.perf_counter()
                if due is not None:
                    start = next(due)
                    await asyncio.sleep(max(0.0, start - time.perf_counter()))
                request = next(requests, None)
                if request is None:
                    return
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                status = int(head[9:12])
                at = head.lower().find(b"content-length:")
                length = int(head[at + 15 : head.index(b"\r\n", at)])
                body = await reader.readexactly(length)
                tally.latencies.append(time.perf_counter() - start)
                tally.statuses[status] += 1
                if on_lead is not None:
                    on_lead(start, body)
        finally:
            writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    tally.seconds = time.perf_counter() - began
    return tally


def _ticks(began: float, rate: float) -> Iterator[float]:
    number = 0
    while True:
        yield began + number / rate
        number += 1
